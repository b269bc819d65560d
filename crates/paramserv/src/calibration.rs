//! What the machine does to workers that share it: measured at the start of a traced run, for those who predict from
//! the trace.
//!
//! Workers on one machine share its caches, its memory and its clock rate, so that a gradient takes longer when every
//! core computes one, and an update reads gradients that other cores wrote. A run of one worker shows nothing of that
//! and a run of many nothing else; so one gradient is timed alone, and as many as there are cores at once. It takes a few
//! tens of milliseconds before the run's clock starts, and nothing without a trace.

use std::{
    sync::{Barrier, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use syncline_wire::Tensor;

use crate::{
    computation::{Computation, Pull},
    run::Run,
};

/// How long each of the four parts may take, unless three gradients take longer.
const PART: Duration = Duration::from_millis(10);
const FEWEST: usize = 3;
/// Rounds before those that count.
const WARM_UP: usize = 3;
/// More cores at once than this tell nothing new.
const MOST_CORES: usize = 64;
/// A calibration of slow gradients must be less than a hundredth of the run.
const SHORT: Duration = Duration::from_millis(20);

/// Times of one gradient and one update.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Costs {
    gradient: Duration,
    /// Of an update from one gradient of each core; zero where updates are sparse.
    update: Duration,
}

/// How a core fares alone and in company.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    cores: usize,
    alone: Costs,
    together: Costs,
    /// Relative standard error of the ratio of the two, from how far its two halves are apart.
    error: f64,
}

impl Calibration {
    /// Measures, unless the run is too short for it or the machine has one core.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let cores = cores().min(MOST_CORES);
        let first = measure(run, 1, Duration::ZERO).gradient;
        if cores == 1 || (first > SHORT && run.rounds() < 100 * 8 * FEWEST as u64) {
            return None;
        }
        // The parts alternate, so that a machine that changes its speed meanwhile favours none.
        let (one, all) = (measure(run, 1, PART), measure(run, cores, PART));
        let (again, all_again) = (measure(run, 1, PART), measure(run, cores, PART));
        let apart = |a: Duration, b: Duration| (a.as_secs_f64() - b.as_secs_f64()) / (a + b).as_secs_f64();
        let error = apart(one.gradient, again.gradient).hypot(apart(all.gradient, all_again.gradient));
        Some(Self { cores, alone: one.mean(again), together: all.mean(all_again), error })
    }

    /// Its entries among a trace's settings, in nanoseconds.
    pub(crate) fn settings(&self) -> [(String, String); 6] {
        let time = |name: &str, time: Duration| (name.to_owned(), time.as_nanos().to_string());
        [
            ("calibration_cores".to_owned(), self.cores.to_string()),
            ("calibration_error".to_owned(), format!("{:.4}", self.error)),
            time("calibration_gradient_alone_ns", self.alone.gradient),
            time("calibration_gradient_together_ns", self.together.gradient),
            time("calibration_update_alone_ns", self.alone.update),
            time("calibration_update_together_ns", self.together.update),
        ]
    }
}

impl Costs {
    fn mean(self, other: Self) -> Self {
        Self { gradient: (self.gradient + other.gradient) / 2, update: (self.update + other.update) / 2 }
    }
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the threads of a measurement share.
struct Shared {
    parameters: RwLock<Vec<f32>>,
    gradients: Mutex<Vec<Option<Tensor>>>,
    times: Mutex<(Vec<Duration>, Vec<Duration>)>,
    barrier: Barrier,
}

/// Rounds of as many workers as there are `threads`, each with a barrier before the update, for `time`.
fn measure(run: &Run, threads: usize, time: Duration) -> Costs {
    let parameters = run.initial();
    let shared = Shared {
        gradients: Mutex::new(vec![None; threads]),
        times: Mutex::default(),
        barrier: Barrier::new(threads),
        parameters: RwLock::new(parameters),
    };
    // The first rounds fill caches and buffers, and are not counted; the last of them decides how many follow.
    let rounds = Mutex::new(FEWEST + WARM_UP);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (shared, rounds) = (&shared, &rounds);
            let computation = run.trial(thread, threads);
            scope.spawn(move || work(run, shared, computation, thread, rounds, time));
        }
    });
    let (gradients, updates) = shared.times.into_inner().unwrap_or_else(PoisonError::into_inner);
    Costs { gradient: typical(gradients), update: typical(updates) }
}

fn work(
    run: &Run,
    shared: &Shared,
    mut computation: Computation,
    thread: usize,
    rounds: &Mutex<usize>,
    time: Duration,
) {
    let mut state = run.optimizer_state();
    let (mut round, mut of_epoch) = (0, 0);
    loop {
        shared.barrier.wait();
        let start = now();
        let gradient = {
            let parameters = shared.parameters.read().unwrap_or_else(PoisonError::into_inner);
            let compact = computation.compact(of_epoch, &run.shards);
            computation.run(of_epoch, &parameters, Pull::Whole, compact.as_deref()).gradient
        };
        let spent = now() - start;
        let dense = gradient.as_ref().is_some_and(|gradient| gradient.len() == run.parameters());
        lock(&shared.gradients)[thread] = gradient.filter(|_| dense);
        if round >= WARM_UP {
            lock(&shared.times).0.push(spent);
        }
        shared.barrier.wait();
        if thread == 0 {
            let updated = update(shared, &mut state);
            if round >= WARM_UP {
                lock(&shared.times).1.push(updated);
            } else {
                let fitting = time.as_nanos() / spent.as_nanos().max(1);
                *lock(rounds) = FEWEST.max(fitting as usize) + WARM_UP;
            }
        }
        shared.barrier.wait();
        (round, of_epoch) = (round + 1, (of_epoch + 1) % run.full_rounds());
        if round >= *lock(rounds) {
            return;
        }
    }
}

/// One step along the mean of all threads' gradients.
fn update(shared: &Shared, state: &mut syncline_round::OptimizerState) -> Duration {
    let mut parameters = shared.parameters.write().unwrap_or_else(PoisonError::into_inner);
    let mut gradients = lock(&shared.gradients);
    let weight = 1.0 / gradients.len() as f32;
    let folded: Vec<_> = gradients.iter().flatten().map(|gradient| (&gradient[..], weight)).collect();
    if folded.is_empty() {
        return Duration::ZERO;
    }
    let start = now();
    state.step(&mut parameters, &folded);
    let spent = now() - start;
    gradients.iter_mut().for_each(|gradient| *gradient = None);
    spent
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lower quartile: what other programs take of the machine only ever adds.
fn typical(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 4).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "it measures the machine, before the run's clock starts")]
fn now() -> Instant {
    Instant::now()
}
