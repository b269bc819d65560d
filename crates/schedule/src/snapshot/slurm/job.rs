//! Jobs of Slurm: what they hold and what they ask for.

use serde_json::Value;

use super::{
    Fields,
    field::{gres, number, text, words},
    hostlist::hosts,
    state,
};
use crate::{
    error::{Error, Result},
    snapshot::{Amounts, Documents, Job, Request, Snapshot, Standing, Tasks, Waiting},
};

/// The most jobs that an array stands for.
const MOST_OF_ARRAY: usize = 1000;

/// Whether memory is handed out: where it is not, jobs are given all of a node's and nobody lacks any.
pub fn counts_memory(documents: &Documents) -> bool {
    let running = || documents.entries("jobs").filter(|job| state(job) == "RUNNING");
    running().next().is_none()
        || running().any(|job| job.get("tres_alloc_str").map_or("", text).contains("mem="))
}

/// One record of `squeue`: a job, or the tasks of an array that wait.
pub fn jobs(fields: &Fields, snapshot: &Snapshot, counts_memory: bool) -> Result<Vec<Job>> {
    let id = id(fields)?;
    let listed = |name: &str| snapshot.queues.iter().position(|queue| queue.name == name);
    let queues: Vec<usize> = fields.get("partition").map_or("", text).split(',').filter_map(listed).collect();
    let Some(_) = queues.first() else {
        return Err(Error::Snapshot(format!("job {id}: it names no partition that there is")));
    };
    let request = Request::Nodes(tasks(fields, snapshot, counts_memory));
    let standing = match state(fields) {
        "PENDING" => Standing::Waiting(waiting(fields)),
        _ => Standing::Running {
            since: fields.get("start_time").and_then(number).unwrap_or(snapshot.now),
            holds: holds(fields, snapshot, counts_memory),
            note: None,
        },
    };
    let job = Job {
        id,
        name: fields.get("name").map_or("", text).into(),
        user: fields.get("user_name").map_or("", text).into(),
        queues,
        priority: fields.get("priority").and_then(number).unwrap_or(0.0),
        submitted: fields.get("submit_time").and_then(number).unwrap_or(0.0),
        limit: fields.get("time_limit").and_then(number).map(|minutes| 60.0 * minutes),
        request,
        standing,
    };
    Ok(spelt_out(job, fields.get("array_task_string").map_or("", text)))
}

fn id(fields: &Fields) -> Result<String> {
    let number = |field: &str| fields.get(field).and_then(number);
    let job = number("job_id").ok_or_else(|| {
        Error::Snapshot("a job has no `job_id`; is this what `squeue --json` prints?".into())
    })?;
    Ok(match (number("array_job_id").filter(|array| *array > 0.0), number("array_task_id")) {
        (Some(array), Some(task)) => format!("{array}_{task}"),
        _ => format!("{job}"),
    })
}

/// Tasks of an array that still wait as a job each: `2-9%2`, `1,3,5-7`, `0-8:2`.
fn spelt_out(job: Job, tasks: &str) -> Vec<Job> {
    let (list, at_once) = tasks.split_once('%').unwrap_or((tasks, ""));
    let mut numbers = Vec::new();
    for range in list.split(',').filter(|range| !range.is_empty()) {
        let (range, step) = range.split_once(':').unwrap_or((range, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last), Ok(step)) =
            (first.parse::<usize>(), last.parse::<usize>(), step.parse::<usize>())
        {
            numbers.extend((first..=last).step_by(step.max(1)).take(MOST_OF_ARRAY));
        }
    }
    if numbers.is_empty() {
        return vec![job];
    }
    numbers.truncate(MOST_OF_ARRAY);
    let task = |number: usize| {
        let mut task = Job { id: format!("{}_{number}", job.id), ..job.clone() };
        if let Standing::Waiting(waiting) = &mut task.standing {
            waiting.at_once = at_once.parse().ok();
        }
        task
    };
    numbers.into_iter().map(task).collect()
}

fn waiting(fields: &Fields) -> Waiting {
    let dependency = fields.get("dependency").map_or("", text);
    let begin = fields.get("eligible_time").and_then(number).filter(|time| *time > 0.0);
    let reservation = fields.get("resv_name").map_or("", text);
    Waiting {
        reason: fields.get("state_reason").map_or("", text).into(),
        message: fields.get("state_description").map_or("", text).into(),
        from: begin.filter(|_| fields.get("state_reason").map_or("", text) == "BeginTime"),
        after: depends_on(dependency),
        dependency: dependency.into(),
        reservation: (!reservation.is_empty()).then(|| reservation.to_owned()),
        at_once: None,
    }
}

/// Ids in `afterok:1(unfulfilled),afterany:2:3+5`.
fn depends_on(dependency: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for one in dependency.split([',', '?']) {
        for id in one.split(':').skip(1) {
            let id: String =
                id.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '_').collect();
            ids.extend((!id.is_empty()).then_some(id));
        }
    }
    ids
}

