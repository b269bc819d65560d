//! What the machine does to workers that share it: measured at the start of a traced run, for those who predict from
//! the trace.
//!
//! Workers on one machine share its caches, its memory and its clock rate, so that a gradient takes longer when every
//! core computes one, and an update reads gradients that other cores wrote. A run of one worker shows nothing of that
//! and a run of many nothing else; so one gradient is timed alone, and as many as there are cores at once. It takes a few
//! tens of milliseconds before the run's clock starts, and nothing without a trace.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use syncline_trace::Calibrated;
use syncline_wire::Tensor;

use crate::{computation::Computation, exchange::Push, run::Run};

/// How long each of the four parts may take, unless its fewest rounds take longer.
const PART: Duration = Duration::from_millis(10);
/// Parameters of all cores' models at most: each has its own gradients and workspace.
const MOST_PARAMETERS: usize = 64 << 20;
/// Gradients up to here are calibrated in any run; slower ones where all of it is less than a hundredth of the run.
const SHORT: Duration = Duration::from_millis(4);

/// How many rounds a part has.
#[derive(Clone, Copy, Debug)]
struct Length {
    /// Rounds that fill caches and buffers, and are not counted.
    warm_up: usize,
    fewest: usize,
    /// How long it may go on beyond these.
    time: Duration,
}

impl Length {
    const GLANCE: Self = Self { warm_up: 1, fewest: 1, time: Duration::ZERO };
    const LONG: Self = Self { warm_up: 1, fewest: 2, time: Duration::ZERO };
    const SHORT: Self = Self { warm_up: 3, fewest: 3, time: PART };

    fn rounds(self) -> usize {
        self.warm_up + self.fewest
    }
}

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
    /// Measures, unless the run is too short for it, the machine has one core, a model for each would need too much
    /// memory or may not be tried, or a gradient panics, which the run itself reports.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let (cores, parameters) = (cores(), run.shards.last().map_or(0, |shard| shard.end));
        if cores == 1 || parameters.saturating_mul(cores) > MOST_PARAMETERS || !run.may_be_tried() {
            return None;
        }
        let first = measure(run, 1, Length::GLANCE)?.gradient;
        let length = if first > SHORT { Length::LONG } else { Length::SHORT };
        let all = Length::GLANCE.rounds() + 4 * length.rounds();
        if first > SHORT && run.rounds() < 100 * all as u64 {
            return None;
        }
        // The parts alternate, so that a machine that changes its speed meanwhile favours none.
        let (one, all) = (measure(run, 1, length)?, measure(run, cores, length)?);
        let (again, all_again) = (measure(run, 1, length)?, measure(run, cores, length)?);
        let apart = |a: Duration, b: Duration| (a.as_secs_f64() - b.as_secs_f64()) / (a + b).as_secs_f64();
        let error = apart(one.gradient, again.gradient).hypot(apart(all.gradient, all_again.gradient));
        Some(Self { cores, alone: one.mean(again), together: all.mean(all_again), error })
    }

    /// What a trace tells of it.
    pub(crate) fn told(&self) -> Calibrated {
        let ns = |time: Duration| time.as_nanos() as f64;
        Calibrated {
            cores: self.cores as u64,
            gradient_alone_ns: ns(self.alone.gradient),
            gradient_together_ns: ns(self.together.gradient),
            update_alone_ns: ns(self.alone.update),
            update_together_ns: ns(self.together.update),
            error: self.error,
        }
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
    gradients: Mutex<Vec<Option<Tensor<f32>>>>,
    /// Of gradients by thread, because the one that updates finds the parameters in its own cache, and of updates.
    times: Mutex<(Vec<Vec<Duration>>, Vec<Duration>)>,
    barrier: Barrier,
    /// A gradient has panicked: all threads leave together, because a barrier would wait for the one for ever.
    panicked: AtomicBool,
}

/// Rounds of as many workers as there are `threads`, each with a barrier before the update; nothing if one panics.
fn measure(run: &Run, threads: usize, length: Length) -> Option<Costs> {
    let parameters = run.initial();
    let shared = Shared {
        gradients: Mutex::new(vec![None; threads]),
        times: Mutex::new((vec![Vec::new(); threads], Vec::new())),
        barrier: Barrier::new(threads),
        panicked: AtomicBool::new(false),
        parameters: RwLock::new(parameters),
    };
    // The last of the first rounds decides how many follow.
    let rounds = Mutex::new(length.rounds());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (shared, rounds) = (&shared, &rounds);
            let computation = run.trial(thread, threads);
            scope.spawn(move || work(run, shared, computation, thread, rounds, length));
        }
    });
    if shared.panicked.into_inner() {
        return None;
    }
    let (gradients, updates) = shared.times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let gradient = gradients.into_iter().map(typical).sum::<Duration>() / threads as u32;
    Some(Costs { gradient, update: typical(updates) })
}

