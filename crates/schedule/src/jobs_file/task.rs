//! What runs when a job runs: its command, and what a scheduler that really starts it must know.
//!
//! The same file says what a simulation needs and what is started, so these fields stand beside the others. A job with
//! a command may say of its work only how many `seconds` it takes.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::list::invalid;
use crate::error::{Error, Result};

/// How a job is started and stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The program and its arguments, in which `{workers}`, `{servers}`, `{name}`, `{folder}`, `{hosts}` and `{on}` are filled in.
    pub command: Vec<String>,
    /// The working folder; none: that of whoever submits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Variables beside those of the scheduler.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Seconds between being asked to stop (SIGTERM) and being killed.
    #[serde(default = "ten")]
    pub grace: f64,
    /// How many times it is begun again when it ends without success.
    #[serde(default)]
    pub retries: u32,
    /// Small files that are put into its folder before it first starts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Whether it is held to as many cores of the machine as its workers and servers take.
    #[serde(default)]
    pub pin: bool,
    /// The command that tells it of another number of workers while it runs, with the same blanks; it ends with success when they are
    /// there. None: it is stopped for that, and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Vec<String>>,
}

fn ten() -> f64 {
    10.0
}

/// The fields of a [`Task`].
pub(super) const FIELDS: [&str; 8] =
    ["command", "directory", "environment", "grace", "retries", "files", "pin", "scale"];

/// What a job is believed to take of which nothing is said, in seconds.
const UNKNOWN: f64 = 3600.0;

/// Whether an entry needs more than reading.
pub(super) fn is_task(job: &Value) -> bool {
    FIELDS.iter().chain(&["seconds", "train"]).any(|field| job.get(field).is_some())
}

/// Takes the fields of a task out of a job's, if it has a command.
pub(super) fn take(fields: &mut Map<String, Value>) -> Result<Option<Task>> {
    trains(fields)?;
    let own: Map<String, Value> =
        FIELDS.iter().filter_map(|field| Some(((*field).to_owned(), fields.remove(*field)?))).collect();
    if let Some((field, value)) = own.iter().next().filter(|_| !own.contains_key("command")) {
        return Err(invalid(field, value, "it has no effect without a `command`"));
    }
    if own.is_empty() {
        return Ok(None);
    }
    let task: Task =
        serde_json::from_value(Value::Object(own.clone())).map_err(|error| of_field(&own, &error))?;
    task.validate()?;
    if task.scale.is_some() && fields.get("resume") != Some(&json!(true)) {
        let what = "it has no effect without `resume = true`: a job that cannot resume keeps the size that it starts with";
        return Err(invalid("scale", &json!(task.scale), what));
    }
    let known = ["workload", "seconds", "profile", "epochs"].iter().any(|field| fields.contains_key(*field));
    if !known {
        fields.insert("seconds".into(), json!(UNKNOWN));
    }
    fields.entry("worker").or_insert(json!({ "cpu": 1 }));
    fields.entry("resume").or_insert(json!(false));
    Ok(Some(task))
}

/// Which field it is that cannot be read: the first that is wrong beside a command that is right.
fn of_field(fields: &Map<String, Value>, error: &serde_json::Error) -> Error {
    let is_wrong = |(field, value): &(&String, &Value)| {
        let mut alone = Map::from_iter([("command".to_owned(), json!(["true"]))]);
        alone.insert((*field).clone(), (*value).clone());
        serde_json::from_value::<Task>(Value::Object(alone)).is_err()
    };
    let (field, value) = fields
        .iter()
        .find(is_wrong)
        .map_or(("command", &Value::Null), |(field, value)| (field.as_str(), value));
    let wanted = "`schedule schema jobs --example` shows what it is";
    invalid(field, value, wanted).with_found(format!("{value} ({error})"))
}

/// What is known of a training job without its file, which whoever submits it reads: it can resume.
fn trains(fields: &mut Map<String, Value>) -> Result<()> {
    let Some(train) = fields.remove("train") else { return Ok(()) };
    if !train.is_string() {
        return Err(invalid("train", &train, "it is the name of a training job's file"));
    }
    if fields.contains_key("command") {
        return Err(invalid("train", &train, "a job has a `command` or trains, not both"));
    }
    fields.insert("command".into(), json!(["syncline", "train", train]));
    fields.insert("resume".into(), json!(true));
    Ok(())
}

