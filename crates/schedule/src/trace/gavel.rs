//! Gavel's traces: tab-separated job type, command, folder, step argument, data flag, steps, scale factor,
//! weight, SLO and arrival in seconds (older ones: job type, command, step argument, steps, arrival, scale factor); and its table of measured throughputs, steps per second by device
//! type, job type and scale factor.

use std::{collections::BTreeMap, path::Path};

use syncline_terminal::unit::plural;

use super::{Trace, file, gang::gang};
use crate::{
    error::{Error, Result},
    model::Job,
};

/// Steps per second alone, by device type and job type.
#[derive(Debug, Clone)]
pub struct Throughputs {
    devices: Vec<String>,
    /// By device, then by `('type', scale factor)`.
    alone: Vec<BTreeMap<String, f64>>,
}

impl Throughputs {
    /// Reads the JSON table and keeps the named device types, in this order.
    ///
    /// # Errors
    /// An unreadable file, another shape, or an unknown device type.
    pub fn read(path: &Path, devices: &[&str]) -> Result<Self> {
        let text = std::fs::read_to_string(path);
        let text =
            text.map_err(|source| Error::Io { doing: "reading throughputs", path: path.into(), source })?;
        let all: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
            serde_json::from_str(&text).map_err(|source| Error::Json { path: path.into(), source })?;
        let table = |device: &&str| {
            let known = || all.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
            let rows = all.get(*device).ok_or_else(|| Error::Unknown {
                kind: "device type",
                name: (*device).into(),
                valid: known(),
            })?;
            let alone = |value: &serde_json::Value| value.get("null").and_then(serde_json::Value::as_f64);
            Ok(rows.iter().filter_map(|(key, value)| Some((key.clone(), alone(value)?))).collect())
        };
        let alone = devices.iter().map(table).collect::<Result<_>>()?;
        Ok(Self { devices: devices.iter().map(|device| (*device).to_owned()).collect(), alone })
    }

    /// The device types.
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    fn of(&self, kind: &str, scale: u32) -> Option<Vec<f64>> {
        let key = format!("('{kind}', {scale})");
        self.alone.iter().map(|table| table.get(&key).copied()).collect()
    }
}

/// The forms of a line, for messages.
const FORMS: &str = "10 (type, command, folder, step argument, data flag, steps, scale factor, weight, SLO, arrival) \
    or 6 (type, command, step argument, steps, arrival, scale factor)";

/// Reads a trace.
///
/// # Errors
/// An unreadable file, a line with another number of fields, a field that is not a number, a job type that
/// the table lacks.
pub fn read(path: &Path, throughputs: &Throughputs) -> Result<Trace> {
    let bytes = file::bytes(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |(index, line): (usize, &str)| job(path, index as u64 + 1, line, throughputs);
    let jobs = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line);
    Trace::of(path, jobs.collect::<Result<_>>()?, BTreeMap::new())
}

fn job(path: &Path, line: u64, text: &str, throughputs: &Throughputs) -> Result<Job> {
    let fault =
        |field: &str, what: String| Error::Field { file: path.into(), line, field: field.into(), what };
    let fields: Vec<&str> = text.split('\t').collect();
    let (kind, steps, scale, arrival) = match fields[..] {
        [kind, _, _, _, _, steps, scale, _, _, arrival] => (kind, steps, scale, arrival),
        [kind, _, _, steps, arrival, scale] => (kind, steps, scale, arrival),
        _ => {
            let what = format!(
                "{}; the known forms have {FORMS}",
                plural(fields.len() as u64, "tab-separated field")
            );
            return Err(fault("line", what));
        }
    };
    let number = |field: &str, text: &str| {
        let value: f64 =
            text.trim().parse().map_err(|_| fault(field, format!("`{text}` is not a number")))?;
        let valid = value.is_finite() && value >= 0.0;
        valid
            .then_some(value)
            .ok_or_else(|| fault(field, format!("{value} is not a finite number from 0 on")))
    };
    let gpus: u32 = scale
        .trim()
        .parse()
        .map_err(|_| fault("scale factor", format!("`{scale}` is not a whole number")))?;
    if gpus == 0 {
        return Err(fault("scale factor", "0 is out of range; at least 1".into()));
    }
    let speeds = throughputs.of(kind, gpus);
    let speeds =
        speeds.ok_or_else(|| fault("job type", format!("the throughputs lack `{kind}` on {gpus} GPUs")))?;
    let job = gang(kind, number("arrival", arrival)?, gpus, number("total steps", steps)?, 1.0);
    let job = Job { speeds, group: kind.to_owned(), ..job };
    job.validate().map_err(|error| fault("total steps", error.detail()))?;
    Ok(job)
}