fn work(
    run: &Run,
    shared: &Shared,
    mut computation: Computation,
    thread: usize,
    rounds: &Mutex<usize>,
    length: Length,
) {
    let mut state = (thread == 0).then(|| run.optimizer_state());
    let (mut round, mut of_epoch) = (0, 0);
    loop {
        shared.barrier.wait();
        let start = now();
        // What a panic leaves behind in the computation is never used again.
        let gradient = catch_unwind(AssertUnwindSafe(|| {
            let parameters = shared.parameters.read().unwrap_or_else(PoisonError::into_inner);
            computation.run(of_epoch, &parameters, None, &run.shards).gradient
        }));
        let spent = now() - start;
        shared.panicked.fetch_or(gradient.is_err(), Ordering::Relaxed);
        lock(&shared.gradients)[thread] = match gradient {
            Ok(Push::Whole(values)) => Some(values),
            Ok(_) | Err(_) => None,
        };
        if round >= length.warm_up {
            lock(&shared.times).0[thread].push(spent);
        }
        shared.barrier.wait();
        if shared.panicked.load(Ordering::Relaxed) {
            return;
        }
        if let Some(state) = &mut state {
            let updated = update(shared, state);
            if round >= length.warm_up {
                lock(&shared.times).1.push(updated);
            } else {
                // Of the whole round: where gradients are short, barriers and the update take most of it.
                let fitting = length.time.as_nanos() / (now() - start).as_nanos().max(1);
                *lock(rounds) = length.warm_up + length.fewest.max(fitting as usize);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamServ;
    use syncline_data::Batch;
    use syncline_learn::{Mlp, Model, Score};

    #[test]
    fn a_gradient_and_an_update_take_some_time_alone_and_together() {
        let data = syncline_data::synthetic::blobs(400, 16, 3, 7);
        let model = Mlp::new(&[16, 32, 3]);
        let run = Run::new(ParamServ::new(model, data).workers(2).batch(32).epochs(5), false);
        for threads in [1, 3] {
            let costs = measure(&run, threads, Length::SHORT).unwrap();
            assert!(costs.gradient > Duration::ZERO && costs.update > Duration::ZERO, "{costs:?}");
            assert!(costs.gradient < Duration::from_secs(1), "{costs:?}");
        }
        let Some(calibration) = Calibration::of(&run) else {
            assert_eq!(cores(), 1, "these gradients are short");
            return;
        };
        assert!((0.0..=1.5).contains(&calibration.error), "{calibration:?}");
        let told = calibration.told();
        assert!(told.gradient_alone_ns > 0.0 && told.gradient_together_ns > 0.0, "{told:?}");
    }

    #[test]
    fn gradients_much_shorter_than_a_round_do_not_make_it_long() {
        let data = syncline_data::synthetic::blobs(400, 2, 2, 7);
        let run = Run::new(ParamServ::new(Mlp::new(&[2, 2]), data).workers(2).batch(1).epochs(5), false);
        let begun = now();
        Calibration::of(&run);
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    }

    /// A model whose gradient panics.
    #[derive(Clone)]
    struct Broken;

    impl Model for Broken {
        fn parameters(&self) -> usize {
            2
        }

        fn initialise(&self, _: u64) -> Vec<f32> {
            vec![0.0; 2]
        }

        fn gradient(&mut self, _: &[f32], _: &Batch<'_>, _: &mut [f32]) -> Score {
            panic!("no gradient")
        }

        fn score(&mut self, _: &[f32], _: &Batch<'_>) -> Score {
            Score::default()
        }

        fn boxed_clone(&self) -> Box<dyn Model> {
            Box::new(self.clone())
        }
    }

    #[test]
    fn a_model_that_panics_ends_the_measurement() {
        let data = syncline_data::synthetic::blobs(400, 2, 2, 7);
        let run = Run::new(ParamServ::new(Broken, data).workers(2).batch(8).epochs(5), false);
        assert_eq!(measure(&run, 1, Length::SHORT), None);
        assert_eq!(measure(&run, 3, Length::SHORT), None);
    }
}
