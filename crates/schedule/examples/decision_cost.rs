//! How long one policy takes to decide, and how much memory it takes, with a long queue before many machines.
//!
//! ```sh
//! cargo run --release -p syncline-schedule --example decision_cost -- srtf 1000 10000
//! ```
//!
//! The arguments are the policy, the number of machines (4 GPUs each) and of jobs (gangs of one to eight GPUs for minutes to hours, a
//! third of them elastic), all submitted at once. Printed is a JSON object: the time of that first decision, the median of those
//! about single events after it (one job is done, another comes), and the most memory that the process had.
//! `scripts/scheduler_measured.py` does so for all policies.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the machine's clock")]

use std::{process::ExitCode, sync::Arc, time::Instant};

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use syncline_schedule::{
    Cluster, Event, Job, JobId, PolicyName, Resources, Result, Setup, Utility, WorkerRange,
    desk::Desk,
    pricing::SlotGrid,
    replay::Header,
    setting::Setting,
    state::{Physics, Status},
};

/// Single events that are timed.
const EVENTS: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [policy, machines, jobs] = arguments.as_slice() else {
        eprintln!("usage: decision_cost POLICY MACHINES JOBS");
        return ExitCode::from(2);
    };
    let (Ok(policy), Ok(machines), Ok(jobs)) = (policy.parse(), machines.parse(), jobs.parse()) else {
        eprintln!("usage: decision_cost POLICY MACHINES JOBS; {policy} {machines} {jobs} are none");
        return ExitCode::from(2);
    };
    match measure(policy, machines, jobs) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(policy: PolicyName, machines: usize, count: u32) -> Result<String> {
    let cluster = Arc::new(Cluster::uniform(machines, Resources::new(4.0, 32.0, 128.0, 0.0))?);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn = Setting::calibrated().draw(1).remove(0);
    let jobs: Vec<Job> = (0..count + EVENTS).map(|id| job(&drawn, id, &mut rng)).collect();
    // Planners look two days ahead.
    let setup = Setup::new(&cluster, SlotGrid::new(3600.0, 48), &jobs);
    let mut desk = Desk::new(Header::new(policy, &setup, Physics::default()));
    let mut jobs = jobs.into_iter().map(|job| Event::Arrival { job: Arc::new(job) });
    let first: Vec<Event> = jobs.by_ref().take(count as usize).collect();
    let first = timed(&mut desk, 0.0, first)?;
    let mut single = Vec::new();
    for (number, arrival) in jobs.enumerate() {
        let now = 60.0 * (number + 1) as f64;
        let running = desk.state().active().find(|job| job.status == Status::Running).map(|job| job.job.id);
        let done = running.map(|job| Event::Completion { job, at: now });
        single.push(timed(&mut desk, now, done.into_iter().chain([arrival]).collect())?);
    }
    single.sort_by(f64::total_cmp);
    let running = desk.state().active().filter(|job| job.status == Status::Running).count();
    let line = serde_json::json!({
        "policy": policy.as_str(), "machines": machines, "jobs": count, "running": running,
        "first_decision_seconds": first, "median_decision_seconds": single[single.len() / 2], "peak_memory_mb": peak_memory_mb(),
    });
    Ok(line.to_string())
}

fn job(drawn: &Job, id: u32, rng: &mut ChaCha8Rng) -> Job {
    let gang = [1, 1, 1, 2, 4, 8][rng.random_range(0..6_usize)];
    let elastic = rng.random_range(0..3) == 0;
    Job {
        id: JobId(id),
        arrival: 0.0,
        workload: f64::from(gang) * rng.random_range(600.0..36_000.0),
        batch: gang.max(8),
        seconds_per_sample: 1.0,
        gradient_mb: 0.0,
        workers_per_server: None,
        worker: Resources::new(1.0, 4.0, 16.0, 0.0),
        server: Resources::default(),
        workers: if elastic { WorkerRange { min: 1, max: gang } } else { WorkerRange::exactly(gang) },
        utility: Utility::Constant { value: rng.random_range(1.0..100.0) },
        ..drawn.clone()
    }
}

fn timed(desk: &mut Desk, now: f64, events: Vec<Event>) -> Result<f64> {
    let begun = Instant::now();
    desk.step(now, events)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The most that this process has had; zero where `/proc` does not say.
fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    line.and_then(|kilobytes| kilobytes.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
