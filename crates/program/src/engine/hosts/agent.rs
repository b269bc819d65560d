//! What a way starts on a host: this binary, beside the node's process, to hold it for the launcher.
//!
//! The agent hands on what comes by its standard input, the leash. Where that ends, the node perishes with all that it
//! started. How the node ended is told by the agent's own exit code, in the manner of shells: 128 and the number of the
//! signal that killed it, and one beyond all signals where the host had no memory left for it.

use std::env;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Pid, getpid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::control::role;
use crate::engine::processes::memory::Victims;
use crate::engine::processes::process::Group;
use crate::engine::processes::{restart, way};
use crate::life::exit::Exit;

/// Marks a process as an agent.
pub(crate) const AGENT: &str = "SYNCLINE_AGENT";

/// Names the places of a node's devices among those that the agent was given: `0,2`.
pub(crate) const POSITIONS: &str = "SYNCLINE_DEVICES";

/// By which libraries for GPUs are told which devices there are, each a list divided by commas.
const VISIBLE: [&str; 4] =
    ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"];

/// How long a node may take to perish by itself, once its launcher is gone.
const PERISHING: Duration = Duration::from_secs(2);

/// What signals are added to in an exit code.
const SIGNALLED: i32 = 128;

/// The exit code of an agent whose node was killed for want of memory.
const OUT_OF_MEMORY: i32 = SIGNALLED + 65;

/// Is the agent, in a process that was started to be one; returns in all others.
pub(crate) fn be_if_asked() {
    if env::var_os(AGENT).is_none() || !role::is_input_a_pipe() {
        return;
    }
    exit(run().unwrap_or_else(|error| {
        eprintln!("error: the agent cannot start its node: {error}");
        1
    }))
}

fn run() -> io::Result<i32> {
    // Whether a signal to all processes of a job ends the node is the node's matter; its end must still be told.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let (asked, asks) = io::pipe()?;
    signal_hook::low_level::pipe::register(SIGTERM, asks)?;
    let mut command = Command::new(restart::started_from()?);
    command.args(env::args_os().skip(1)).process_group(0).stdin(Stdio::piped());
    command.env_remove(AGENT).env_remove(POSITIONS);
    if let Ok(positions) = env::var(POSITIONS) {
        let given = VISIBLE.into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
        command.envs(given.map(|(name, devices)| (name, those_at(&positions, &devices))));
    }
    role::bind_to_this_process(&mut command);
    let victims = Victims::now();
    let mut child = command.spawn()?;
    drop(command);
    let group = Group::led_by(&child);
    let leash = child.stdin.take();
    let holding = group.clone();
    let hold = move || {
        if let Some(mut leash) = leash {
            // Its end, or an error: the launcher is gone, or the node.
            let _ = io::copy(&mut io::stdin().lock(), &mut leash);
        }
        std::thread::sleep(PERISHING);
        holding.kill();
    };
    std::thread::Builder::new().name("leash".to_owned()).spawn(hold)?;
    if getpid() == Pid::INIT {
        let ending = group.clone();
        std::thread::Builder::new().name("end".to_owned()).spawn(move || end_when(asked, &ending))?;
    }
    group.await_end();
    Ok(group.reap(&mut child).map_or(1, |status| code(victims.among(way::told(status)))))
}

/// Those of a list of devices that are at these places; all where there are none there.
fn those_at(positions: &str, devices: &str) -> String {
    let all: Vec<_> = devices.split(',').collect();
    let wanted =
        positions.split(',').filter_map(|position| all.get(position.parse::<usize>().ok()?).copied());
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() { devices.to_owned() } else { wanted.join(",") }
}

/// Ends the node when its container is asked to end: as the first process there the agent alone is asked.
fn end_when(mut asked: PipeReader, node: &Group) {
    if asked.read_exact(&mut [0]).is_ok() {
        node.kill();
    }
}

fn code(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => SIGNALLED + signal,
        Exit::OutOfMemory => OUT_OF_MEMORY,
        Exit::WithJob(_) | Exit::TakenAway(_) | Exit::NeverStarted(_) | Exit::Lost | Exit::Unknown => 1,
    }
}

/// What the end of an agent, or of the command that carries it, tells of the node's.
pub(crate) fn told(status: ExitStatus) -> Exit {
    match way::told(status) {
        Exit::Code(code) => told_by(code),
        exit => exit,
    }
}

/// What an agent's exit code tells of its node's end.
pub(crate) fn told_by(code: i32) -> Exit {
    match code {
        OUT_OF_MEMORY => Exit::OutOfMemory,
        _ if (SIGNALLED + 1..=SIGNALLED + 64).contains(&code) => Exit::Signal(code - SIGNALLED),
        _ => Exit::Code(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_sees_the_devices_at_its_places() {
        assert_eq!(those_at("0,2", "4,5,7"), "4,7");
        assert_eq!(those_at("1", "GPU-a,GPU-b"), "GPU-b");
        assert_eq!(those_at("3", "0,1"), "0,1");
    }
}
