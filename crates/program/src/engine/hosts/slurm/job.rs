//! A job, as Slurm tells of it.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::launch::executor::Sink;
use crate::life::exit::Exit;

/// How often the queue is asked why the job still waits.
const LOOK: Duration = Duration::from_secs(5);

/// A job by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job(pub(super) String);

/// How a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// As in `RUNNING`.
    name: String,
    /// Why it waits.
    reason: String,
    /// The hosts that it has, without those that it has lost.
    pub(super) hosts: Vec<String>,
    /// What is left of its time limit, if it has one.
    pub(super) left: Option<Duration>,
    /// How many GPUs it has on each of its hosts, in their order; of none where it has none. Nothing where it is not told.
    pub(super) devices: Option<Vec<usize>>,
}

impl Job {
    /// How it is now; nothing where Slurm does not answer or no longer knows it.
    pub(super) fn look(&self) -> Option<State> {
        let mut command = Command::new("squeue");
        command.args(["--json", "--states=all", "--jobs", &self.0]).stdin(Stdio::null());
        let output = command.output().ok()?;
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        #[allow(clippy::disallowed_methods, reason = "Slurm tells the end of a job by the wall clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Some releases answer with all jobs, whatever was asked for.
        let mine = |job: &&Value| {
            job.get("job_id").and_then(number).is_some_and(|number| number.to_string() == self.0)
        };
        read(answer.get("jobs")?.as_array()?.iter().find(mine)?, now)
    }

    /// Says why it waits, whenever that changes, until it waits no more.
    pub(super) fn tell_why_it_waits(&self, sink: &Sink) {
        let mut last = String::new();
        while let Some(State { reason, .. }) = self.look().filter(|state| state.name == "PENDING") {
            if reason != last {
                sink(
                    "launcher",
                    &format!("job {} waits in Slurm's queue: {reason}{}", self.0, hint(&reason)),
                );
                last = reason;
            }
            thread::sleep(LOOK);
        }
    }
}

/// What a reason means that does not pass while nobody changes something: see squeue(1), "JOB REASON CODES".
fn hint(reason: &str) -> &'static str {
    match reason {
        "PartitionConfig" | "PartitionNodeLimit" | "BadConstraints" => {
            ", which is more than the partition has: ask for less, or for another one"
        }
        "PartitionTimeLimit" => ", a longer time than the partition gives: ask for less, or for another one",
        _ => "",
    }
}

impl State {
    /// How a node on `host` was ended by this; nothing if it was not.
    pub(super) fn ends(&self, host: &str) -> Option<Exit> {
        match self.name.as_str() {
            "TIMEOUT" | "DEADLINE" => Some(Exit::WithJob("its time limit is reached")),
            "PREEMPTED" => Some(Exit::WithJob("it made room for another")),
            "CANCELLED" => Some(Exit::WithJob("it was cancelled")),
            "OUT_OF_MEMORY" => Some(Exit::OutOfMemory),
            "NODE_FAIL" | "BOOT_FAIL" => Some(Exit::Lost),
            // Hosts are not known where Slurm did not name them.
            _ => {
                (!self.hosts.is_empty() && !self.hosts.iter().any(|name| name == host)).then_some(Exit::Lost)
            }
        }
    }
}

/// Reads a job of `squeue --json` at a time since 1970.
fn read(job: &Value, now: Duration) -> Option<State> {
    let name = text(job.get("job_state")?)?;
    let limit = job.get("time_limit").and_then(number);
    let end = limit.and(job.get("end_time").and_then(number)).filter(|_| name == "RUNNING");
    Some(State {
        reason: job.get("state_reason").and_then(text).unwrap_or_default(),
        hosts: job.get("nodes").and_then(text).and_then(|nodes| names(&nodes).ok()).unwrap_or_default(),
        left: end.map(|end| Duration::from_secs(end).saturating_sub(now)),
        devices: job.get("gres_detail").and_then(Value::as_array).map(|all| all.iter().map(gpus).collect()),
        name,
    })
}

/// How many GPUs such a text tells of: `gpu:a100:2(IDX:0-1),shard:1(IDX:0)`.
fn gpus(gres: &Value) -> usize {
    let mut depth = 0_i32;
    // The numbers within brackets are divided by commas, too.
    let parts = gres.as_str().unwrap_or_default().split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    let count = |part: &str| {
        let what = part.split('(').next()?;
        what.strip_prefix("gpu:")?.rsplit(':').next()?.parse::<usize>().ok()
    };
    parts.filter_map(count).sum()
}

/// A text in older releases, a list of texts in later ones.
fn text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.as_array()?.first()?.as_str()).map(str::to_owned)
}

/// A number in older releases, an object that says whether it is set in later ones.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let is = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or_default();
        (is("set") && !is("infinite")).then(|| value.get("number")?.as_u64())?
    })
}

/// The names in a list of hosts such as `node[1-3,7]`.
pub(super) fn names(list: &str) -> io::Result<Vec<String>> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let output = Command::new("scontrol").args(["show", "hostnames", list]).stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn jobs_of_older_and_later_releases_are_read() {
        let older = json!({ "job_state": "RUNNING", "state_reason": "None", "nodes": "", "end_time": 1300, "time_limit": 5 });
        let later = json!({
            "job_state": ["RUNNING"], "state_reason": "None", "nodes": "",
            "end_time": { "set": true, "infinite": false, "number": 1300 },
            "time_limit": { "set": true, "infinite": false, "number": 5 },
        });
        let read = |job: &Value| read(job, NOW).unwrap();
        assert_eq!(read(&older), read(&later));
        assert_eq!(read(&older).left, Some(Duration::from_secs(300)));
        let endless =
            json!({ "job_state": "RUNNING", "nodes": "", "end_time": 99_999_999, "time_limit": null });
        assert_eq!(read(&endless).left, None);
        let endless = json!({ "job_state": ["RUNNING"], "time_limit": { "set": false, "infinite": true, "number": 0 } });
        assert_eq!(read(&endless).left, None);
    }

    #[test]
    fn devices_are_counted_host_by_host() {
        let state = |gres: Value| {
            read(&json!({ "job_state": "RUNNING", "nodes": "", "gres_detail": gres }), NOW).unwrap().devices
        };
        assert_eq!(state(json!(["gpu:2(IDX:0-1)", "gpu:1(IDX:0)"])), Some(vec![2, 1]));
        assert_eq!(state(json!(["gpu:a100:3(IDX:0,2-3),shard:1(IDX:1)", "(null)"])), Some(vec![3, 0]));
        assert_eq!(state(json!([])), Some(Vec::new()));
        assert_eq!(read(&json!({ "job_state": "RUNNING", "nodes": "" }), NOW).unwrap().devices, None);
    }

    #[test]
    fn the_state_of_a_job_tells_how_its_nodes_ended() {
        let state = |name: &str, hosts: &[&str]| State {
            name: name.to_owned(),
            reason: String::new(),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            left: None,
            devices: None,
        };
        assert_eq!(state("RUNNING", &["a", "b"]).ends("b"), None);
        assert_eq!(state("RUNNING", &["a"]).ends("b"), Some(Exit::Lost));
        assert_eq!(state("OUT_OF_MEMORY", &["b"]).ends("b"), Some(Exit::OutOfMemory));
        assert!(
            matches!(state("TIMEOUT", &["b"]).ends("b"), Some(Exit::WithJob(why)) if why.contains("limit"))
        );
    }
}
