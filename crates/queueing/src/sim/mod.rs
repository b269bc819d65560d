//! The simulator: each system is a map from (arrival, task sizes) to (start, departure) of one job after the other.
//!
//! Where the system is max-plus linear that map is a plain recursion over the workers' clocks, one maximum and one
//! addition a task; where tasks share a queue it is a heap of the workers' clocks. Neither needs an event list. Only
//! what later jobs can still change, by priority, preemption or failures, has one: [`events`].
//! [`simulate`] feeds a system with jobs in independent replications on several threads: replication i always has
//! the i-th stream of the seed, so that a result does not depend on the number of threads.

mod barrier;
mod clocks;
pub mod events;
mod feed;
mod fork_join;
mod hybrid;
mod interval;
mod k_of_n;
mod multi_stage;
mod partial_mapping;
mod plan;
mod polling;
mod quantiles;
mod replicate;
mod report;
mod single_queue;
mod split_merge;
mod ssp;
mod take_share;
mod tiny_tasks;
mod training_loop;
mod warm_up;

pub use barrier::BarrierSystem;
pub use feed::Jobs;
pub use fork_join::ForkJoinSystem;
pub use hybrid::HybridSystem;
pub use interval::Interval;
pub use k_of_n::KOfNSystem;
pub use multi_stage::MultiStageSystem;
pub use partial_mapping::PartialMappingSystem;
pub use plan::Plan;
pub use polling::PollingSystem;
pub use quantiles::Quantiles;
pub use replicate::{Progress, simulate, simulate_with};
pub use report::{ClassReport, Report};
pub use single_queue::SingleQueueSystem;
pub use split_merge::SplitMergeSystem;
pub use ssp::StaleLoop;
pub use take_share::TakeShareSystem;
pub use tiny_tasks::{Overhead, TinyTasksSystem};
pub use training_loop::{LoopProgress, TrainingLoop, time_per_round};

/// The random stream of one replication: xoshiro256++, 2^128 numbers apart from the next one's.
pub type Random = rand_xoshiro::Xoshiro256PlusPlus;

/// The i-th independent stream of a seed.
pub fn stream(seed: u64, index: u64) -> Random {
    use rand_xoshiro::rand_core::SeedableRng;
    let mut random = Random::seed_from_u64(seed);
    for _ in 0..index {
        random.jump();
    }
    random
}

/// When one job started and departed, on the clock of its arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage {
    /// The start of the job's first task.
    pub started: f64,
    /// The job's departure.
    pub departed: f64,
}

/// A system that takes jobs in the order of their arrival.
pub trait System: Send {
    /// The number of task sizes that the next job needs.
    fn tasks(&mut self, random: &mut Random) -> usize;

    /// Lets the next job pass; `arrival` never decreases.
    fn admit(&mut self, arrival: f64, sizes: &[f64], random: &mut Random) -> Passage;
}

/// The largest of some times; times are never negative.
#[inline(always)]
pub(crate) fn latest(times: &[f64]) -> f64 {
    times.iter().fold(0.0, |a: f64, &b| if b > a { b } else { a })
}

/// The l-th smallest, in place.
#[inline]
pub(crate) fn nth(times: &mut [f64], l: usize) -> f64 {
    if l == times.len() {
        return latest(times);
    }
    *times.select_nth_unstable_by(l - 1, f64::total_cmp).1
}
