//! Jobs of Slurm: what they hold and what they ask for.

use serde_json::Value;

use super::{
    Fields,
    field::{features, gres, number, text, words},
    hostlist::hosts,
    state,
};
use crate::{
    error::{Error, Result},
    snapshot::{Amounts, Documents, Job, Request, Snapshot, Standing, Tasks, Waiting},
};

/// The most jobs that an array stands for.
const MOST_OF_ARRAY: usize = 1000;

/// Where jobs say which devices they ask for: of each node, of each task, in all.
pub const DEVICES: [&str; 3] = ["tres_per_node", "tres_per_task", "tres_per_job"];

/// Whether memory is handed out: where it is not, jobs are given all of a node's and nobody lacks any.
pub fn counts_memory(documents: &Documents) -> bool {
    let running = || documents.entries("jobs").filter(|job| state(job) == "RUNNING");
    running().next().is_none()
        || running().any(|job| job.get("tres_alloc_str").map_or("", text).contains("mem="))
}

/// One record of `squeue`: a job, or the tasks of an array that wait; and what is left out of them, in a sentence.
pub fn jobs(fields: &Fields, snapshot: &Snapshot, counts_memory: bool) -> Result<(Vec<Job>, Option<String>)> {
    let id = id(fields)?;
    let listed = |name: &str| snapshot.queues.iter().position(|queue| queue.name == name);
    let queues: Vec<usize> = fields.get("partition").map_or("", text).split(',').filter_map(listed).collect();
    let Some(_) = queues.first() else {
        return Err(Error::Snapshot(format!("job {id}: it names no partition that there is")));
    };
    let asked = tasks(fields, &queues, snapshot, counts_memory)?;
    let standing = match state(fields) {
        "PENDING" => Standing::Waiting(waiting(fields)),
        _ => Standing::Running {
            since: fields.get("start_time").and_then(number).unwrap_or(snapshot.now),
            holds: holds(fields, &asked, snapshot, counts_memory)?,
            note: None,
        },
    };
    let job = Job {
        id,
        name: fields.get("name").map_or("", text).into(),
        user: fields.get("user_name").map_or("", text).into(),
        priority: fields.get("priority").and_then(number).unwrap_or(0.0),
        submitted: fields.get("submit_time").and_then(number).unwrap_or(0.0),
        limit: limit(fields, snapshot, queues[0]),
        request: Request::Nodes(asked),
        queues,
        standing,
    };
    spelt_out(job, fields.get("array_task_string").map_or("", text))
}

/// Seconds that a job may run; none: without end. One that names no limit has that of its partition.
fn limit(fields: &Fields, snapshot: &Snapshot, queue: usize) -> Option<f64> {
    let asked = fields.get("time_limit");
    let endless = asked.and_then(|limit| limit.get("infinite")?.as_bool()) == Some(true);
    let queue = &snapshot.queues[queue];
    match asked.and_then(number) {
        Some(minutes) => Some(60.0 * minutes),
        None if endless => queue.longest,
        None => queue.usual.or(queue.longest),
    }
}

pub fn id(fields: &Fields) -> Result<String> {
    let number = |field: &str| fields.get(field).and_then(number);
    let job = number("job_id").ok_or_else(|| {
        Error::Snapshot("a job has no `job_id`; is this what `squeue --json` prints?".into())
    })?;
    Ok(match (number("array_job_id").filter(|array| *array > 0.0), number("array_task_id")) {
        (Some(array), Some(task)) => format!("{array}_{task}"),
        _ => format!("{job}"),
    })
}

