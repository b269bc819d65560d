//! The flags of `syncline train` that say what becomes of a run when something ends it or a part of it: checkpoints, going on
//! from one, and the loss of workers.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueHint;
use syncline::{
    paramserv::{CheckpointEvery, Checkpoints, OnWorkerLoss, ParamServ, newest_checkpoint},
    program::{Executor, is_child},
};

use crate::{
    failure::Failure,
    output::{go_on_with, remark, warn},
};

/// How long a process may give no sign of life where its loss does not end the run, unless something else is asked for.
const SILENCE: Duration = Duration::from_secs(30);

/// What becomes of a run.
#[derive(clap::Args)]
pub struct SurvivalArgs {
    /// Write checkpoints into this folder, from which --resume goes on
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Checkpoints and losses")]
    checkpoint: Option<PathBuf>,
    /// How often: rounds:N, epochs:N or seconds:S [default: seconds:60]
    #[arg(long, value_name = "HOW-OFTEN", requires = "checkpoint", help_heading = "Checkpoints and losses")]
    checkpoint_every: Option<CheckpointEvery>,
    /// How many checkpoints are kept [default: 3]
    #[arg(long, value_name = "COUNT", requires = "checkpoint", value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = "Checkpoints and losses")]
    keep: Option<u16>,
    /// Go on from the newest whole checkpoint in this folder, with the same data and settings
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::AnyPath, help_heading = "Checkpoints and losses")]
    resume: Option<PathBuf>,
    /// When a worker is killed, fails or is silent for too long: stop, restart (it does its rounds from where it was) or
    /// redistribute (another one does them as well)
    #[arg(long, default_value = "stop", value_name = "POLICY", help_heading = "Checkpoints and losses")]
    on_worker_loss: OnWorkerLoss,
}

impl SurvivalArgs {
    /// Tells the run.
    pub fn tell(&self, run: ParamServ) -> ParamServ {
        let run = run.on_worker_loss(self.on_worker_loss).on_remark(remark);
        let run = self.resume.iter().fold(run, ParamServ::resume);
        let Some(folder) = &self.checkpoint else { return run };
        let mut checkpoints = Checkpoints::in_folder(folder);
        if let Some(every) = self.checkpoint_every {
            checkpoints = checkpoints.every(every);
        }
        if let Some(kept) = self.keep {
            checkpoints = checkpoints.keeping(kept.into());
        }
        run.checkpoint(checkpoints)
    }

    /// A frozen process is lost too, where a loss does not end the run; `silence` is what was asked for.
    pub fn silence(&self, executor: &Executor, silence: Option<Duration>) -> Option<Duration> {
        let heeds = executor.has_processes() && self.on_worker_loss != OnWorkerLoss::Stop;
        silence.or(heeds.then_some(SILENCE))
    }

    /// Says by which command the run goes on, where there is a checkpoint.
    pub fn tell_how_to_go_on(&self) {
        let Some(folder) = self.checkpoint.as_ref().filter(|_| !is_child()) else { return };
        match newest_checkpoint(folder) {
            Ok(found) => {
                let round = found.round;
                go_on_with(
                    &format!("the run goes on from round {round} with:"),
                    &command(env::args_os(), folder),
                );
            }
            Err(error) => warn(&format!("the run cannot go on: {error}")),
        }
    }

    /// As [`tell_how_to_go_on`](Self::tell_how_to_go_on), unless the run was refused.
    pub fn or_go_on<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if matches!(result, Err(Failure::Failed(_)))
            && self.checkpoint.as_ref().is_some_and(|path| path.is_dir())
        {
            self.tell_how_to_go_on();
        }
        result
    }
}

/// The command line with which a run goes on from the checkpoints in a folder.
fn command(arguments: impl Iterator<Item = OsString>, folder: &Path) -> String {
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let (mut words, mut is_folder) = (Vec::new(), false);
    for argument in arguments {
        match std::mem::take(&mut is_folder) {
            false if argument == "--resume" => is_folder = true,
            false if !argument.starts_with("--resume=") => words.push(quoted(&argument)),
            _ => {}
        }
    }
    words.extend(["--resume".to_owned(), quoted(&folder.to_string_lossy())]);
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_names_the_folder_once_and_is_a_shells() {
        let of = |words: &[&str]| command(words.iter().map(OsString::from), Path::new("my runs"));
        assert_eq!(
            of(&["syncline", "train", "it's.csv", "--resume", "old", "--checkpoint", "my runs"]),
            r"syncline train 'it'\''s.csv' --checkpoint 'my runs' --resume 'my runs'"
        );
        assert_eq!(of(&["syncline", "train", "--resume=old"]), "syncline train --resume 'my runs'");
    }
}
