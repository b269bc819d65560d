//! Jobs as a list of objects, in JSON or TOML.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    BOTH, NO_EPOCH, SLOW_LINK, beside, dependencies, document,
    task::{self, Task},
};
use crate::{
    error::{Error, Result},
    model::{Job, JobId},
    profile::Measured,
};

/// A job, and what runs when it runs.
pub type Entry = (Job, Option<Task>);

/// The jobs of a file, each valid by itself.
pub(super) fn list(path: &Path, devices: &[String]) -> Result<Vec<Entry>> {
    let jobs = objects(path, devices)?;
    validate(path, &jobs)?;
    Ok(jobs)
}

/// In the order of the file, which is what its writer can count.
fn validate(path: &Path, jobs: &[Entry]) -> Result<()> {
    for (index, (job, _)) in jobs.iter().enumerate() {
        let job = Job { id: JobId(index as u32), ..job.clone() };
        let entry = |source| Error::Entry { file: path.into(), entry: index + 1, source: Box::new(source) };
        job.validate().map_err(entry)?;
    }
    Ok(())
}

/// Jobs one by one. In JSON only those that are not plain go through a loose form, so that faults of the others name
/// their line.
fn objects(path: &Path, devices: &[String]) -> Result<Vec<Entry>> {
    let text = document::text(path)?;
    let loose = loose(path, &text)?;
    let in_lines = !document::is_toml(path) && !is_named(&text);
    if in_lines && loose.iter().all(is_plain) {
        let jobs: Vec<Job> = serde_json::from_str(&text).map_err(|source| match unknown_field(&source) {
            Some(error) => {
                let line = source.line() as u64;
                Error::Field { file: path.into(), line, field: "job".into(), what: error.to_string() }
            }
            None => Error::Json { path: path.into(), source },
        })?;
        return Ok(jobs.into_iter().map(|job| (job, None)).collect());
    }
    each(path, loose, devices)
}

fn each(path: &Path, loose: Vec<Value>, devices: &[String]) -> Result<Vec<Entry>> {
    let entry =
        |entry: usize| move |source| Error::Entry { file: path.into(), entry, source: Box::new(source) };
    let arrays: BTreeMap<String, u64> = loose.iter().filter_map(array_of).collect();
    let mut jobs = Vec::new();
    for (index, job) in loose.into_iter().enumerate() {
        let name = job.get("name").and_then(Value::as_str).map(str::to_owned);
        let read = object(path, job, devices).map_err(|error| error.of_job(name.as_deref()));
        jobs.extend(read.map_err(entry(index + 1))?);
    }
    jobs.iter_mut().for_each(|(job, _)| dependencies::expand(job, &arrays));
    Ok(jobs)
}

/// The name of an entry that stands for several jobs, and for how many.
fn array_of(entry: &Value) -> Option<(String, u64)> {
    Some((entry.get("name")?.as_str()?.to_owned(), entry.get("array")?.as_u64()?))
}

/// The jobs of a file as somebody else can read them, who does not have the files beside it: with what profiles say.
pub(super) fn complete_list(path: &Path) -> Result<Vec<Value>> {
    let mut jobs = loose(path, &document::text(path)?)?;
    for (index, job) in jobs.iter_mut().enumerate() {
        let entry = |source| Error::Entry { file: path.into(), entry: index + 1, source: Box::new(source) };
        if let Some(fields) = job.as_object_mut() {
            profiled(path, fields).map_err(entry)?;
        }
    }
    Ok(jobs)
}

/// Jobs that somebody has sent.
pub(super) fn sent(jobs: Vec<Value>, devices: &[String]) -> Result<Vec<Entry>> {
    let path = Path::new("jobs");
    if let Some(profile) = jobs.iter().find_map(|job| job.get("profile")) {
        return Err(invalid("profile", profile, "whoever sends jobs reads their profiles first"));
    }
    if let Some(train) = jobs.iter().find_map(|job| job.get("train")) {
        return Err(invalid("train", train, "whoever sends jobs reads their training jobs first"));
    }
    let jobs = each(path, jobs, devices)?;
    validate(path, &jobs)?;
    Ok(jobs)
}

/// What an entry may say beside the fields of a job and of what is started.
const STAND_FOR: [&str; 5] = ["array", "profile", "epochs", "seconds", "train"];

/// Of a field of an entry that there is not: which there are. None if that is not what is wrong.
fn unknown_field(error: &serde_json::Error) -> Option<Error> {
    let text = error.to_string();
    let (name, known) = text.strip_prefix("unknown field `")?.split_once("`, expected one of ")?;
    // Parts of a job, such as what a worker takes, have fields of their own.
    let known = known.contains("`seconds_per_sample`").then_some(known)?;
    let own = known.split('`').skip(1).step_by(2).filter(|field| *field != "id");
    let mut fields: Vec<&str> = own.chain(task::FIELDS).chain(STAND_FOR).collect();
    fields.sort_unstable();
    Some(Error::Unknown { kind: "field", name: name.into(), valid: fields.join(" ") })
}

/// A list under a name, which TOML needs and JSON allows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    jobs: Vec<Value>,
}

