//! `syncline attach`, `logs` and `stop`: what a detached run says, and its end.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::ValueHint;
use syncline::{
    paramserv::{RunRecord, RunState},
    program::Interrupt,
};

use super::{OUTPUT, become_command, launcher::Launcher, of_cluster};
use crate::{
    failure::Failure,
    output::{print, print_table, remark},
};

/// How often a run that goes on is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// How often whoever keeps it going is asked for, in looks: Slurm's controller is everybody's.
const ASK_EVERY: u32 = 10;

/// Follow a run that was left to itself, to its end, and end as it does
///
/// Ctrl-C leaves the run alone and ends only this command.
///
/// Examples:
///   syncline train data.csv --run-dir runs/first --detach
///   syncline attach runs/first
///   syncline attach kubernetes:ml/train-first
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct AttachArgs {
    /// The run's folder, or kubernetes:NAMESPACE/JOB
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    run: PathBuf,
}

/// Print what a run that was left to itself has said
///
/// Examples:
///   syncline logs runs/first
///   syncline logs runs/first --follow
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LogsArgs {
    /// The run's folder, or kubernetes:NAMESPACE/JOB
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// Go on printing until the run's end
    #[arg(long)]
    follow: bool,
}

/// Ask a run that was left to itself to come to its end, and wait for that
///
/// It writes a checkpoint, its model and its report; `syncline runs resume` goes
/// on with it.
///
/// Example:
///   syncline stop runs/first
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StopArgs {
    /// The run's folder, or kubernetes:NAMESPACE/JOB
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    run: PathBuf,
}

impl AttachArgs {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        if let Some(command) = of_cluster(&self.run, &["attach"])? {
            return Err(become_command(command));
        }
        let mut output = Output::of(&self.run);
        follow(&self.run, || output.print())?;
        ending(&self.run)
    }
}

impl LogsArgs {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let part: &[&str] = if self.follow { &["logs", "--follow"] } else { &["logs"] };
        if let Some(command) = of_cluster(&self.run, part)? {
            return Err(become_command(command));
        }
        let mut output = Output::of(&self.run);
        if self.follow {
            return follow(&self.run, || output.print());
        }
        Launcher::read(&self.run)?;
        output.print()?;
        if output.read == 0 {
            remark("it has said nothing yet; --follow waits for what it says");
        }
        Ok(())
    }
}

impl StopArgs {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        if let Some(command) = of_cluster(&self.run, &["stop"])? {
            return Err(become_command(command));
        }
        let launcher = Launcher::read(&self.run)?;
        if launcher.lives()? {
            launcher.ask_to_end()?;
            follow(&self.run, || Ok(()))?;
        }
        print(&format!(
            "{}: {}",
            syncline_terminal::path(&self.run),
            RunRecord::read(&self.run)?.state.name()
        ))
    }
}

/// Looks again and again until the run is over.
fn follow(folder: &Path, mut look: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let launcher = Launcher::read(folder)?;
    while launcher.lives()? {
        for _ in 0..ASK_EVERY {
            look()?;
            thread::sleep(LOOK);
        }
    }
    look()
}

/// How the run ended, as this command's own end.
fn ending(folder: &Path) -> Result<(), Failure> {
    match RunRecord::read(folder)?.state {
        RunState::Finished => Ok(()),
        RunState::Interrupted(_) => Err(Failure::Interrupted(Interrupt::Terminate)),
        RunState::Failed(why) => Err(Failure::Failed(why)),
        RunState::Killed => Err(Failure::Failed("the run ended without a word: it was killed".to_owned())),
        RunState::Running => {
            Err(Failure::Failed("the run goes on, but not by what had started it".to_owned()))
        }
    }
}

/// What a run says, as it comes.
struct Output {
    path: PathBuf,
    read: u64,
}

impl Output {
    fn of(folder: &Path) -> Self {
        Self { path: folder.join(OUTPUT), read: 0 }
    }

    /// Prints the lines that have come since the last time.
    fn print(&mut self) -> Result<(), Failure> {
        // It may not be there yet.
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|error| {
            Failure::Failed(format!("cannot read {}: {error}", syncline_terminal::path(&self.path)))
        })?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        self.read += end as u64 + 1;
        print_table(&String::from_utf8_lossy(&bytes[..end]))
    }
}
