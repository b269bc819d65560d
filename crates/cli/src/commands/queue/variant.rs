//! What only simulation knows: unequal workers, priorities, failures, a scheduler that polls, tasks that stay large.

use std::str::FromStr;

use clap::ValueEnum;
use syncline_queueing::sim::events::{Failures, Loss, Pool, Preemption, Queues};
use syncline_queueing::sim::{MultiStageSystem, PollingSystem, System};
use syncline_queueing::{Error, Model};

use super::failure;
use super::system::{Kind, SystemArgs};
use crate::failure::Failure;

/// Departures from the plain system.
#[derive(clap::Args)]
pub struct Variant {
    /// Speeds of the workers, one for each, as in 1,1,0.5 (single-queue, fork-join)
    #[arg(long, value_name = "SPEEDS", value_delimiter = ',')]
    speeds: Vec<f64>,
    /// Shares of the classes of jobs, the most urgent first, as in 0.2,0.8 (single-queue, fork-join)
    #[arg(long, value_name = "SHARES", value_delimiter = ',')]
    priorities: Vec<f64>,
    /// What an urgent task does to a running one when no worker is idle
    #[arg(long, value_enum, requires = "priorities")]
    preemption: Option<Preempts>,
    /// Mean times to failure and to repair of a worker, as in 100,5 (single-queue, fork-join)
    #[arg(long, value_name = "MTBF,MTTR")]
    failures: Option<Times>,
    /// What a failure costs the task that it hits: all, nothing, or what was done since its last checkpoint, given as
    /// the work between checkpoints
    #[arg(long, value_name = "all|nothing|WORK", default_value = "all", requires = "failures")]
    loss: LossArg,
    /// Let jobs that waited start only when the scheduler looks again, at the latest after so long (1-barrier)
    #[arg(long, value_name = "PERIOD", allow_negative_numbers = true)]
    polling: Option<f64>,
    /// Draw a task's size once for all stages (multi-stage)
    #[arg(long)]
    same_sizes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preempts {
    /// It waits
    None,
    /// It takes the worker; the other goes on later
    Resume,
    /// It takes the worker; the other begins again later
    Restart,
}

#[derive(Clone, Copy)]
struct Times {
    up: f64,
    down: f64,
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not MTBF,MTTR, as in 100,5");
        let (up, down) = text.split_once(',').ok_or_else(wrong)?;
        let number = |part: &str| part.trim().parse::<f64>().map_err(|_| wrong());
        Ok(Self { up: number(up)?, down: number(down)? })
    }
}

#[derive(Clone, Copy)]
struct LossArg(Loss);

impl FromStr for LossArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "all" => Loss::Everything,
            "nothing" => Loss::Nothing,
            work => Loss::SinceCheckpoint(
                work.parse()
                    .map_err(|_| format!("'{work}' is neither all, nothing nor an amount of work"))?,
            ),
        }))
    }
}

/// How the simulator starts a system.
type Start<'a> = Box<dyn Fn() -> Box<dyn System> + Sync + 'a>;

/// What is simulated.
pub enum Simulated<'a> {
    /// A recursion or a heap.
    System(Start<'a>),
    /// An event list.
    Pool(Pool),
}

impl Variant {
    /// The system that the options ask for.
    pub fn of<'a>(&self, system: &SystemArgs, model: &'a dyn Model) -> Result<Simulated<'a>, Failure> {
        self.check(system)?;
        let (s, k) = (system.workers(), system.tasks());
        if self.needs_events() {
            return self.pool(system).map(Simulated::Pool);
        }
        Ok(Simulated::System(match self.polling {
            Some(period) => {
                let polling = PollingSystem::new(s, k, period, model.workload().rate()).map_err(failure)?;
                Box::new(move || Box::new(polling.clone()))
            }
            None if self.same_sizes => {
                let stages = system.stages();
                Box::new(move || Box::new(MultiStageSystem::same_sizes(stages, k)))
            }
            None => Box::new(move || model.system()),
        }))
    }

    fn needs_events(&self) -> bool {
        !self.speeds.is_empty() || !self.priorities.is_empty() || self.failures.is_some()
    }

    /// Refuses an option that the system does not know, rather than passing it over.
    fn check(&self, system: &SystemArgs) -> Result<(), Failure> {
        let wrong = [
            (
                self.needs_events(),
                &[Kind::SingleQueue, Kind::ForkJoin][..],
                "--speeds, --priorities and --failures",
            ),
            (self.polling.is_some(), &[Kind::OneBarrier], "--polling"),
            (self.same_sizes, &[Kind::MultiStage], "--same-sizes"),
        ];
        for (given, kinds, option) in wrong {
            if given && !kinds.contains(&system.kind()) {
                let names: Vec<String> = kinds.iter().map(|kind| kind.name()).collect();
                return Err(Failure::Usage(format!(
                    "{option} can be had with --system {}",
                    names.join(" or ")
                )));
            }
        }
        if self.needs_events() && system.needs_fewer() {
            return Err(Failure::Usage(
                "--needed cannot be had with --speeds, --priorities or --failures".into(),
            ));
        }
        Ok(())
    }

    fn pool(&self, system: &SystemArgs) -> Result<Pool, Failure> {
        let s = system.workers();
        let speeds = if self.speeds.is_empty() { vec![1.0; s] } else { self.speeds.clone() };
        if speeds.len() != s {
            let message = format!("--speeds has {} speeds for {s} workers", speeds.len());
            return Err(Failure::Usage(message));
        }
        let build = || -> Result<Pool, Error> {
            let mut pool = Pool::new(speeds, system.tasks())?;
            if system.kind() == Kind::ForkJoin {
                pool = pool.with_queues(Queues::PerWorker)?;
            }
            if !self.priorities.is_empty() {
                pool = pool.with_classes(self.priorities.clone())?;
            }
            if let Some(Times { up, down }) = self.failures {
                pool = pool.with_failures(Failures::new(up, down, self.loss.0)?);
            }
            Ok(match self.preemption {
                None | Some(Preempts::None) => pool,
                Some(Preempts::Resume) => pool.with_preemption(Preemption::Resume),
                Some(Preempts::Restart) => pool.with_preemption(Preemption::Restart),
            })
        };
        build().map_err(failure)
    }
}
