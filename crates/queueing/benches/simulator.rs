//! Tasks per second of the simulator, on one core and on two, beside a plain recursion that keeps nothing.
//!
//!     cargo bench -p syncline-queueing --bench simulator [-- MILLIONS_OF_TASKS]

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use syncline_queueing::models::{ForkJoin, MultiStage, OneBarrier, SingleQueue, SplitMerge, TinyTasks};
use syncline_queueing::sim::{Plan, StaleLoop, TrainingLoop, simulate, stream};
use syncline_queueing::{Distribution, Error, Exceedance, Model, Workload};

fn main() -> Result<(), Error> {
    let millions = std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next().unwrap_or(100);
    let tasks = millions * 1_000_000;
    let plain = reference(tasks);
    println!("{:<44}{:>9.1} M tasks/s", "plain fork-join recursion, nothing kept", plain / 1e6);
    println!("\nevery job kept, exact quantiles; ratio to the plain recursion; speed-up of two threads");
    let cases: [(&str, Box<dyn Model>, u64); 8] = [
        ("fork-join, 10 workers", Box::new(ForkJoin::new(Workload::markov(0.5, 1.0)?, 10)?), 10),
        ("fork-join, 100 workers", Box::new(ForkJoin::new(Workload::markov(0.5, 1.0)?, 100)?), 100),
        ("split-merge, 10 workers", Box::new(SplitMerge::new(Workload::markov(0.2, 1.0)?, 10)?), 10),
        ("multi-stage, 3 of 10", Box::new(MultiStage::new(Workload::markov(0.5, 1.0)?, 3, 10)?), 30),
        (
            "single queue, 10 workers, 10 tasks",
            Box::new(SingleQueue::new(Workload::markov(0.5, 1.0)?, 10, 10)?),
            10,
        ),
        (
            "single queue, 50 workers, 200 tasks",
            Box::new(SingleQueue::new(Workload::markov(0.5, 4.0)?, 50, 200)?),
            200,
        ),
        (
            "tiny tasks, 10 workers, 100 tasks",
            Box::new(TinyTasks::new(Workload::markov(0.5, 10.0)?, 10, 100)?),
            100,
        ),
        ("1-barrier, 10 workers, 5 tasks", Box::new(OneBarrier::new(Workload::markov(1.2, 1.0)?, 10, 5)?), 5),
    ];
    for (name, model, width) in &cases {
        let one = speed(&**model, tasks / width, 1)?;
        let two = speed(&**model, tasks / width, 2)?;
        println!("{name:<44}{:>9.1} M tasks/s{:>8.2}{:>8.2}", one / 1e6, one / plain, two / one);
    }
    closed_loops(tasks)
}

/// Tasks per second; the warm-up is counted as work, the pilots that find it are not.
fn speed(model: &dyn Model, jobs: u64, threads: usize) -> Result<f64, Error> {
    let quantiles = vec![Exceedance::new(1e-2)?, Exceedance::new(1e-3)?];
    // Samples of a replication stay within the exact limit.
    let plan =
        Plan { jobs, threads, quantiles, replications: 8, exact_samples: usize::MAX, ..Plan::default() };
    let begun = Instant::now();
    let report = simulate(model, &plan)?;
    assert!(report.exact_quantiles && report.jobs >= jobs);
    Ok(report.tasks as f64 / begun.elapsed().as_secs_f64())
}

fn reference(tasks: u64) -> f64 {
    let mut random = stream(7, 0);
    let gap = Distribution::exponential(0.5).map_or(f64::NAN, |d| d.mean());
    let (mut free, mut now, mut total) = ([0.0f64; 10], 0.0, 0.0);
    let begun = Instant::now();
    for _ in 0..tasks / 10 {
        now += gap * exponential(&mut random);
        let mut last = 0.0f64;
        for free in &mut free {
            *free = free.max(now) + exponential(&mut random);
            last = last.max(*free);
        }
        total += last - now;
    }
    black_box(total);
    tasks as f64 / begun.elapsed().as_secs_f64()
}

fn exponential(random: &mut syncline_queueing::sim::Random) -> f64 {
    use rand_distr::Distribution as _;
    rand_distr::Exp1.sample(random)
}

fn closed_loops(tasks: u64) -> Result<(), Error> {
    let size = Distribution::exponential(1.0)?;
    let mut random = stream(1, 0);
    let (mut stale, mut sizes) = (StaleLoop::new(32, 3)?, vec![0.0; 32]);
    let begun = Instant::now();
    for _ in 0..tasks / 32 {
        size.fill(&mut random, &mut sizes);
        black_box(stale.advance(&sizes));
    }
    let recursion = tasks as f64 / begun.elapsed().as_secs_f64();
    let sync = "ssp:3".parse().map_err(|_| Error::Parse {
        text: "ssp:3".into(),
        kind: "a policy",
        reason: String::new(),
    })?;
    let mut gated = TrainingLoop::new(sync, 32)?;
    let begun = Instant::now();
    black_box(gated.advance(tasks / 50, |_, _| size.draw(&mut random)));
    let events = (tasks / 50) as f64 / begun.elapsed().as_secs_f64();
    println!("{:<44}{:>9.1} M tasks/s", "stale loop of 32 workers, recursion", recursion / 1e6);
    println!("{:<44}{:>9.1} M tasks/s", "the same under the live gate, events", events / 1e6);
    Ok(())
}
