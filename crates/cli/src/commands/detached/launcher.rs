//! Where a detached run goes on, and whether it still does.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const FILE: &str = "launcher.json";

/// Who keeps a detached run going.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Launcher {
    /// A process of a host.
    Process {
        /// The host's name.
        host: String,
        /// Its number.
        pid: u32,
        /// When it was started, in the kernel's ticks: its number may be given away again.
        since: Option<u64>,
    },
    /// A job of Slurm.
    Slurm {
        /// Its number.
        job: String,
    },
}

impl Launcher {
    /// A process of this host.
    pub fn of(pid: u32) -> Self {
        Self::Process { host: this_host(), pid, since: started(pid) }
    }

    /// Writes it into the folder.
    pub fn keep(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::failed)?;
        let path = folder.join(FILE);
        fs::write(&path, text).map_err(|error| {
            Failure::Failed(format!("cannot write {}: {error}", syncline_terminal::path(&path)))
        })
    }

    /// That of the run in a folder.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let shown = syncline_terminal::path(folder);
        let text = fs::read_to_string(folder.join(FILE)).map_err(|_| {
            Failure::Failed(format!(
                "there is no detached run in {shown}; `syncline runs` lists those there are"
            ))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::Failed(format!("{shown}/{FILE} is damaged: {error}")))
    }

    /// Whether it is still there, waiting or running.
    ///
    /// # Errors
    /// When it cannot be seen from here.
    pub fn lives(&self) -> Result<bool, Failure> {
        match self {
            Self::Process { pid, since, .. } => {
                self.check_host()?;
                Ok(since.is_some() && started(*pid) == *since)
            }
            Self::Slurm { job } => {
                // All states, since a job that is about to begin anew is in none of those that are listed else.
                let answer = Command::new("squeue")
                    .args(["--noheader", "--states=all", "--format=%T", "--jobs", job])
                    .stdin(Stdio::null())
                    .output();
                let answer = answer.map_err(|error| {
                    Failure::Failed(format!("cannot ask Slurm by `squeue` for job {job}: {error}"))
                })?;
                Ok(is_queued(&answer))
            }
        }
    }

    /// Asks it to come to its end.
    ///
    /// # Errors
    /// When it cannot be asked from here.
    pub fn ask_to_end(&self) -> Result<(), Failure> {
        match self {
            Self::Process { pid, .. } => {
                self.check_host()?;
                let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
                let asked = pid.map_or(Ok(()), |pid| kill_process(pid, Signal::TERM));
                asked.map_err(|error| Failure::Failed(format!("cannot signal the run: {error}")))
            }
            Self::Slurm { job } => {
                let status = Command::new("scancel").arg(job).stdin(Stdio::null()).status();
                match status {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => {
                        Err(Failure::Failed(format!("`scancel` ended with {status} for job {job}")))
                    }
                    Err(error) => Err(Failure::Failed(format!("cannot call `scancel`: {error}"))),
                }
            }
        }
    }

    fn check_host(&self) -> Result<(), Failure> {
        match self {
            Self::Process { host, .. } if *host != this_host() => Err(Failure::Failed(format!(
                "the run goes on at {}: ask there",
                syncline_terminal::escape(host)
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether a job is still to run, or runs, by what `squeue` says of it. A controller that does not answer in time says nothing of the job,
/// which is then taken to be where it was; of one that has long gone it says that there is none.
fn is_queued(answer: &Output) -> bool {
    if !answer.status.success() {
        return !String::from_utf8_lossy(&answer.stderr).contains("Invalid job id");
    }
    let states = String::from_utf8_lossy(&answer.stdout);
    states.lines().any(|state| !OVER.contains(&state.trim()))
}

/// The states of jobs that do not run any more: squeue(1), "JOB STATE CODES".
const OVER: [&str; 10] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
];

fn this_host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// When a process was started; nothing if it is not there, or only waits to be collected. The fields of
/// `/proc/PID/stat` are counted from behind the name, which may hold anything (proc(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") { None } else { fields.get(19)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        let own = Launcher::of(std::process::id());
        assert!(own.lives().unwrap());
        let Launcher::Process { host, pid, since } = own else { panic!("{own:?}") };
        let other = Launcher::Process { host, pid, since: since.map(|since| since + 1) };
        assert!(!other.lives().unwrap(), "the number was given away");
        let elsewhere = Launcher::Process { host: "nowhere.invalid".to_owned(), pid, since };
        assert!(elsewhere.lives().unwrap_err().to_string().contains("goes on at nowhere.invalid"));
    }

    #[test]
    fn it_is_kept_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Launcher::read(folder.path()).unwrap_err().to_string().contains("no detached run"));
        Launcher::Slurm { job: "7".to_owned() }.keep(folder.path()).unwrap();
        assert!(matches!(Launcher::read(folder.path()).unwrap(), Launcher::Slurm { job } if job == "7"));
    }

    #[test]
    fn a_job_is_queued_until_slurm_says_that_it_is_over_or_that_there_is_none() {
        let queued = |code: i32, stdout: &str, stderr: &str| {
            let status = ExitStatus::from_raw(code << 8);
            is_queued(&Output { status, stdout: stdout.into(), stderr: stderr.into() })
        };
        for state in ["PENDING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED"] {
            assert!(queued(0, &format!("{state}\n"), ""), "{state}");
        }
        for state in ["", "COMPLETED\n", "TIMEOUT\n", "CANCELLED\n"] {
            assert!(!queued(0, state, ""), "{state}");
        }
        assert!(queued(0, "COMPLETED\nPENDING\n", ""), "one of an array is to come");
        assert!(!queued(1, "", "slurm_load_jobs error: Invalid job id specified\n"));
        assert!(queued(1, "", "slurm_load_jobs error: Unable to contact slurm controller\n"));
    }
}
