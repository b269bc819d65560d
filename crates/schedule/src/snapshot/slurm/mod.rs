//! Slurm's own words (`squeue`, `sinfo`, `scontrol`, `sacct`) as a snapshot.
//!
//! The form of their JSON has changed: before 23.02 numbers and states stand as they are, since then a number is
//! `{"set": true, "infinite": false, "number": 5}` and a state a list. Both are read (`field`). Before 23.02 `scontrol`
//! has no JSON, so its lines of `KEY=VALUE` are read too.

mod field;
mod hostlist;
mod job;
mod node;
mod sinfo;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub(super) use self::field::clock;
use self::field::{number, text};
use super::{Closure, Command, Documents, Job, Past, Queue, Snapshot, Standing, System};
use crate::error::{Error, Result};

/// Slurm's objects have many fields; these are an object's.
pub(super) type Fields = Map<String, Value>;

pub(super) const COMMANDS: &[Command] = &[
    Command { line: &["squeue", "--all", "--json"], instead: None, needed: true },
    Command {
        line: &["scontrol", "show", "nodes", "--json"],
        instead: Some(&["sinfo", "--all", "--json"]),
        needed: true,
    },
    Command {
        line: &["scontrol", "show", "partitions", "--json"],
        instead: Some(&["scontrol", "-o", "show", "partition"]),
        needed: false,
    },
    Command {
        line: &["scontrol", "show", "reservations", "--json"],
        instead: Some(&["scontrol", "-o", "show", "reservation"]),
        needed: false,
    },
    Command {
        line: &["sacct", "--allusers", "--allocations", "--starttime", "now-14days", "--json"],
        instead: None,
        needed: false,
    },
];

/// Seconds that an ended job must have run to say anything about others.
const SHORTEST_PAST: f64 = 1.0;

/// What documents of Slurm say.
pub(super) fn read(documents: &Documents) -> Result<Snapshot> {
    documents.are_whole(&["jobs", "nodes", "sinfo", "partitions", "reservations"])?;
    let nodes = nodes(documents)?;
    if nodes.is_empty() {
        let what = "there are jobs of Slurm and no nodes; add what `scontrol show nodes --json` prints, or, before Slurm 23.02, `sinfo --json`";
        return Err(Error::Snapshot(what.into()));
    }
    let queues = queues(documents, &nodes);
    let kinds = node::kinds(documents, &nodes);
    let places =
        nodes.iter().map(|fields| node::place(fields, &kinds, &queues)).collect::<Result<Vec<_>>>()?;
    let now = documents.taken.unwrap_or_else(|| now(documents));
    let mut snapshot = Snapshot {
        system: System::Slurm,
        now,
        kinds,
        closures: Vec::new(),
        places,
        queues,
        jobs: Vec::new(),
        history: Vec::new(),
        nodes: None,
        notes: Vec::new(),
    };
    snapshot.closures = closures(documents, &snapshot);
    let counts_memory = job::counts_memory(documents);
    for fields in documents.entries("jobs") {
        match past(fields)? {
            Some(ended) => snapshot.history.extend(ended),
            None => {
                let (jobs, note) = job::jobs(fields, &snapshot, counts_memory)?;
                snapshot.jobs.extend(jobs);
                snapshot.notes.extend(note);
            }
        }
    }
    snapshot.notes.extend(at_odds(&nodes, &snapshot));
    Ok(snapshot)
}

/// Says so where jobs run on nodes that are idle: then the outputs are not of the same time.
fn at_odds(nodes: &[Fields], snapshot: &Snapshot) -> Option<String> {
    let idle: Vec<bool> = nodes.iter().map(node::is_idle).collect();
    let runs_on_idle = |job: &&Job| match &job.standing {
        Standing::Running { holds, note: None, .. } => holds.iter().any(|(place, _)| idle[*place]),
        _ => false,
    };
    let of: Vec<&Job> = snapshot.jobs.iter().filter(runs_on_idle).collect();
    let job = of.first()?;
    let run = match of.len() - 1 {
        0 => "runs".to_owned(),
        more => format!("and {more} more run"),
    };
    Some(format!(
        "the outputs are not of the same time: {} {run}, by one of them, on nodes that are idle by another. Starts that follow from that are wrong; \
         take the outputs anew, one right after the other",
        job.label()
    ))
}