/// Tasks of an array that still wait as a job each: `2-9%2`, `1,3,5-7`, `0-8:2`; and how many are left out.
fn spelt_out(job: Job, tasks: &str) -> Result<(Vec<Job>, Option<String>)> {
    let (list, at_once) = tasks.split_once('%').unwrap_or((tasks, ""));
    let (mut numbers, mut all) = (Vec::new(), 0);
    for range in list.split(',').filter(|range| !range.is_empty()) {
        let (bounds, step) = range.split_once(':').unwrap_or((range, "1"));
        let (first, last) = bounds.split_once('-').unwrap_or((bounds, bounds));
        let (Ok(first), Ok(last), Ok(step)) =
            (first.parse::<usize>(), last.parse::<usize>(), step.parse::<usize>())
        else {
            let what = format!(
                "job {}: `{range}` in its tasks `{tasks}` is no range; where the list is cut short, ask again with SLURM_BITSTR_LEN=0",
                job.id
            );
            return Err(Error::Snapshot(what));
        };
        let step = step.max(1);
        all += if first <= last { (last - first) / step + 1 } else { 0 };
        numbers.extend((first..=last).step_by(step).take(MOST_OF_ARRAY - numbers.len()));
    }
    if numbers.is_empty() {
        return Ok((vec![job], None));
    }
    let left_out = (all > numbers.len()).then(|| {
        format!(
            "of array {} only the first {MOST_OF_ARRAY} of {all} tasks that wait are looked at: what comes behind them may start later \
             than is said",
            job.id
        )
    });
    let task = |number: usize| {
        let mut task = Job { id: format!("{}_{number}", job.id), ..job.clone() };
        if let Standing::Waiting(waiting) = &mut task.standing {
            waiting.at_once = at_once.parse().ok();
        }
        task
    };
    Ok((numbers.into_iter().map(task).collect(), left_out))
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

fn tasks(fields: &Fields, queues: &[usize], snapshot: &Snapshot, counts_memory: bool) -> Result<Tasks> {
    let whole = |field: &str| fields.get(field).and_then(number).filter(|found| *found > 0.0);
    let cpus = whole("cpus").unwrap_or(1.0);
    let fewest = whole("node_count").unwrap_or(1.0);
    let exclusive = queues.iter().all(|queue| snapshot.queues[*queue].exclusive)
        || words(fields.get("shared"))
            .iter()
            .chain(&words(fields.get("exclusive")))
            .any(|word| matches!(word.as_str(), "none" | "true"));
    // Slurm counts at least one task a node; the cores are those of all.
    let count = whole("tasks").unwrap_or(1.0).max(fewest).min(cpus.max(fewest));
    let mut task = vec![0.0; snapshot.kinds.len()];
    let mut node = task.clone();
    task[0] = cpus / count;
    if counts_memory {
        let of_node = fields.get("memory_per_node");
        // `--mem=0`: all that a node has.
        let all = of_node.is_some_and(|amount| amount.is_object() && number(amount) == Some(0.0));
        match (whole("memory_per_cpu"), whole("memory_per_node")) {
            (Some(each), _) => task[1] = each * task[0] / 1024.0,
            (None, Some(each)) => node[1] = each / 1024.0,
            (None, None) if all => node[1] = least_memory(queues, snapshot),
            (None, None) => {}
        }
    }
    for (field, per) in DEVICES.into_iter().zip([None, Some(1.0), Some(1.0 / count)]) {
        for (kind, amount) in gres(fields.get(field).map_or("", text)) {
            // Cores and memory are said above.
            if let Some(at) = snapshot.kind(&kind).filter(|at| *at > 1) {
                match per {
                    None => node[at] += amount,
                    Some(share) => task[at] += share * amount,
                }
            }
        }
    }
    let named = |field: &str| places(fields, &words(fields.get(field)).join(","), snapshot);
    Ok(Tasks {
        count: count as u32,
        task,
        node,
        fewest: fewest as u32,
        most: whole("max_nodes").map(|most| most as u32),
        per_node: whole("tasks_per_node").map(|most| most as u32),
        exclusive,
        features: features(&words(fields.get("features")).join(",")),
        required: named("required_nodes")?,
        excluded: named("excluded_nodes")?,
    })
}

/// The memory of the smallest node where a job of these queues may run.
fn least_memory(queues: &[usize], snapshot: &Snapshot) -> f64 {
    let of_queues =
        snapshot.places.iter().filter(|place| queues.iter().any(|queue| place.queues.contains(queue)));
    let least = of_queues.map(|place| place.capacity[1]).fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

/// The nodes of a list that a job names.
fn places(fields: &Fields, list: &str, snapshot: &Snapshot) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let found = snapshot.places.iter().position(|place| place.name == *name);
        found.ok_or_else(|| {
            let id = id(fields).unwrap_or_default();
            let what = format!("job {id}: its node {name} is not among the nodes; give what `scontrol show nodes --all --json` prints, whole");
            Error::Snapshot(what)
        })
    };
    hosts(list).iter().map(place).collect()
}