fn tasks(fields: &Fields, snapshot: &Snapshot, counts_memory: bool) -> Tasks {
    let whole = |field: &str| fields.get(field).and_then(number).filter(|found| *found > 0.0);
    let cpus = whole("cpus").unwrap_or(1.0);
    let fewest = whole("node_count").unwrap_or(1.0);
    let exclusive = words(fields.get("shared"))
        .iter()
        .chain(&words(fields.get("exclusive")))
        .any(|word| matches!(word.as_str(), "none" | "true"));
    // Slurm counts at least one task a node; the cores are those of all.
    let count = whole("tasks").unwrap_or(1.0).max(fewest).min(cpus.max(fewest));
    let mut task = vec![0.0; snapshot.kinds.len()];
    let mut node = task.clone();
    task[0] = cpus / count;
    if counts_memory {
        match (whole("memory_per_cpu"), whole("memory_per_node")) {
            (Some(each), _) => task[1] = each * task[0] / 1024.0,
            (None, Some(each)) => node[1] = each / 1024.0,
            (None, None) => {}
        }
    }
    for (field, per) in
        [("tres_per_node", None), ("tres_per_task", Some(1.0)), ("tres_per_job", Some(1.0 / count))]
    {
        for (kind, amount) in gres(fields.get(field).map_or("", text)) {
            if let Some(at) = snapshot.kind(&kind) {
                match per {
                    None => node[at] += amount,
                    Some(share) => task[at] += share * amount,
                }
            }
        }
    }
    let named = |field: &str| {
        let places = hosts(&words(fields.get(field)).join(","));
        places
            .iter()
            .filter_map(|name| snapshot.places.iter().position(|place| place.name == *name))
            .collect()
    };
    Tasks {
        count: count as u32,
        task,
        node,
        fewest: fewest as u32,
        most: whole("max_nodes").map(|most| most as u32),
        per_node: whole("tasks_per_node").map(|most| most as u32),
        exclusive,
        features: words(fields.get("features"))
            .iter()
            .flat_map(|word| word.split('&'))
            .map(str::to_owned)
            .collect(),
        required: named("required_nodes"),
        excluded: named("excluded_nodes"),
    }
}

/// What a job that runs holds of each node: by its allocation where that is told, else evenly.
fn holds(fields: &Fields, snapshot: &Snapshot, counts_memory: bool) -> Vec<(usize, Amounts)> {
    let names = hosts(fields.get("nodes").map_or("", text));
    let places: Vec<usize> = names
        .iter()
        .filter_map(|name| snapshot.places.iter().position(|place| place.name == *name))
        .collect();
    let asked = tasks(fields, snapshot, counts_memory);
    let share = 1.0 / places.len().max(1) as f64;
    let devices = words_of(fields.get("gres_detail"));
    let mut holds = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let mut amounts: Amounts = asked
            .task
            .iter()
            .zip(&asked.node)
            .map(|(task, node)| share * task * f64::from(asked.count) + node)
            .collect();
        let has = &snapshot.places[*place];
        if let Some(cores) = cores(fields, &has.name) {
            amounts[0] = cores;
        }
        if asked.exclusive {
            amounts.clone_from(&has.capacity);
        }
        if let Some(detail) = devices.get(at) {
            (2..amounts.len()).for_each(|kind| amounts[kind] = 0.0);
            for (kind, count) in gres(detail) {
                if let Some(kind) = snapshot.kind(&kind) {
                    amounts[kind] += count;
                }
            }
        }
        holds.push((*place, amounts));
    }
    holds
}

/// Texts of a list as they are, commas and all.
fn words_of(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().map(|one| text(one).to_owned()).collect()
}

/// Cores on a node: what is marked as allocated, or the count of newer versions.
fn cores(fields: &Fields, node: &str) -> Option<f64> {
    let resources = fields.get("job_resources")?;
    let old = resources.get("allocated_nodes").and_then(Value::as_array);
    let new = resources.get("nodes").and_then(|nodes| nodes.get("allocation")).and_then(Value::as_array);
    let is = |one: &&Value| ["nodename", "name"].iter().any(|key| one.get(key).map_or("", text) == node);
    let one = old.into_iter().chain(new).flatten().find(is)?;
    if let Some(count) = one.get("cpus").and_then(|cpus| cpus.get("count")).and_then(number) {
        return Some(count);
    }
    let sockets = one.get("sockets")?.as_object()?;
    let cores = sockets.values().filter_map(|socket| socket.get("cores")?.as_object());
    let count = cores.flat_map(|cores| cores.values()).filter(|core| text(core) == "allocated").count();
    (count > 0).then_some(count as f64)
}
