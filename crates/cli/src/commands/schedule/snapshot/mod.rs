//! `syncline schedule plan --from`: answers about the queue of another scheduler as it is now.

mod answer;
mod take;

use std::path::PathBuf;

use serde::Serialize;
use syncline::schedule::{
    PolicyName,
    snapshot::{
        Forecast, Snapshot,
        forecast::Start,
        rivals::{Rival, Rivals},
        what_if::{Alternative, alternatives},
        why::{Why, why},
    },
};

use super::policies;
use crate::{
    failure::Failure,
    output::{page, print_json_of, remark},
};

/// What is asked about a snapshot.
pub struct Question {
    /// `slurm`, `kueue`, a file or a folder.
    pub from: String,
    /// The job that is asked about.
    pub job: Option<String>,
    /// How many more nodes there might be.
    pub nodes: usize,
    /// Policies that are compared on the same queue.
    pub rivals: Vec<String>,
    /// Where what was read is kept.
    pub save: Option<PathBuf>,
    /// Where draws begin.
    pub seed: u64,
    /// Whether the answer is for a program.
    pub json: bool,
}

/// All that is said of one waiting job. Times are seconds since 1970.
#[derive(Serialize)]
struct Waits {
    job: String,
    name: String,
    user: String,
    queue: String,
    why: String,
    jobs_ahead: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<LackOut>,
    start_by_limits_unix_seconds: Option<f64>,
    /// Low end, middle and high end; nine of ten lie between the ends.
    start_likely_unix_seconds: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    never: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    what_if: Vec<WhatIf>,
}

/// What amounts of a kind are counted in, as snapshots have them.
fn unit_of(kind: &str) -> &'static str {
    match kind {
        "cpu" => "cores",
        "pods" => "pods",
        kind if kind.contains("memory") || kind.contains("storage") => "GB",
        _ => "devices",
    }
}

/// The kind of which there is too little.
#[derive(Serialize)]
struct LackOut {
    kind: String,
    /// Of what both amounts are.
    unit: &'static str,
    needed: f64,
    free: f64,
    held_by: Vec<Holder>,
}

#[derive(Serialize)]
struct Holder {
    job: String,
    amount: f64,
}

#[derive(Serialize)]
struct WhatIf {
    what: String,
    start_by_limits_unix_seconds: Option<f64>,
    start_likely_unix_seconds: Option<[f64; 3]>,
    remark: String,
}

#[derive(Serialize)]
struct Output {
    system: &'static str,
    now_unix_seconds: f64,
    running: usize,
    waiting: Vec<Waits>,
    /// What likely times rest on.
    basis: String,
    /// What is left out of account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<RivalOut>,
}

#[derive(Serialize)]
struct RivalOut {
    policy: String,
    done: usize,
    left: usize,
    mean_wait_seconds: f64,
    mean_end_seconds: f64,
    last_end_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_of_job_seconds: Option<f64>,
}

/// Answers it.
///
/// # Errors
/// A cluster that cannot be asked, what cannot be read, a job that is not there.
pub fn run(question: &Question) -> Result<(), Failure> {
    let names = policies(&question.rivals)?;
    let documents = take::documents(question)?;
    let snapshot = Snapshot::of(&documents)?;
    let asked = question.job.as_deref().map(|label| snapshot.find(label)).transpose()?;
    let forecast = Forecast::of(&snapshot, question.seed);
    let jobs: Vec<usize> = match asked {
        Some(job) => vec![job],
        None => forecast.starts.iter().map(|start| start.job).collect(),
    };
    let mut waiting = Vec::new();
    for job in jobs {
        let others = asked
            .map_or(Vec::new(), |job| alternatives(&snapshot, &forecast, job, question.nodes, question.seed));
        waiting.push(Waits::of(&snapshot, job, why(&snapshot, &forecast, job), forecast.start(job), others));
    }
    let rivals = rivals(&snapshot, &forecast, &names, asked, question.seed)?;
    if question.json {
        return print_json_of(
            "snapshot",
            &Output {
                system: answer::name(&snapshot),
                now_unix_seconds: snapshot.now,
                running: snapshot.jobs.iter().filter(|job| job.waiting().is_none()).count(),
                waiting,
                basis: forecast.basis,
                notes: snapshot.notes,
                policies: rivals.iter().map(RivalOut::of).collect(),
            },
        );
    }
    let mut page = page();
    for note in &snapshot.notes {
        page.line(&format!("Note: {note}."));
    }
    match asked {
        Some(_) => answer::one(&snapshot, &waiting[0], &forecast.basis, &mut page),
        None => answer::all(&snapshot, &waiting, &forecast.basis, &mut page),
    }
    if !rivals.is_empty() {
        answer::rivals(&rivals, asked.is_some(), &mut page);
    }
    crate::output::print(page.text())
}

/// What each of these policies makes of the queue.
fn rivals(
    snapshot: &Snapshot,
    forecast: &Forecast,
    names: &[PolicyName],
    asked: Option<usize>,
    seed: u64,
) -> Result<Vec<Rival>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let line: Vec<usize> =
        forecast.starts.iter().filter(|start| start.never.is_none()).map(|start| start.job).collect();
    let rivals = Rivals::of(snapshot, &line, seed)?;
    rivals.some()?;
    if rivals.left_out > 0 {
        remark(&format!(
            "{} of the waiting jobs are held, or do not fit these machines: policies are compared without them",
            rivals.left_out
        ));
    }
    Ok(names.iter().map(|name| rivals.under(*name, asked)).collect::<Result<_, _>>()?)
}

impl Waits {
    fn of(snapshot: &Snapshot, at: usize, why: Why, start: Option<&Start>, others: Vec<Alternative>) -> Self {
        let job = &snapshot.jobs[at];
        let holder =
            |(at, amount): &(usize, f64)| Holder { job: snapshot.jobs[*at].id.clone(), amount: *amount };
        let queues: Vec<&str> =
            job.queues.iter().map(|queue| snapshot.queues[*queue].name.as_str()).collect();
        Self {
            job: job.id.clone(),
            name: job.name.clone(),
            user: job.user.clone(),
            queue: queues.join(","),
            why: why.reason,
            jobs_ahead: why.ahead,
            lack: why.lack.map(|lack| LackOut {
                unit: unit_of(&lack.kind),
                kind: lack.kind,
                needed: lack.needed,
                free: lack.free,
                held_by: lack.holders.iter().map(holder).collect(),
            }),
            start_by_limits_unix_seconds: start.and_then(|start| start.by_limits),
            start_likely_unix_seconds: start.and_then(|start| start.likely),
            never: start.and_then(|start| start.never.clone()),
            what_if: others.into_iter().map(WhatIf::of).collect(),
        }
    }
}

impl WhatIf {
    fn of(other: Alternative) -> Self {
        Self {
            what: other.what,
            start_by_limits_unix_seconds: other.by_limits,
            start_likely_unix_seconds: other.likely,
            remark: other.remark,
        }
    }
}

impl RivalOut {
    fn of(rival: &Rival) -> Self {
        Self {
            policy: rival.policy.to_string(),
            done: rival.done,
            left: rival.left,
            mean_wait_seconds: rival.mean_wait,
            mean_end_seconds: rival.mean_end,
            last_end_seconds: rival.last_end,
            start_of_job_seconds: rival.asked,
        }
    }
}