/// The nodes as `scontrol` says them, once each, else as the rows of `sinfo` do.
fn nodes(documents: &Documents) -> Result<Vec<Fields>> {
    let mut seen = BTreeSet::new();
    let listed: Vec<Fields> = documents
        .entries("nodes")
        .filter(|node| seen.insert(node.get("name").map_or("", text).to_owned()))
        .cloned()
        .collect();
    if listed.is_empty() { sinfo::nodes(documents) } else { Ok(listed) }
}

/// When the snapshot was taken: Slurm does not say, but says when it last looked at the queue, or when anything last happened.
fn now(documents: &Documents) -> f64 {
    let told = documents.entries("jobs").flat_map(|job| {
        let times =
            ["last_sched_evaluation", "submit_time"].into_iter().filter_map(|field| number(job.get(field)?));
        let ended = !matches!(state(job), "PENDING" | "RUNNING" | "SUSPENDED" | "COMPLETING");
        let began = (state(job) != "PENDING").then(|| number(job.get("start_time")?)).flatten();
        times.chain(ended.then(|| number(job.get("end_time")?)).flatten()).chain(began).collect::<Vec<f64>>()
    });
    let updated = ["last_update", "last_backfill"].into_iter().flat_map(|field| documents.numbers(field));
    told.chain(updated).fold(0.0, f64::max)
}

/// States in which a job waits or runs, and those in which it has ended.
const THERE: [&str; 5] = ["PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING"];
const OVER: [&str; 11] = [
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
    "REVOKED",
    "LAUNCH_FAILED",
];

/// The state of a job in one word: of several, such as `COMPLETED` and `COMPLETING`, the one that is no mere flag.
pub(super) fn state(job: &Fields) -> &str {
    base(job.get("job_state").unwrap_or(&Value::Null))
}

fn base(state: &Value) -> &str {
    let said: Vec<&str> = match state {
        Value::Array(all) => all.iter().map(text).collect(),
        one => vec![text(one)],
    };
    let known = |states: &[&str]| said.iter().copied().find(|word| states.contains(word));
    known(&OVER).or_else(|| known(&THERE)).or(said.first().copied()).unwrap_or("")
}

