//! What would another size or policy cost? From the trace of one training run, from one log of Apache Spark
//! ([`SparkLog`], [`SparkProfile`]), or from PyTorch's traces of the ranks of one run ([`RanksProfile`]).
//!
//! [`Cycles`] takes a training run's trace apart into the work of each worker in each round; [`JobProfile`] splits that into what a
//! worker always is and what varies from round to round, and [`JobProfile::predict`] runs the live gate of `round` over
//! it for any number of workers and any policy. [`Check`] says first how far off that is for the run itself.
//!
//! [`SparkLog`] reads an event log; [`SparkProfile`] takes it apart into whole tasks with their overheads and plays them
//! again: on other numbers of slots, cut into other numbers of tasks, without a synchronisation point, as a stream.
//!
//! [`RanksProfile`] takes the steps of data-parallel ranks apart into work and exchanges, and plays them again.
//!
//! ```
//! use syncline_predict::{Cycle, Cycles, Machines, Question};
//!
//! let work = |worker: u32, round: u64| 1.0 + 0.1 * ((worker as u64 + round) % 2) as f64;
//! let cycles = (0..2).flat_map(|w| (0..50).map(move |r| Cycle::new(w, r, 0.0, work(w, r))));
//! let cycles = Cycles::new(2, cycles.collect())?;
//! let profile = cycles.profile()?;
//! let question = Question { workers: 4, sync: "bsp".parse()?, machines: Machines::Own, ..profile.question()? };
//! let wider = profile.predict(&question)?;
//! assert!(wider.round_s.value > 1.0 && wider.round_s.value < 1.11);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Depends on `trace` for runs, `explain` for Spark's logs, `queueing` for models, queues and random streams, `round` for
//! the gates that decide.

mod error;
mod interval;
mod ranks;
mod sample;
mod spark;
mod training;

pub use error::Error;
pub use interval::Interval;
pub use ranks::{Link, LinkModel, Overlap, RanksCheck, RanksForecast, RanksProfile, RanksQuestion};
pub use spark::{
    BarrierForecast, BarrierWaits, Cluster, ClusterForecast, Copies, Cut, Discipline, Limit, Memory,
    OnDemand, Price, Size, SparkCheck, SparkForecast, SparkLog, SparkProfile, SpeculationForecast,
    StreamForecast, Tariff, TreeForecast, Unit, WaitModels,
};
pub use training::{
    Backup, BetweenProducts, Check, Common, Compute, Cycle, Cycles, Exchange, Gradients, Injected,
    JobProfile, Machine, Machines, PROFILE_FORMAT, Placement, Prediction, Question, Residuals, Serving,
    Setup, Shares, Sojourn, Stream, StreamAnswer, SyncPrice, Tail, Variation,
};
