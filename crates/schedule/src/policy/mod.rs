//! Online scheduling policies behind one trait.
//!
//! A policy sees events and the present [`State`], never the simulator, the future or a clock, and answers
//! with decisions. It is deterministic: the same events give the same decisions, with randomness only from
//! its seed. So the simulator, a replayed log and a live daemon can drive the same object, and what it keeps between
//! two decisions can be saved and loaded.

mod allocation;
mod compact;
mod dorm;
mod drf;
mod fifo;
mod gate;
mod gavel;
mod goodput;
mod keep;
mod oasis;
mod optimus;
mod ours;
mod pdors;
mod priority;
mod rrh;
mod saved;
mod shortest;
mod tiresias;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    allocation::Allocation,
    dorm::Dorm,
    drf::Drf,
    fifo::Fifo,
    gavel::{Awareness, Gavel},
    goodput::{Pollux, Sia},
    oasis::Oasis,
    optimus::Optimus,
    ours::{Floor, Ours},
    pdors::PdOrs,
    priority::Packing,
    rrh::Rrh,
    shortest::{Measure, Shortest},
    tiresias::Tiresias,
};
use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    explain::Explanation,
    model::{Cluster, Job, JobId},
    pricing::{PlannerOptions, SlotGrid},
    state::State,
};

/// An online scheduler.
///
/// One of your own is compared like those that there are. This one starts whatever came last, on as many workers as there is room
/// for:
///
/// ```
/// use std::sync::Arc;
/// use syncline_schedule::policy::{Allocation, Packing};
/// use syncline_schedule::sim::{Clock, Options, simulate};
/// use syncline_schedule::state::{Physics, State, Status};
/// use syncline_schedule::{Decision, Event, Policy, setting::Setting};
///
/// struct LastFirst;
///
/// impl Policy for LastFirst {
///     fn name(&self) -> &'static str {
///         "last-first"
///     }
///
///     fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
///         let mut allocation = Allocation::present(state);
///         let waiting = state.active().filter(|job| job.status == Status::Pending);
///         for job in waiting.collect::<Vec<_>>().into_iter().rev() {
///             let sizes = job.job.workers.min..=job.job.workers.max;
///             let placed = sizes.rev().find(|&size| Packing::Anywhere.place(&mut allocation, &job.job, size));
///             if placed.is_none() {
///                 break;
///             }
///         }
///         allocation.decisions(state)
///     }
/// }
///
/// let setting = Setting { machines: 10, jobs: 8, ..Setting::calibrated() };
/// let (cluster, jobs) = (Arc::new(setting.cluster()?), setting.draw(1));
/// let options = Options { clock: Clock::slots(&setting.grid), physics: Physics::default(), outages: Vec::new() };
/// let run = simulate(&cluster, &jobs, &mut LastFirst, &options, None)?;
/// assert!(run.outcome.metrics().utility > 0.0);
/// # Ok::<(), syncline_schedule::Error>(())
/// ```
pub trait Policy {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Reacts to what happened at `state.now`; the state already knows the events.
    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision>;

    /// Why it decided about a job as it did, right after it has; none if it does not plan ahead.
    fn explain(&self, state: &State, job: JobId) -> Option<Explanation> {
        let _ = (state, job);
        None
    }

    /// Why a job is held back, so that it is not even decided about; none if it is not.
    fn held(&self, job: JobId) -> Option<&str> {
        let _ = job;
        None
    }

    /// What it keeps between two decisions; nothing, unless it says otherwise.
    ///
    /// # Errors
    /// A number that cannot be written down: a defect of the policy.
    fn save(&self) -> Result<Value> {
        Ok(Value::Null)
    }

    /// Goes on from what [`Policy::save`] gave, in a policy made with the same [`Setup`].
    ///
    /// # Errors
    /// What another policy, or another version of it, saved.
    fn load(&mut self, saved: Value) -> Result<()> {
        saved::load(saved)
    }
}

/// What a policy is told when it is made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The machines.
    pub cluster: Arc<Cluster>,
    /// The slots that planners plan in.
    pub grid: SlotGrid,
    /// The jobs that planners estimate their price bounds from: the real ones or a forecast.
    pub expected: Vec<Job>,
    /// The planners' open choices.
    pub planner: PlannerOptions,
    /// How gangs of fixed size are put on machines.
    pub packing: Packing,
    /// Dorm's theta 1: how far its shares may be from fair, in (0, 1].
    pub unfairness: f64,
    /// Dorm's theta 2: the share of running jobs that one event may change, in (0, 1].
    pub adjustable: f64,
    /// What `syncline` promises.
    pub floor: Floor,
    /// Where random choices start.
    pub seed: u64,
}

