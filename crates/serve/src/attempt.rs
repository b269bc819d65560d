//! The small process that starts one attempt's command, waits for it and writes down how it ended.
//!
//! It outlives the daemon, so an exit code is not lost when the daemon is. In the attempt's folder it keeps
//!
//! - `claim`: who it is. Whoever creates this file first decides whether the attempt runs: a daemon that finds none after a
//!   crash creates it, and a late starter then starts nothing. ATTEMPT-1: an attempt's command is started at most once.
//! - `status`: how it ended. Its room on the disk is taken before the command starts, so a full disk cannot lose it.
//! - `job`: the command's process, which leads a group of its own; the signals of the daemon go there.
//! - `output`: what the command says.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::{
        fs::FileExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::{
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, setsid, waitid},
    thread::sched_setaffinity,
};
use serde::{Deserialize, Serialize};

use crate::{
    actuator::Ending,
    error::{Error, Result},
    proc::{MARK, Process, core_set, uptime},
};

/// What to start, in the file `launch`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The working folder.
    pub directory: Option<PathBuf>,
    /// Variables beside those of the daemon.
    pub environment: BTreeMap<String, String>,
    /// The cores that it is held to, by number among those that the daemon may use; none: all.
    #[serde(default)]
    pub cores: Vec<usize>,
}

/// How it ended, and when by the machine's uptime.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// How.
    pub ending: Ending,
    /// When, in seconds.
    pub uptime: f64,
    /// Of which start of the machine.
    pub boot: String,
}

/// Bytes that are set aside for the status.
const ROOM: usize = 4096;

/// Runs the attempt in `folder` to its end.
///
/// # Errors
/// A folder that cannot be read or written. Then nothing was started.
pub fn run(folder: &Path) -> Result<()> {
    // Away from the daemon's terminal: its Ctrl-C is not meant for jobs. Only a leader cannot, and then it is away.
    let _ = setsid();
    let order = read_order(folder)?;
    if !claim(folder)? {
        return Ok(());
    }
    let status = reserve(folder)?;
    let ending = match start(folder, &order) {
        Ok(child) => wait(folder, child),
        Err(why) => Ending::NotStarted(why),
    };
    write_status(folder, &status, ending)
}

fn read_order(folder: &Path) -> Result<Order> {
    let path = folder.join("launch");
    let text = std::fs::read_to_string(&path).map_err(Error::io("reading what to start", &path))?;
    let wrong = |error: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    serde_json::from_str(&text).map_err(wrong).map_err(Error::io("reading what to start", path))
}

/// Whether the attempt is ours to start.
pub fn claim(folder: &Path) -> Result<bool> {
    let path = folder.join("claim");
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        opened => opened.map_err(Error::io("claiming an attempt", &path))?,
    };
    let own = Process::of(std::process::id() as i32);
    let text = serde_json::to_string(&own).unwrap_or_default();
    writeln!(file, "{text}")
        .and_then(|()| file.sync_all())
        .map_err(Error::io("claiming an attempt", path))?;
    Ok(true)
}

fn reserve(folder: &Path) -> Result<File> {
    let path = folder.join("status");
    let make = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        file.write_all_at(&[b' '; ROOM], 0)?;
        file.sync_all()?;
        Ok(file)
    };
    make().map_err(Error::io("making room for an exit code", &path))
}

fn write_status(folder: &Path, file: &File, ending: Ending) -> Result<()> {
    let status = Status { ending, uptime: uptime(), boot: crate::proc::boot() };
    let mut text = serde_json::to_string(&status).unwrap_or_default();
    text.truncate(ROOM);
    let written = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.sync_all());
    written.map_err(Error::io("writing an exit code", folder.join("status")))
}

/// How an attempt ended, if it has.
pub fn read_status(folder: &Path) -> Option<Status> {
    let text = std::fs::read_to_string(folder.join("status")).ok()?;
    serde_json::from_str(text.trim()).ok()
}

/// A process that was written down.
pub fn read_process(path: &Path) -> Option<Process> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

fn start(folder: &Path, order: &Order) -> std::result::Result<Child, String> {
    let (program, arguments) = order.command.split_first().ok_or("there is no command")?;
    let output = OpenOptions::new().create(true).append(true).open(folder.join("output"));
    let output = output.map_err(|error| format!("its output cannot be kept: {error}"))?;
    let same = output.try_clone().map_err(|error| format!("its output cannot be kept: {error}"))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(&order.environment).env(MARK, folder).process_group(0);
    command.stdin(Stdio::null()).stdout(output).stderr(same);
    if let Some(directory) = &order.directory {
        if !directory.is_dir() {
            return Err(format!("its folder {} is not there", directory.display()));
        }
        command.current_dir(directory);
    }
    // That it cannot be done is no reason not to run.
    if let Some(set) = core_set(&order.cores) {
        let _ = sched_setaffinity(None, &set);
    }
    let child = command.spawn().map_err(|error| format!("`{program}`: {error}"))?;
    let process = Process::of(child.id() as i32);
    // Without this file the daemon still finds the processes, by their mark.
    let _ = serde_json::to_string(&process).map(|text| std::fs::write(folder.join("job"), text));
    Ok(child)
}

/// Waits for the command, ends what it left behind in its group, and says how it ended.
fn wait(folder: &Path, mut child: Child) -> Ending {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // Not reaped yet, so the group's number cannot be another's.
        let _ = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = kill_process_group(group, Signal::KILL);
    }
    let ending = child.wait().map_or_else(|error| Ending::NotStarted(error.to_string()), ending);
    crate::proc::kill_marked(&folder.to_string_lossy());
    ending
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
    }
}
