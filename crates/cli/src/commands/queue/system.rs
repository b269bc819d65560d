//! Which system is asked about, and its workload, from the command line.

use std::path::Path;

use clap::ValueEnum;
use syncline_queueing::models::{
    ForkJoin, Hybrid, KOfN, MultiStage, OneBarrier, PartialMapping, Redundancy, SingleQueue, SplitMerge,
    TakeShare, TinyTasks, TwoBarrier,
};
use syncline_queueing::{self as queueing, Arrivals, Distribution, Empirical, Model};

use super::failure;
use crate::failure::Failure;

/// The systems.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The next job starts when the current one is done
    SplitMerge,
    /// A queue per worker, one task of each job in each; --needed counts the first l tasks, the others run on
    ForkJoin,
    /// A queue per worker; the --needed-th task cancels the others
    KOfN,
    /// --copies of each job on random workers, the first one counts; --arrivals is the total rate
    Redundancy,
    /// --tasks of each job on random workers
    PartialMapping,
    /// --stages of fork-join in a row
    MultiStage,
    /// One queue of tasks for all workers
    SingleQueue,
    /// --tasks of one job at a time on fewer workers
    TinyTasks,
    /// --tasks start together, each worker is released with its task
    #[value(name = "1-barrier")]
    OneBarrier,
    /// --tasks start together and are released together
    #[value(name = "2-barrier")]
    TwoBarrier,
    /// A --barrier-share of the jobs starts its tasks together; jobs may have --widths
    Hybrid,
    /// A job takes an --idle-share of the workers that it finds idle (take-half, take-fraction)
    TakeShare,
}

impl Kind {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// The shape of the system.
#[derive(clap::Args)]
pub struct SystemArgs {
    /// The system
    #[arg(long, value_enum)]
    system: Kind,
    /// Workers
    #[arg(long, value_name = "N")]
    workers: usize,
    /// Tasks per job [default: one per worker]
    #[arg(long, value_name = "K")]
    tasks: Option<usize>,
    /// Tasks that must finish [default: all]
    #[arg(long, value_name = "L")]
    needed: Option<usize>,
    /// Stages of a multi-stage system [default: 1]
    #[arg(long, value_name = "H")]
    stages: Option<usize>,
    /// Copies of each job under redundancy [default: 2]
    #[arg(long, value_name = "D")]
    copies: Option<usize>,
    /// Share of jobs with a start barrier in a hybrid system [default: 0.5]
    #[arg(long, value_name = "P")]
    barrier_share: Option<f64>,
    /// Tasks per job of a hybrid system, drawn evenly from A to B [default: all --tasks]
    #[arg(long, value_name = "A..B", conflicts_with = "tasks", value_parser = widths)]
    widths: Option<(usize, usize)>,
    /// Share of the idle workers that a job takes under take-share [default: 0.5]
    #[arg(long, value_name = "F")]
    idle_share: Option<f64>,
}

fn widths(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("'{text}' is no range of tasks: write A..B, as in 1..8");
    let (low, high) = text.split_once("..").ok_or_else(wrong)?;
    let number = |part: &str| part.trim().parse::<usize>().map_err(|_| wrong());
    let (low, high) = (number(low)?, number(high)?);
    if low == 0 || low > high { Err(wrong()) } else { Ok((low, high)) }
}

impl SystemArgs {
    /// The system in words, for a plot.
    pub fn title(&self) -> String {
        let name = self.system.name();
        let part = |name: &str, value: Option<usize>| {
            value.map_or(String::new(), |value| format!(", {value} {name}"))
        };
        format!(
            "{name}, {} workers{}{}",
            self.workers,
            part("tasks", self.tasks),
            part("needed", self.needed)
        )
    }

    /// The system.
    pub fn kind(&self) -> Kind {
        self.system
    }

    /// s.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// k: where every worker gets a task, the number of workers is the number of tasks.
    pub fn tasks(&self) -> usize {
        self.tasks.unwrap_or(self.workers)
    }

    /// h.
    pub fn stages(&self) -> usize {
        self.stages.unwrap_or(1)
    }

    /// Whether a job is done before all its tasks are.
    pub fn needs_fewer(&self) -> bool {
        self.needed.is_some_and(|needed| needed != self.tasks())
    }

