//! What the floor under `syncline` costs: mean utilities with and without it beside PD-ORS and the best rival, on twelve
//! families of instances.
//!
//! ```sh
//! cargo run --release -p syncline-schedule --example floor -- 101 110 real
//! ```
//!
//! The arguments are the first and the last seed and how time within a slot counts. It leaves with an error if
//! the mean with the floor is below 95 % of that without in some family, or of the best rival's.

use std::{process::ExitCode, sync::Arc};

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use syncline_schedule::{
    Cluster, DeviceId, Job, Machine, PolicyName, Result, Setup, Utility, WorkerRange, exact,
    policy::Floor,
    pricing::{SlotGrid, Times},
    setting::{Arrivals, Mix, Setting},
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

/// A kind of instance: what is drawn, and what becomes of it.
struct Family {
    name: &'static str,
    setting: Setting,
    change: fn(&mut [Job], &mut ChaCha8Rng),
    devices: usize,
}

fn as_drawn(_: &mut [Job], _: &mut ChaCha8Rng) {}

/// Gangs of at least four to eight workers.
fn least_gangs(jobs: &mut [Job], rng: &mut ChaCha8Rng) {
    for job in jobs {
        job.workers = WorkerRange { min: rng.random_range(4..=8), max: 16 };
        job.batch = job.batch.max(16);
    }
}

/// Patient jobs of little worth first, then urgent ones that are worth much.
fn adversarial(jobs: &mut [Job], rng: &mut ChaCha8Rng) {
    let half = jobs.len() / 2;
    for (index, job) in jobs.iter_mut().enumerate() {
        let late = index >= half;
        job.arrival = if late { 3600.0 * f64::from(rng.random_range(2..8_u32)) } else { 0.0 };
        job.utility = if late {
            Utility::Sigmoid { value: rng.random_range(20.0..40.0), decay: 5.0, target: 3.0 }
        } else {
            Utility::Sigmoid { value: rng.random_range(2.0..6.0), decay: 0.0, target: 5.0 }
        };
    }
}

fn deadlines(jobs: &mut [Job], rng: &mut ChaCha8Rng) {
    for job in jobs {
        job.utility =
            Utility::Deadline { value: rng.random_range(1.0..100.0), deadline: rng.random_range(1.5..8.0) };
    }
}

/// Two device types, the second up to ten times as fast.
fn two_speeds(jobs: &mut [Job], rng: &mut ChaCha8Rng) {
    for job in jobs {
        job.speeds = vec![rng.random_range(0.1..=1.0), 1.0];
    }
}

fn families() -> Vec<Family> {
    let base = Setting { machines: 8, jobs: 24, ..Setting::calibrated() };
    let family = |name, setting, change| Family { name, setting, change, devices: 1 };
    // Three quarters of the jobs come in two of ten slots.
    let bursts = Arrivals::Weighted(vec![0.3, 0.3, 4.0, 0.3, 0.3, 0.3, 0.3, 4.0, 0.3, 0.3]);
    vec![
        family("scarce", base.clone(), as_drawn),
        family("calm", Setting { jobs: 8, ..base.clone() }, as_drawn),
        family("crowded", Setting { jobs: 48, ..base.clone() }, as_drawn),
        family("slow network", Setting { external_gbps: 0.1..=1.0, ..base.clone() }, as_drawn),
        family("literal", Setting { machines: 8, jobs: 24, ..Setting::literal() }, as_drawn),
        family("small", exact::small(), as_drawn),
        family("Google's mix", Setting { mix: Mix::GOOGLE, ..base.clone() }, as_drawn),
        family("bursts", Setting { arrivals: bursts, ..base.clone() }, as_drawn),
        family(
            "least gangs",
            Setting { machines: 4, jobs: 14, batch: 50..=120, ..base.clone() },
            least_gangs,
        ),
        family("adversarial", Setting { machines: 2, jobs: 14, ..base.clone() }, adversarial),
        family("deadlines", Setting { jobs: 20, ..base.clone() }, deadlines),
        Family { devices: 2, ..family("two speeds", Setting { jobs: 16, ..base }, two_speeds) },
    ]
}

impl Family {
    fn cluster(&self) -> Result<Arc<Cluster>> {
        let machine = |index: usize| {
            Machine::new(self.setting.capacity).with_device(DeviceId((index % self.devices) as u16))
        };
        let machines = (0..self.setting.machines).map(machine).collect();
        let names = (0..self.devices).map(|device| format!("type {device}")).collect();
        Ok(Arc::new(Cluster::new(machines, names, 1.0)?))
    }

    fn utility(&self, policy: PolicyName, floor: Floor, seed: u64, times: Times) -> Result<f64> {
        let cluster = self.cluster()?;
        let grid = SlotGrid { times, ..self.setting.grid };
        let mut jobs = self.setting.draw(seed);
        (self.change)(&mut jobs, &mut ChaCha8Rng::seed_from_u64(seed));
        jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        let setup = Setup { seed, floor, ..Setup::new(&cluster, grid, &jobs) };
        let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
        let options = Options { clock: Clock::slots(&grid), physics, outages: Vec::new() };
        let run = simulate(&cluster, &jobs, policy.build(&setup).as_mut(), &options, None)?;
        Ok(run.outcome.metrics().utility)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The row of a family, and whether the floor cost too much there.
fn row(family: &Family, seeds: std::ops::RangeInclusive<u64>, times: Times) -> Result<(String, bool)> {
    let run = |policy, floor| -> Result<Vec<f64>> {
        seeds.clone().map(|seed| family.utility(policy, floor, seed, times)).collect()
    };
    let strict = run(PolicyName::Syncline, Floor::Strict)?;
    let free = mean(&run(PolicyName::Syncline, Floor::Free)?);
    let planner = run(PolicyName::PdOrs, Floor::Strict)?;
    let mut best = (0.0, PolicyName::PdOrs);
    for rival in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Syncline) {
        let reached = mean(&run(rival, Floor::Strict)?);
        if reached > best.0 {
            best = (reached, rival);
        }
    }
    let ratios =
        strict.iter().zip(&planner).filter(|(_, below)| **below > 0.0).map(|(ours, below)| ours / below);
    let least = ratios.fold(f64::INFINITY, f64::min);
    let ours = mean(&strict);
    let text = format!(
        "| {} | {free:.1} | {ours:.1} | {:.3} | {:.1} | {least:.3} | {:.1} ({}) | {:.3} |",
        family.name,
        ours / free,
        mean(&planner),
        best.0,
        best.1,
        ours / best.0
    );
    Ok((text, ours < 0.95 * free || ours < 0.95 * best.0 || least < 1.0 - 1e-9))
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, usual: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let seeds = number(0, 101)..=number(1, 110);
    let times =
        if arguments.get(2).is_some_and(|times| times == "paper") { Times::Paper } else { Times::Real };
    println!(
        "| family | free | with the floor | / free | PD-ORS | least / PD-ORS | best rival | / best rival |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for family in families() {
        let (text, too_much) = row(&family, seeds.clone(), times)?;
        println!("{text}");
        if too_much {
            missed.push(family.name);
        }
    }
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("too much in: {}", missed.join(", "));
    Ok(ExitCode::FAILURE)
}
