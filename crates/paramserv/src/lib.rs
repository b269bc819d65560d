//! The parameter server: a training run as a pure function call, with its state inside.
//!
//! Servers hold the parameters, a shard each; workers hold the rows, a part each, and repeat one round: *pull*
//! parameters, compute the gradient of a batch, *push* it. The [gate](syncline_round::Gate) decides when a worker may
//! go on, the [fold](syncline_round::Fold) and the [optimiser](syncline_round::Optimizer) what the servers do with what
//! they get. The same run goes on threads and on processes ([`Executor`](syncline_program::Executor)), and under BSP
//! gives the same parameters to the last bit on both.
//!
//! ```
//! use syncline_data::synthetic;
//! use syncline_learn::Softmax;
//! use syncline_paramserv::{ParamServ, Policy};
//! use syncline_program::Executor;
//!
//! let (train, held_out) = synthetic::blobs(600, 8, 3, 7).split(0.2, 7)?;
//! let run = ParamServ::new(Softmax::new(8, 3), train)
//!     .validation(held_out)
//!     .workers(3)
//!     .sync(Policy::Bsp)
//!     .epochs(3)
//!     .train(Executor::threads())?;
//! assert!(run.report().epochs[2].train_loss < run.report().epochs[0].train_loss);
//! println!("{}", run.report());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The map: [`ParamServ`] builds the program of `server`s, `worker`s, the `coordinator` and the `driver`, each of which `run`
//! makes from the same settings; `exchange` is a worker's side
//! of pull and push, `computation` what it does in between; `shards` and `batches` say who holds what; `report` tells
//! where the time went; `coded` has gradients made by coded products; `lending` brings rows to workers that have no files. A [`TrainJob`] is a run as a value, of which a [`ParamServ`] is made.

mod allreduce;
mod attendance;
mod batches;
mod calibration;
mod check;
mod checkpoint;
mod class_weight;
mod coded;
mod comparison;
mod compression;
mod computation;
mod coordinator;
mod deal;
mod delay;
mod driver;
mod duties;
mod error;
mod exchange;
mod gradient;
mod hogwild;
mod hold;
mod job;
mod keeper;
mod lending;
mod lie;
mod load;
mod loss;
mod order;
mod parameters;
mod patience;
mod portions;
mod protocol;
mod report;
mod run;
mod run_folder;
mod scaling;
mod seats;
mod server;
mod shards;
mod staff;
mod suspect;
mod train;
mod way;
mod worker;

pub use attendance::Stretch;
pub use checkpoint::{CheckpointEvery, Checkpoints, Found, newest_checkpoint};
pub use class_weight::ClassWeight;
pub use comparison::{
    Combinations, Compared, Comparison, Failed, GradientStaleness, Point, RunFigures, Trial,
};
pub use compression::{Compression, Format, PushCodec};
pub use coordinator::Progress;
pub use delay::Delay;
pub use error::Error;
pub use job::{Delimiter, OpenJob, Silence, TrainJob, Validation, WantedPolicy, Written};
pub use keeper::CheckpointReport;
pub use lie::Lie;
pub use loss::OnWorkerLoss;
pub use protocol::Outvoted;
pub use report::{EpochReport, Report, ServerReport, Settings, WorkerReport, write_metrics};
pub use run_folder::{
    Differences, RunFolder, RunLine, RunRecord, RunState, differences, write_comparison, write_list,
};
pub use scaling::Scaling;
pub use syncline_data::{Partition, Weights};
pub use syncline_round::{Every, Fold, Optimizer, Policy, Rule, Schedule, Staleness};
pub use syncline_runtime::parse_duration;
pub use train::{ParamServ, Trained};