impl Setup {
    /// The usual choices: the default planner, sticky gangs, free adjustment, seed 1.
    pub fn new(cluster: &Arc<Cluster>, grid: SlotGrid, expected: &[Job]) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            grid,
            expected: expected.to_vec(),
            planner: PlannerOptions::default(),
            packing: Packing::default(),
            unfairness: 0.1,
            adjustable: 1.0,
            floor: Floor::default(),
            seed: 1,
        }
    }
}

/// The known policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyName {
    /// Price-based admission and planning (Yu et al.).
    PdOrs,
    /// Its predecessor with separate machines for workers and servers (Bao et al.).
    Oasis,
    /// Utilisation under bounds on unfairness and on adjustments.
    Dorm,
    /// Dominant resource fairness by progressive filling.
    Drf,
    /// First in, first out with a fixed gang.
    Fifo,
    /// The risk-reward heuristic.
    Rrh,
    /// Shortest remaining time first.
    Srtf,
    /// Shortest remaining service first.
    Srsf,
    /// Discretised two-dimensional least attained service.
    TiresiasL,
    /// Marginal gain of remaining time.
    Optimus,
    /// Gavel's max-min fairness, blind to device types.
    GavelLas,
    /// Gavel's max-min fairness over measured speeds.
    GavelLasAware,
    /// Goodput relative to a fair share.
    Pollux,
    /// Goodput over types of devices, by a program of configurations.
    Sia,
    /// This project's own: elastic re-planning.
    Syncline,
}

impl PolicyName {
    /// All, in the order of help texts.
    pub const ALL: [Self; 15] = [
        Self::PdOrs,
        Self::Oasis,
        Self::Dorm,
        Self::Drf,
        Self::Fifo,
        Self::Rrh,
        Self::Srtf,
        Self::Srsf,
        Self::TiresiasL,
        Self::Optimus,
        Self::GavelLas,
        Self::GavelLasAware,
        Self::Pollux,
        Self::Sia,
        Self::Syncline,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PdOrs => "pd-ors",
            Self::Oasis => "oasis",
            Self::Dorm => "dorm",
            Self::Drf => "drf",
            Self::Fifo => "fifo",
            Self::Rrh => "rrh",
            Self::Srtf => "srtf",
            Self::Srsf => "srsf",
            Self::TiresiasL => "tiresias-l",
            Self::Optimus => "optimus",
            Self::GavelLas => "gavel-las",
            Self::GavelLasAware => "gavel-las-aware",
            Self::Pollux => "pollux",
            Self::Sia => "sia",
            Self::Syncline => "syncline",
        }
    }

    /// Makes the policy. Under each, jobs that cannot resume stay where they are, and what operators and users bind
    /// jobs by holds: queues and quotas, reservations, dependencies and priorities.
    pub fn build(self, setup: &Setup) -> Box<dyn Policy> {
        Box::new(gate::Gate::new(Box::new(keep::Keeping(self.bare(setup))), setup.grid))
    }

    fn bare(self, setup: &Setup) -> Box<dyn Policy> {
        match self {
            Self::PdOrs => Box::new(PdOrs::new(setup)),
            Self::Oasis => Box::new(Oasis::new(setup)),
            Self::Dorm => Box::new(Dorm::new(setup.unfairness, setup.adjustable)),
            Self::Drf => Box::new(Drf),
            Self::Fifo => Box::new(Fifo::new(setup.seed)),
            Self::Rrh => Box::new(Rrh::new(setup.packing, setup.seed)),
            Self::Srtf => Box::new(Shortest::new(Measure::Time, setup.packing, setup.seed)),
            Self::Srsf => Box::new(Shortest::new(Measure::Service, setup.packing, setup.seed)),
            Self::TiresiasL => Box::new(Tiresias::new(setup.seed)),
            Self::Optimus => Box::new(Optimus::default()),
            Self::GavelLas => Box::new(Gavel::new(setup, Awareness::Blind)),
            Self::GavelLasAware => Box::new(Gavel::new(setup, Awareness::Aware)),
            Self::Pollux => Box::new(Pollux),
            Self::Sia => Box::new(Sia),
            Self::Syncline => Box::new(Ours::new(setup)),
        }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for PolicyName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name).ok_or_else(|| Error::Unknown {
            kind: "policy",
            name: name.into(),
            valid: Self::ALL.map(Self::as_str).join(" "),
        })
    }
}