/// Puts the speed law's numbers in the place of `seconds`: what the job takes with its fewest workers, and half of it
/// with twice as many.
pub(super) fn spell_out_seconds(fields: &mut Map<String, Value>) -> Result<()> {
    let Some(seconds) = fields.remove("seconds") else { return Ok(()) };
    if let Some(field) =
        ["workload", "batch", "seconds_per_sample"].iter().find(|field| fields.contains_key(**field))
    {
        return Err(invalid(
            "seconds",
            &seconds,
            "it stands for `workload`, `batch` and `seconds_per_sample`; give one or the other",
        )
        .with_found(format!("{seconds} beside `{field}`")));
    }
    let length = seconds.as_f64().filter(|length| length.is_finite() && *length > 0.0);
    let length = length.ok_or_else(|| invalid("seconds", &seconds, "it is a positive number"))?;
    let workers = fields.entry("workers").or_insert(json!({ "min": 1, "max": 1 }));
    let count = |end: &str| workers.get(end).and_then(Value::as_u64);
    // Counts that are missing or wrong are told of when the job is read.
    let (min, max) = (count("min").unwrap_or(1), count("max").unwrap_or(1));
    fields.insert("workload".into(), json!(length * min as f64));
    fields.insert("batch".into(), json!(max));
    fields.insert("seconds_per_sample".into(), json!(1.0));
    Ok(())
}

impl Task {
    fn validate(&self) -> Result<()> {
        is_command("command", &self.command)?;
        self.scale.iter().try_for_each(|scale| is_command("scale", scale))?;
        let odd = |name: &str| name.is_empty() || name.contains(['=', '\0']);
        if let Some((name, _)) =
            self.environment.iter().find(|(name, value)| odd(name) || value.contains('\0'))
        {
            return Err(invalid(
                "environment",
                &json!(name),
                "names have no `=`, and nothing holds a zero byte",
            ));
        }
        let plain =
            |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if let Some(name) = self.files.keys().find(|name| !plain(name)) {
            return Err(invalid("files", &json!(name), "they are names in the job's folder, without `/`"));
        }
        if !(self.grace.is_finite() && (0.0..=86_400.0).contains(&self.grace)) {
            return Err(invalid("grace", &json!(self.grace), "it is from 0 to 86400 seconds"));
        }
        Ok(())
    }

    /// The command with its blanks filled in. Other braces stay as they are.
    pub fn filled(&self, blanks: &Blanks) -> Vec<String> {
        blanks.filled(&self.command)
    }

    /// Likewise the command that tells it of another size, if it has one.
    pub fn scaling(&self, blanks: &Blanks) -> Option<Vec<String>> {
        Some(blanks.filled(self.scale.as_ref()?))
    }

    /// Whether the command takes where it is to run, and so sees to that itself.
    pub fn takes_place(&self) -> bool {
        self.command.iter().any(|part| part.contains("{hosts}") || part.contains("{on}"))
    }
}

/// What is filled into commands.
#[derive(Debug, Clone, PartialEq)]
pub struct Blanks {
    /// How many workers the job has.
    pub workers: u32,
    /// How many servers.
    pub servers: u32,
    /// What it is called.
    pub name: String,
    /// The folder that all its starts share.
    pub folder: String,
    /// The file of its hosts; empty where its machines are no hosts of their own.
    pub hosts: String,
    /// Where it runs, as `--on` takes it.
    pub on: String,
}

impl Blanks {
    fn filled(&self, command: &[String]) -> Vec<String> {
        let fill = |part: &String| {
            let part = part.replace("{workers}", &self.workers.to_string());
            let part = part.replace("{servers}", &self.servers.to_string()).replace("{name}", &self.name);
            let part = part.replace("{folder}", &self.folder).replace("{hosts}", &self.hosts);
            part.replace("{on}", &self.on)
        };
        command.iter().map(fill).collect()
    }
}

/// Whether a list is something that can be started.
fn is_command(field: &str, command: &[String]) -> Result<()> {
    if command.first().is_none_or(String::is_empty) {
        return Err(invalid(field, &json!(command), "it is a list: the program, then its arguments"));
    }
    if command.iter().any(|part| part.contains('\0')) {
        return Err(invalid(field, &json!(command), "no argument can hold a zero byte"));
    }
    Ok(())
}

impl Error {
    fn with_found(self, found: String) -> Self {
        match self {
            Self::Invalid { subject, field, wanted, .. } => Self::Invalid { subject, field, found, wanted },
            other => other,
        }
    }
}