    /// The model of this system under a workload.
    pub fn model(&self, workload: queueing::Workload) -> Result<Box<dyn Model>, Failure> {
        let s = self.workers;
        let k = self.tasks();
        let l = self.needed.unwrap_or(k);
        self.check()?;
        match self.system {
            Kind::SplitMerge => boxed(SplitMerge::first_of(workload, l, k)),
            Kind::ForkJoin => boxed(ForkJoin::first_of(workload, l, k)),
            Kind::KOfN => boxed(KOfN::new(workload, l, s)),
            Kind::Redundancy => boxed(Redundancy::new(workload, self.copies.unwrap_or(2), s)),
            Kind::PartialMapping => boxed(PartialMapping::new(workload, k, s)),
            Kind::MultiStage => boxed(MultiStage::new(workload, self.stages(), k)),
            Kind::SingleQueue => boxed(SingleQueue::new(workload, s, k)),
            Kind::TinyTasks => boxed(TinyTasks::new(workload, s, k)),
            Kind::OneBarrier => boxed(OneBarrier::new(workload, s, k)),
            Kind::TwoBarrier => boxed(TwoBarrier::first_of(workload, s, k, l)),
            Kind::Hybrid => {
                let (low, high) = self.widths.unwrap_or((k, k));
                boxed(Hybrid::uniform(workload, s, low..=high, self.barrier_share.unwrap_or(0.5)))
            }
            Kind::TakeShare => boxed(TakeShare::new(workload, s, k, self.idle_share.unwrap_or(0.5))),
        }
    }

    /// Refuses an option that the system does not know, rather than passing it over.
    fn check(&self) -> Result<(), Failure> {
        use Kind::{
            ForkJoin, Hybrid, KOfN, MultiStage, OneBarrier, PartialMapping, Redundancy, SingleQueue,
            SplitMerge, TakeShare, TinyTasks, TwoBarrier,
        };
        let of_one_each = self.tasks.filter(|tasks| *tasks != self.workers).is_some();
        let known: [(bool, &str, &[Kind]); 6] = [
            (self.needed.is_some(), "--needed", &[SplitMerge, ForkJoin, KOfN, TwoBarrier]),
            (self.stages.is_some(), "--stages", &[MultiStage]),
            (self.copies.is_some(), "--copies", &[Redundancy]),
            (self.barrier_share.is_some(), "--barrier-share", &[Hybrid]),
            (self.widths.is_some(), "--widths", &[Hybrid]),
            (self.idle_share.is_some(), "--idle-share", &[TakeShare]),
        ];
        for (given, option, kinds) in known {
            if given && !kinds.contains(&self.system) {
                let names: Vec<String> = kinds.iter().map(|kind| kind.name()).collect();
                let message = format!("{option} can be had with --system {}", names.join(" or "));
                return Err(Failure::Usage(message));
            }
        }
        if self.system == Redundancy && self.tasks.is_some() {
            let message = "a job under redundancy is one task: leave --tasks out, or see --copies";
            return Err(Failure::Usage(message.into()));
        }
        let several = [PartialMapping, SingleQueue, TinyTasks, OneBarrier, TwoBarrier, Hybrid, TakeShare];
        if of_one_each && !several.contains(&self.system) {
            let message = format!(
                "{} gives each worker one task of a job: --tasks, where given, is --workers; for others see --system {}",
                self.system.name(),
                several.map(Kind::name).join(", ")
            );
            return Err(Failure::Usage(message));
        }
        Ok(())
    }
}

fn boxed<M: Model + 'static>(model: Result<M, queueing::Error>) -> Result<Box<dyn Model>, Failure> {
    model.map(|model| Box::new(model) as Box<dyn Model>).map_err(failure)
}

/// Arrivals and task sizes.
#[derive(clap::Args)]
pub struct Workload {
    /// Arrivals of jobs
    #[arg(long, value_name = "PROCESS")]
    arrivals: String,
    /// Sizes of tasks
    #[arg(long, value_name = "DISTRIBUTION")]
    service: String,
}

impl Workload {
    /// Reads both, and the files that they name.
    pub fn read(&self) -> Result<queueing::Workload, Failure> {
        Ok(queueing::Workload::new(arrivals(&self.arrivals)?, service(&self.service)?))
    }
}

/// An arrival process.
pub fn arrivals(text: &str) -> Result<Arrivals, Failure> {
    match text.strip_prefix("file:") {
        Some(path) => Arrivals::replay(numbers(path.as_ref())?).map_err(failure),
        None => text.parse().map_err(failure),
    }
}

/// A distribution of task sizes.
pub fn service(text: &str) -> Result<Distribution, Failure> {
    match text.strip_prefix("file:") {
        Some(path) => Empirical::new(numbers(path.as_ref())?).map(Distribution::empirical).map_err(failure),
        None => text.parse().map_err(failure),
    }
}

/// One number a line; empty lines and lines that start with # are passed over.
pub fn numbers(path: &Path) -> Result<Vec<f64>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", path.display())))?;
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let place = || format!("{}, line {}: '{line}' is not a number", path.display(), index + 1);
            line.trim().parse().map_err(|_| Failure::Failed(place()))
        })
        .collect()
}
