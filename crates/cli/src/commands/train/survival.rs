//! The flags of `syncline train` that say what becomes of a run when something ends it or a part of it: checkpoints, going on
//! from one, and the loss of workers.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::ValueHint;
use syncline::{
    paramserv::{CheckpointEvery, OnWorkerLoss, TrainJob, newest_checkpoint},
    program::is_child,
};

use crate::{
    failure::Failure,
    output::{go_on_with, warn},
};

/// What becomes of a run.
#[derive(clap::Args)]
pub struct SurvivalArgs {
    /// Write checkpoints into this folder, from which --resume goes on
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Checkpoints and losses")]
    checkpoint: Option<PathBuf>,
    /// How often: rounds:N, epochs:N or seconds:S [default: seconds:60]
    #[arg(long, value_name = "HOW-OFTEN", help_heading = "Checkpoints and losses")]
    checkpoint_every: Option<CheckpointEvery>,
    /// How many checkpoints are kept [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = "Checkpoints and losses")]
    keep: Option<u16>,
    /// Go on from the newest whole checkpoint in this folder, with the same data and settings
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::AnyPath, help_heading = "Checkpoints and losses")]
    resume: Option<PathBuf>,
    /// When a worker is killed, fails or is silent for too long: stop, restart (it does its rounds from where it was) or
    /// redistribute (another one does them as well) [default: stop]
    #[arg(long, value_name = "POLICY", help_heading = "Checkpoints and losses")]
    on_worker_loss: Option<OnWorkerLoss>,
    /// Standbys of each server, 0 or 1: a node that knows all that the server knows, so that nothing is lost with a server and nothing
    /// done again, for the price that each gradient travels twice; with --on-worker-loss restart or redistribute, and servers that are
    /// processes or simulated [default: 0; a lost server takes all back to the last checkpoint]
    #[arg(long, value_name = "COUNT", help_heading = "Checkpoints and losses")]
    replicas: Option<usize>,
}

impl SurvivalArgs {
    /// Tells the job.
    pub fn tell(self, job: TrainJob) -> TrainJob {
        TrainJob {
            checkpoint: self.checkpoint,
            checkpoint_every: self.checkpoint_every,
            keep: self.keep,
            resume: self.resume,
            on_worker_loss: self.on_worker_loss,
            replicas: self.replicas,
            ..job
        }
    }
}

/// Says by which command the run goes on, where there is a checkpoint.
pub fn tell_how_to_go_on(job: &TrainJob) {
    let Some(folder) = job.checkpoint.as_ref().filter(|_| !is_child()) else { return };
    match newest_checkpoint(folder) {
        Ok(found) => {
            let round = found.round;
            let command = match &job.run_dir {
                Some(run) => format!("syncline runs resume {}", quoted(&run.to_string_lossy())),
                None => command(env::args_os(), folder),
            };
            go_on_with(&format!("the run goes on from round {round} with:"), &command);
        }
        Err(error) => warn(&format!("the run cannot go on: {error}")),
    }
}

/// As [`tell_how_to_go_on`], unless the run was refused.
pub fn or_go_on<T>(job: &TrainJob, result: Result<T, Failure>) -> Result<T, Failure> {
    let is_there = job.checkpoint.as_ref().is_some_and(|path| newest_checkpoint(path).is_ok());
    if matches!(result, Err(Failure::Failed(_) | Failure::HostLost(_))) && is_there {
        tell_how_to_go_on(job);
    }
    result
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
