//! A batch script, by which Slurm starts the launcher itself: the run then needs nobody who stays.

use std::ffi::OsString;
use std::path::PathBuf;

use super::wishes::Wishes;
use crate::Interrupt;
use crate::engine::hosts::shell::{joined, quoted};

/// What is to be started, and with room for what.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The job's name.
    pub name: String,
    /// How many nodes there are to be that are processes, one core each.
    pub nodes: usize,
    /// The command that launches the program, or goes on with it where it was begun before.
    pub command: Vec<OsString>,
    /// Where the job's output goes; what was there stays.
    pub output: PathBuf,
}

/// The script. Where the time limit ended the run it is queued again, and so it is after the loss of its first host.
pub(in super::super) fn script(batch: &Batch, wishes: &Wishes) -> String {
    let output = batch.output.display().to_string().replace('%', "%%");
    let mut lines = vec!["#!/bin/sh".to_owned()];
    let ours = [
        format!("--job-name={}", batch.name),
        format!("--ntasks={}", batch.nodes.max(1)),
        "--no-kill".to_owned(),
        "--requeue".to_owned(),
        "--open-mode=append".to_owned(),
        format!("--output=\"{output}\""),
    ];
    lines.extend(ours.iter().chain(wishes.flags()).map(|flag| format!("#SBATCH {flag}")));
    let command = joined(batch.command.iter().map(quoted)).to_string_lossy().into_owned();
    let again = Interrupt::TimeLimit.exit_code();
    lines.extend([
        "# A request to end is for the run, which ends with a checkpoint; the shell waits for that."
            .to_owned(),
        "trap : TERM".to_owned(),
        command,
        "code=$?".to_owned(),
        "# Its time was over: it goes on when it is its turn again. Slurm ends this turn itself: an exit code that came".to_owned(),
        "# after the next had begun would be taken for that one's.".to_owned(),
        format!("[ $code -eq {again} ] && scontrol requeue \"$SLURM_JOB_ID\" && sleep 60"),
        "exit $code\n".to_owned(),
    ]);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_script_asks_for_room_and_is_one_for_a_shell() {
        let batch = Batch {
            name: "train".to_owned(),
            nodes: 6,
            command: ["echo", "it's", "here"].map(OsString::from).into(),
            output: "/runs/50%/output".into(),
        };
        let mut wishes = Wishes::default();
        wishes.add("partition", Some("gpu")).unwrap();
        let script = script(&batch, &wishes);
        for line in
            ["#SBATCH --ntasks=6", "#SBATCH --partition=gpu", "#SBATCH --output=\"/runs/50%%/output\""]
        {
            assert!(script.lines().any(|found| found == line), "{line} is missing in {script}");
        }
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's here\n");
        assert!(output.status.success());
    }
}
