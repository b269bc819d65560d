//! A job's command on a host of its own: a program of one node, which the engine of hosts starts there, holds and ends.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, Stdio, exit},
    time::Duration,
};

use clap::ValueHint;
use rustix::process::{Pid, Signal, kill_process};
use syncline::program::{Cause, Context, Error, Executor, NodeResult, Program, ask_host, launch};
use syncline_serve::hosts::LOST;

use crate::failure::Failure;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What a shell adds the signal to that ended a command.
const SIGNALLED: i32 = 128;

/// Run a job's command on the first of its hosts: what the daemon calls
#[derive(clap::Args)]
pub struct Args {
    /// The file of the hosts
    #[arg(value_hint = ValueHint::FilePath)]
    hosts: PathBuf,
    /// A variable of its environment
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Ends with the command's exit code.
pub fn run(args: Args) -> Result<(), Failure> {
    let executor: Executor = format!("ssh:{}", args.hosts.display()).parse().map_err(Failure::failed)?;
    let mut program = Program::new("there");
    let Args { set, command, .. } = args;
    let codes = program.group("job", 1).run(async move |ctx| held(&ctx, &set, &command).await);
    let program = program.driver(async move |ctx| Ok(codes.all(&ctx).await?.pop().unwrap_or(1)));
    match launch(program, executor).and_then(|run| run.wait()) {
        Ok(0) => Ok(()),
        Ok(code) => exit(code),
        Err(error) => {
            let lost = is_lost(&error);
            let failure = Failure::failed(error);
            if lost {
                failure.report();
                exit(LOST);
            }
            Err(failure)
        }
    }
}

/// Whether it is not the command that failed: its host, or the way there, is gone.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::NoHost(_) => true,
        Error::NodeFailed(failure) => matches!(failure.cause, Cause::HostLost | Cause::NeverStarted(_)),
        _ => false,
    }
}

/// Ask a host whether it answers: what the daemon calls
#[derive(clap::Args)]
pub struct AskHostArgs {
    /// By how `ssh` reaches it
    host: String,
}

/// Ends with success if it does; else it says why not.
pub fn ask(args: &AskHostArgs) -> Result<(), Failure> {
    ask_host(&args.host).map_err(Failure::Failed)
}

/// Runs the command to its end on the host of this node, and asks it to stop when the node is asked.
async fn held(ctx: &Context, set: &[String], command: &[String]) -> NodeResult<i32> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    // Here too `syncline` is the program that runs, wherever it was brought.
    let program = if program == "syncline" { std::env::current_exe()? } else { program.into() };
    let mut child = Command::new(program);
    // Its own standard input is the node's leash.
    child.args(arguments).envs(set.iter().filter_map(|one| one.split_once('='))).stdin(Stdio::null());
    let mut child = child.spawn().map_err(|error| format!("`{}`: {error}", command[0]))?;
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0)));
        }
        if asked {
            // Whoever asked waits for its end no longer than for any node's.
            ctx.sleep(LOOK).await;
        } else if ctx.stopped_within(LOOK).await {
            asked = true;
            if let Some(pid) = Pid::from_raw(child.id() as i32) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }
}
