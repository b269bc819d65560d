//! A job's command elsewhere: a program of one node, which the engine of hosts, Slurm or Kubernetes starts there, holds and ends.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio, exit},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use syncline::program::{Context, Executor, NodeResult, Program, Resources, ask_host, launch};

use super::told;
use crate::failure::Failure;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What a shell adds the signal to that ended a command.
const SIGNALLED: i32 = 128;

/// Run a job's command on the first of its hosts, or where an engine gives it room: what the daemon calls
#[derive(clap::Args)]
pub struct Args {
    /// Where, as in ssh:FILE or slurm:partition=gpu
    #[arg(long)]
    on: Executor,
    /// The cores that it has there
    #[arg(long)]
    cpus: Option<usize>,
    /// The GPUs
    #[arg(long)]
    gpus: Option<usize>,
    /// The memory, in GiB
    #[arg(long)]
    memory: Option<f64>,
    /// A variable of its environment
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Ends with the command's exit code.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { on, cpus, gpus, memory, set, command } = args;
    let needs = cpus.into_iter().fold(Resources::default(), Resources::cpus);
    let needs = gpus.filter(|gpus| *gpus > 0).into_iter().fold(needs, Resources::gpus);
    let memory = memory.filter(|memory| *memory > 0.0).map(|memory| (memory * GIB).ceil() as u64);
    let needs = memory.into_iter().fold(needs, Resources::memory);
    let mut program = Program::new("there");
    let job = program.group("job", 1).resources(needs);
    let codes = job.run(async move |ctx| held(&ctx, &set, &command).await);
    let program = program.driver(async move |ctx| Ok(codes.all(&ctx).await?.pop().unwrap_or(1)));
    match launch(program, on).and_then(|run| run.wait()) {
        Ok(0) => Ok(()),
        Ok(code) => exit(code),
        Err(error) => Err(told(error.into())),
    }
}

/// Bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;

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