fn loose(path: &Path, text: &str) -> Result<Vec<Value>> {
    if document::is_toml(path) || is_named(text) {
        return Ok(document::parse::<Named>(path, text)?.jobs);
    }
    document::json(path, text)
}

fn is_named(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

fn is_plain(job: &Value) -> bool {
    let loose = ["id", "profile", "array"].iter().any(|field| job.get(field).is_some());
    !loose && !task::is_task(job) && !job.get("speeds").is_some_and(Value::is_object)
}

/// What the profile says that an entry names.
pub(super) fn profiled(path: &Path, fields: &mut Map<String, Value>) -> Result<()> {
    let Some(profile) = fields.remove("profile") else { return Ok(()) };
    let name: String =
        serde_json::from_value(profile).map_err(|source| Error::Json { path: path.into(), source })?;
    complete(path, fields, &Measured::read(&beside(path, &name))?)
}

/// The jobs that an entry of a list, or a row of a table, stands for.
pub(super) fn object(path: &Path, mut job: Value, devices: &[String]) -> Result<Vec<Entry>> {
    let wrong = |source| unknown_field(&source).unwrap_or_else(|| Error::Json { path: path.into(), source });
    let (mut array, mut task) = (None, None);
    if let Some(fields) = job.as_object_mut() {
        if let Some(id) = fields.get("id") {
            return Err(invalid("id", id, "jobs are numbered in the order of their arrival; give a `name`"));
        }
        task = task::take(fields)?;
        profiled(path, fields)?;
        task::spell_out_seconds(fields)?;
        if let Some(speeds) = fields.get_mut("speeds") {
            by_device(speeds, devices)?;
        }
        array = fields.remove("array");
    }
    let job: Job = serde_json::from_value(job).map_err(wrong)?;
    let Some(array) = array else { return Ok(vec![(job, task)]) };
    let count = array.as_u64().filter(|count| (1..=100_000).contains(count));
    let count = count.ok_or_else(|| invalid("array", &array, "it is a whole number from 1 to 100000"))?;
    if job.name.is_empty() {
        return Err(invalid("name", &Value::from(""), "the jobs of an array are told apart by its name"));
    }
    let numbered = |number| Job { name: format!("{}-{number}", job.name), ..job.clone() };
    Ok((0..count).map(|number| (numbered(number), task.clone())).collect())
}

pub(super) fn invalid(field: &str, found: &Value, wanted: &'static str) -> Error {
    Error::Invalid { subject: "job".into(), field: field.into(), found: found.to_string(), wanted }
}

/// Speeds by the names of device types, as a list in the order of the cluster's.
fn by_device(speeds: &mut Value, devices: &[String]) -> Result<()> {
    let Some(named) = speeds.as_object() else { return Ok(()) };
    let subject = || "job".to_owned();
    if let Some((name, _)) = named.iter().find(|(name, _)| !devices.contains(name)) {
        let found = format!("of `{name}`, and the cluster has {}", devices.join(", "));
        let wanted = "speeds by name name the device types of the cluster";
        return Err(Error::Invalid { subject: subject(), field: "speeds".into(), found, wanted });
    }
    let speed = |device: &String| {
        let found = || format!("{} without `{device}`", json!(named));
        let wanted = "every device type of the cluster has a speed; 0 where the job cannot run";
        named.get(device).cloned().ok_or_else(|| Error::Invalid {
            subject: subject(),
            field: "speeds".into(),
            found: found(),
            wanted,
        })
    };
    *speeds = devices.iter().map(speed).collect::<Result<Value>>()?;
    Ok(())
}

/// Adds what was measured to what is given.
fn complete(path: &Path, fields: &mut Map<String, Value>, measured: &Measured) -> Result<()> {
    let number = |fields: &Map<String, Value>, field: &str| fields.get(field).and_then(Value::as_f64);
    if let Some(epochs) = fields.remove("epochs") {
        let fault = |wanted| Error::Invalid {
            subject: path.display().to_string(),
            field: "epochs".into(),
            found: epochs.to_string(),
            wanted,
        };
        let count = epochs.as_f64().ok_or_else(|| fault("it is a number"))?;
        let epoch = measured.epoch.ok_or_else(|| fault(NO_EPOCH))?;
        if fields.contains_key("workload") {
            return Err(fault(BOTH));
        }
        fields.insert("workload".into(), json!(count * epoch));
    }
    let gbps = number(fields, "internal_gbps").unwrap_or(100.0);
    let batch = number(fields, "batch").map_or(measured.batch, |batch| batch as u32);
    if !fields.contains_key("seconds_per_sample") {
        let seconds = measured.seconds_per_sample(gbps).ok_or_else(|| Error::Invalid {
            subject: "link".into(),
            field: "internal_gbps".into(),
            found: gbps.to_string(),
            wanted: SLOW_LINK,
        })?;
        fields.insert("seconds_per_sample".into(), json!(seconds));
    }
    for (field, value) in [
        ("batch", json!(measured.batch)),
        ("gradient_mb", json!(measured.gradient_mb)),
        ("workers_per_server", json!(measured.workers_per_server)),
        ("workers", json!({ "min": 1, "max": measured.most_workers.min(batch) })),
    ] {
        fields.entry(field).or_insert(value);
    }
    Ok(())
}