/// The partitions, as `scontrol` says them, else as nodes and jobs name them.
fn queues(documents: &Documents, nodes: &[Fields]) -> Vec<Queue> {
    let mut queues: Vec<Queue> = documents.entries("partitions").map(partition).collect();
    for line in documents.lines("PartitionName") {
        let of = |key: &str| line.get(key).map(String::as_str);
        let state = of("State").unwrap_or("UP");
        queues.push(Queue {
            name: of("PartitionName").unwrap_or("").into(),
            closed: (state != "UP").then(|| state.to_owned()),
            most_nodes: of("MaxNodes").and_then(|most| most.parse().ok()),
            longest: of("MaxTime").and_then(field::duration),
            usual: of("DefaultTime").and_then(field::duration),
            exclusive: of("OverSubscribe").is_some_and(|shares| shares.starts_with("EXCLUSIVE")),
            tier: of("PriorityTier").and_then(|tier| tier.parse().ok()).unwrap_or(1.0),
            ..Queue::default()
        });
    }
    let mut named: Vec<String> = Vec::new();
    for node in nodes {
        let partitions = node.get("partitions").and_then(Value::as_array);
        named.extend(partitions.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    }
    for job in documents.entries("jobs").filter(|job| job.contains_key("job_state")) {
        named.extend(job.get("partition").map_or("", text).split(',').map(str::to_owned));
    }
    for name in named {
        if !name.is_empty() && queues.iter().all(|queue| queue.name != name) {
            queues.push(Queue { name, tier: 1.0, ..Queue::default() });
        }
    }
    queues
}

fn partition(fields: &Fields) -> Queue {
    let at = |path: &[&str]| {
        path.iter().try_fold(
            fields.get(path[0])?,
            |value, key| if *key == path[0] { Some(value) } else { value.get(key) },
        )
    };
    let state = at(&["partition", "state"]).map_or("UP", text);
    Queue {
        name: fields.get("name").map_or("", text).into(),
        closed: (state != "UP").then(|| state.to_owned()),
        most_nodes: at(&["maximums", "nodes"]).and_then(number).map(|most| most as u32),
        longest: at(&["maximums", "time"]).and_then(number).map(|minutes| 60.0 * minutes),
        usual: at(&["defaults", "time"]).and_then(number).map(|minutes| 60.0 * minutes),
        exclusive: at(&["maximums", "oversubscribe", "jobs"]).and_then(number) == Some(0.0),
        tier: at(&["priority", "tier"]).and_then(number).unwrap_or(1.0),
        ..Queue::default()
    }
}

/// Reservations. Who may use one is not held against who asks: whoever names it runs in it, all others outside.
fn closures(documents: &Documents, snapshot: &Snapshot) -> Vec<Closure> {
    let places = |list: &str| {
        hostlist::hosts(list)
            .iter()
            .filter_map(|name| snapshot.places.iter().position(|place| place.name == *name))
            .collect()
    };
    let json = documents.entries("reservations").filter_map(|fields| {
        Some(Closure {
            name: fields.get("name").map_or("", text).into(),
            places: places(fields.get("node_list").map_or("", text)),
            from: number(fields.get("start_time")?)?,
            until: number(fields.get("end_time")?)?,
        })
    });
    let lines = documents.lines("ReservationName").filter_map(|line| {
        Some(Closure {
            name: line["ReservationName"].clone(),
            places: places(line.get("Nodes")?),
            from: clock(line.get("StartTime")?)?,
            until: clock(line.get("EndTime")?)?,
        })
    });
    json.chain(lines).collect()
}

/// What a job that has ended used of its limit; none at all if it has not ended, nothing if that says nothing about others.
fn past(job: &Fields) -> Result<Option<Option<Past>>> {
    let (ended, elapsed, limit) = match job.get("time").and_then(Value::as_object) {
        // Of `sacct`.
        Some(time) => {
            let state = job.get("state").and_then(|state| state.get("current")).map_or("", base);
            (state, time.get("elapsed").and_then(number), time.get("limit").and_then(number))
        }
        None => {
            let between = |from: &str, until: &str| Some(number(job.get(until)?)? - number(job.get(from)?)?);
            (state(job), between("start_time", "end_time"), job.get("time_limit").and_then(number))
        }
    };
    if !OVER.contains(&ended) {
        // `sacct` tells of jobs that `squeue` tells of too.
        if job.contains_key("time") {
            return Ok(Some(None));
        }
        if !THERE.contains(&ended) {
            let what =
                "its `job_state` is missing, or none that is known; is this what `squeue --json` prints?";
            return Err(Error::Snapshot(format!("job {}: {what} (`{ended}`)", job::id(job)?)));
        }
        return Ok(None);
    }
    let user = job.get("user_name").or(job.get("user")).map_or("", text).to_owned();
    let told = matches!(ended, "COMPLETED" | "FAILED" | "TIMEOUT" | "OUT_OF_MEMORY");
    // A job that ends at once says that it was wrong, not how long the right ones take.
    let seconds = elapsed.filter(|seconds| told && *seconds >= SHORTEST_PAST);
    let limit = limit.filter(|minutes| *minutes > 0.0).map(|minutes| 60.0 * minutes);
    Ok(Some(seconds.map(|seconds| Past { user, seconds, limit })))
}
