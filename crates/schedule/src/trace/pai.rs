//! Traces of Alibaba's PAI: the tasks of 2020 (NSDI 2022), and the pods of 2023 (ATC 2023).
//!
//! Both share GPUs: a task may take a part of one. In 2020 percentages of cores and GPUs are asked for, a task has several
//! instances, and a job's tasks (`ps`, `worker`, ...) are jobs of their own here, since the table does not say which wait for
//! each other. In 2023 a pod asks for thousandths of cores and GPUs, and may name the types of GPUs that it runs on.

use std::{collections::BTreeMap, path::Path};

use super::{
    Row, Trace,
    gang::{SHORTEST, gang},
    table::Table,
};
use crate::{
    error::Result,
    model::{DEVICE_LABEL, Job, Resources, Values},
};

/// The columns of the table of tasks, which has no header of its own.
const TASKS: [&str; 10] = [
    "job_name",
    "task_name",
    "inst_num",
    "status",
    "start_time",
    "end_time",
    "plan_cpu",
    "plan_mem",
    "plan_gpu",
    "gpu_type",
];

/// Megabytes of 2^20 bytes in a gigabyte of 10^9.
const MIB_PER_GB: f64 = 953.674_316_406_25;

/// Why a task is not taken.
type LeftOut = &'static str;

/// Of a task whose end stands before its beginning.
const BACKWARDS: LeftOut = "ended before they began";

/// Reads the table of tasks of 2020; time zero is the first start. Times of tasks are of their launch, not of their
/// submission, which another table has.
///
/// # Errors
/// A field that is not what it should be; no task that ran.
pub fn read_tasks(path: &Path) -> Result<Trace> {
    collect(path, &Table::with_columns(path, &TASKS)?, task)
}

/// Reads the list of pods of 2023; time zero is the first creation.
///
/// # Errors
/// A missing column or a field that is not what it should be; no pod that ran.
pub fn read_pods(path: &Path) -> Result<Trace> {
    let columns = [
        "name",
        "cpu_milli",
        "memory_mib",
        "num_gpu",
        "gpu_milli",
        "creation_time",
        "deletion_time",
        "scheduled_time",
    ];
    collect(path, &Table::read(path, &columns)?, pod)
}

fn collect(
    path: &Path,
    table: &Table,
    read: fn(&Row) -> Result<std::result::Result<Job, LeftOut>>,
) -> Result<Trace> {
    let (mut jobs, mut left_out) = (Vec::new(), BTreeMap::new());
    for row in table.rows() {
        match read(&row)? {
            Ok(job) => jobs.push(job),
            Err(why) => *left_out.entry(why).or_default() += 1,
        }
    }
    Trace::from_first(path, jobs, left_out)
}

fn task(row: &Row) -> Result<std::result::Result<Job, LeftOut>> {
    if row.text("start_time").is_empty() {
        return Ok(Err("never began"));
    }
    if row.text("end_time").is_empty() {
        return Ok(Err("had not ended"));
    }
    let instances = row.count("inst_num")?;
    let or_none = |column: &str| if row.text(column).is_empty() { Ok(0.0) } else { row.amount(column) };
    let worker =
        Resources::new(or_none("plan_gpu")? / 100.0, or_none("plan_cpu")? / 100.0, or_none("plan_mem")?, 0.0);
    if worker.is_zero() {
        return Ok(Err("ask for nothing"));
    }
    let start = row.amount("start_time")?;
    let seconds = row.amount("end_time")? - start;
    if seconds < 0.0 {
        return Ok(Err(BACKWARDS));
    }
    let seconds = seconds.max(SHORTEST);
    let name = format!("{}/{}", row.text("job_name"), row.text("task_name"));
    let group = row.text("task_name").to_owned();
    Ok(Ok(Job { worker, group, ..gang(&name, start, instances, seconds, 1.0) }))
}

fn pod(row: &Row) -> Result<std::result::Result<Job, LeftOut>> {
    if row.text("scheduled_time").is_empty() {
        return Ok(Err("never began"));
    }
    let gpus = row.whole("num_gpu")?;
    let part = row.amount("gpu_milli")? / 1000.0;
    // Only a pod of one GPU shares it.
    let gpu = if gpus == 1 { part } else { f64::from(gpus) };
    let memory = row.amount("memory_mib")? / MIB_PER_GB;
    let worker = Resources::new(gpu, row.amount("cpu_milli")? / 1000.0, memory, 0.0);
    if row.text("deletion_time").is_empty() {
        return Ok(Err("had not ended"));
    }
    let seconds = row.amount("deletion_time")? - row.amount("scheduled_time")?;
    if seconds < 0.0 {
        return Ok(Err(BACKWARDS));
    }
    let seconds = seconds.max(SHORTEST);
    let types: Vec<String> =
        row.text("gpu_spec").split('|').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    let needs = if types.is_empty() {
        BTreeMap::new()
    } else {
        BTreeMap::from([(DEVICE_LABEL.to_owned(), Values::Any(types))])
    };
    let group = row.text("qos").to_owned();
    // All of a pod is on one machine, so it is one worker.
    let job = gang(row.text("name"), row.amount("creation_time")?, 1, seconds, 1.0);
    Ok(Ok(Job { worker, needs, group, ..job }))
}