/// What a job that runs holds of each node: by its allocation where that is told, else evenly.
fn holds(
    fields: &Fields,
    asked: &Tasks,
    snapshot: &Snapshot,
    counts_memory: bool,
) -> Result<Vec<(usize, Amounts)>> {
    let places = places(fields, fields.get("nodes").map_or("", text), snapshot)?;
    let share = 1.0 / places.len().max(1) as f64;
    let devices = words_of(fields.get("gres_detail"));
    let given: Vec<Option<Given>> =
        (0..places.len()).map(|at| Given::of(fields, at, &snapshot.places[places[at]].name)).collect();
    let cores: f64 = given.iter().flatten().filter_map(|given| given.cores).sum();
    let mut holds = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let mut amounts: Amounts = asked
            .task
            .iter()
            .zip(&asked.node)
            .map(|(task, node)| share * task * f64::from(asked.count) + node)
            .collect();
        if let Some(given) = &given[at] {
            let of_cores = given.cores.filter(|_| cores > 0.0).map(|own| {
                // A core may be several of what `cpus` counts.
                let cpus = fields.get("cpus").and_then(number).unwrap_or(cores).max(cores);
                own / cores * cpus
            });
            amounts[0] = given.cpus.or(of_cores).unwrap_or(amounts[0]);
            if counts_memory {
                amounts[1] = given.memory.unwrap_or(amounts[1]);
            }
        }
        if asked.exclusive {
            amounts.clone_from(&snapshot.places[*place].capacity);
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
    Ok(holds)
}

/// Texts of a list as they are, commas and all.
fn words_of(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().map(|one| text(one).to_owned()).collect()
}

/// What a job was given on one node, as far as its record says.
struct Given {
    cpus: Option<f64>,
    /// Cores, each of which may be several `cpus`.
    cores: Option<f64>,
    /// In GB.
    memory: Option<f64>,
}

impl Given {
    /// On the node of this place in the list of its nodes, and this name. Since 24.05 nodes are in `nodes.allocation`, before in a list
    /// `allocated_nodes`, and before 22.05 in an object of that name, by their places.
    fn of(fields: &Fields, at: usize, node: &str) -> Option<Self> {
        let resources = fields.get("job_resources")?;
        let old = resources.get("allocated_nodes");
        let by_place = old.and_then(|nodes| nodes.get(at.to_string()));
        let new = resources.get("nodes").and_then(|nodes| nodes.get("allocation")).and_then(Value::as_array);
        let listed = old.and_then(Value::as_array).into_iter().chain(new).flatten();
        let is = |one: &&Value| ["nodename", "name"].iter().any(|key| one.get(key).map_or("", text) == node);
        let one = by_place.or(listed.into_iter().find(is))?;
        let cpus = one.get("cpus");
        let megabytes = [
            one.get("memory_allocated"),
            one.get("memory").map(|memory| memory.get("allocated").unwrap_or(memory)),
        ];
        Some(Self {
            cpus: cpus
                .and_then(|cpus| number(cpus.get("count").unwrap_or(cpus)))
                .filter(|count| *count > 0.0),
            cores: marked(one),
            memory: megabytes
                .into_iter()
                .flatten()
                .find_map(number)
                .filter(|amount| *amount > 0.0)
                .map(|amount| amount / 1024.0),
        })
    }
}

/// The cores of a node that are marked as allocated.
fn marked(node: &Value) -> Option<f64> {
    let sockets = node.get("sockets")?.as_object()?;
    let cores = sockets.values().filter_map(|socket| socket.get("cores")?.as_object());
    let count = cores.flat_map(|cores| cores.values()).filter(|core| text(core) == "allocated").count();
    (count > 0).then_some(count as f64)
}
