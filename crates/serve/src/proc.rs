//! Processes of this machine as `/proc` shows them.
//!
//! A number alone does not tell a process: numbers are used again. A number with the time of its start does, until the machine
//! is started again; then the boot's own identity differs.

use std::fs;

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use serde::{Deserialize, Serialize};

/// One process, now and after the machine was started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start: u64,
    /// Which start of the machine.
    pub boot: String,
}

/// The variable that marks all processes of an attempt, with the folder of the attempt.
pub const MARK: &str = "SYNCLINE_ATTEMPT_FOLDER";

impl Process {
    /// The process of this number, if there is one that is not a mere zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything; what follows the last bracket are plain fields.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
        let dead = matches!(*fields.first()?, "Z" | "X" | "x");
        // The 22nd field of all, where the state is the third.
        let start = fields.get(19)?.parse().ok()?;
        (!dead).then(|| Self { pid, start, boot: boot() })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// Which start of the machine this is.
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Seconds since the machine was started, also while it slept; nobody can set this clock.
pub fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// Live processes that carry the mark of the attempt in `folder`, whatever group they have moved to.
pub fn marked(folder: &str) -> Vec<i32> {
    let mark = format!("{MARK}={folder}");
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| carries(*pid, mark.as_bytes()) && Process::of(*pid).is_some()).collect()
}

fn carries(pid: i32, mark: &[u8]) -> bool {
    // Of other people's processes nothing can be read, and they are none of ours.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// Kills the marked processes; says whether there were any.
pub fn kill_marked(folder: &str) -> bool {
    let found = marked(folder);
    for pid in found.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
    !found.is_empty()
}

/// Some of the cores that this process has, by number among them; none if nothing is to be held to any. A machine that has fewer
/// than were counted goes round.
pub(crate) fn core_set(cores: &[usize]) -> Option<CpuSet> {
    let own = sched_getaffinity(None).ok()?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| own.is_set(*core)).collect();
    if cores.is_empty() || all.is_empty() {
        return None;
    }
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(all[core % all.len()]));
    Some(set)
}

/// How many cores a process may use; none if it is gone.
pub(crate) fn held_cores(pid: i32) -> usize {
    let held = Pid::from_raw(pid).and_then(|pid| sched_getaffinity(Some(pid)).ok());
    held.map_or(0, |set| set.count() as usize)
}

/// Holds all threads of the marked processes to these cores, and so what they start after. Who has ended meanwhile, or belongs to
/// others, is left alone.
pub(crate) fn hold_marked(folder: &str, cores: &[usize]) {
    let Some(set) = core_set(cores) else { return };
    for pid in marked(folder) {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        let threads = threads.flatten().filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        for thread in threads.filter_map(Pid::from_raw) {
            let _ = sched_setaffinity(Some(thread), &set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_of_its_number() {
        let own = Process::of(std::process::id() as i32).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start: own.start + 1, ..own.clone() }.is_alive());
        assert!(!Process { boot: "another".into(), ..own }.is_alive());
        assert!(Process::of(i32::MAX).is_none());
        assert!(uptime() > 0.0);
    }
}
