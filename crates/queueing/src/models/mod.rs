//! Parallel systems with synchronisation constraints, each a file, all behind [`Model`].

mod fork_join;
mod hybrid;
mod k_of_n;
mod multi_stage;
mod one_barrier;
mod partial_mapping;
mod redundancy;
mod single_queue;
mod split_merge;
mod take_share;
mod tiny_tasks;
mod two_barrier;
mod varma_makowski;

pub use fork_join::ForkJoin;
pub use hybrid::{Class, Hybrid, Start};
pub use k_of_n::KOfN;
pub use multi_stage::MultiStage;
pub use one_barrier::{Backlog, OneBarrier};
pub use partial_mapping::PartialMapping;
pub use redundancy::Redundancy;
pub use single_queue::SingleQueue;
pub use split_merge::SplitMerge;
pub use take_share::TakeShare;
pub use tiny_tasks::TinyTasks;
pub use two_barrier::TwoBarrier;
pub use varma_makowski::light_traffic_constant;

use crate::error::stable;
use crate::sim::System;
use crate::{Error, Estimate, Exceedance, Result, Workload};

/// A parallel system to which jobs arrive, answered by formulas. Lists of estimates are ordered best first:
/// exact before approximations, tight bounds before loose ones.
///
/// ```
/// use syncline_queueing::{Exceedance, Kind, Model, Workload, models::SplitMerge};
///
/// let stage = SplitMerge::new(Workload::markov(0.3, 1.0)?, 10)?;
/// let mean = stage.mean()?;
/// assert_eq!(mean.kind, Kind::Exact);
/// assert!((mean.value - 15.45307).abs() < 1e-4);
/// assert!((stage.quantile(Exceedance::new(1e-2)?)?.value - 65.4312).abs() < 1e-3);
/// # Ok::<(), syncline_queueing::Error>(())
/// ```
pub trait Model: Sync {
    /// The model's name in messages.
    fn name(&self) -> &'static str;

    /// The arrivals and task sizes it was given.
    fn workload(&self) -> &Workload;

    /// The arrival rate from which on the backlog grows without bound.
    ///
    /// # Errors
    /// [`Error::NoFormula`] where only simulation knows it.
    fn largest_rate(&self) -> Result<Estimate>;

    /// Every formula for the mean sojourn time E\[T\].
    ///
    /// # Errors
    /// [`Error::Unstable`], and [`Error::NoFormula`] if there is none for this workload.
    fn means(&self) -> Result<Vec<Estimate>>;

    /// Every formula for the mean time from arrival to the start of the first task, E\[W\].
    ///
    /// # Errors
    /// As for [`Model::means`].
    fn waits(&self) -> Result<Vec<Estimate>> {
        Err(self.no_formula("the mean wait"))
    }

    /// Every formula for the tau with P\[T > tau\] <= eps.
    ///
    /// # Errors
    /// As for [`Model::means`]; [`Error::HeavyTail`] where only an exponential bound would be known.
    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>>;

    /// The same system for the simulator, empty.
    fn system(&self) -> Box<dyn System>;

    /// The best formula for E\[T\].
    ///
    /// # Errors
    /// As for [`Model::means`].
    fn mean(&self) -> Result<Estimate> {
        first(self.means()?, || self.no_formula("the mean"))
    }

    /// The best formula for the eps-quantile of T.
    ///
    /// # Errors
    /// As for [`Model::quantiles`].
    fn quantile(&self, eps: Exceedance) -> Result<Estimate> {
        first(self.quantiles(eps)?, || self.no_formula("the quantile"))
    }

    /// Arrival rate over the largest stable one.
    ///
    /// # Errors
    /// As for [`Model::largest_rate`].
    fn utilisation(&self) -> Result<f64> {
        Ok(self.workload().rate() / self.largest_rate()?.value)
    }

    /// Refuses an unstable system.
    ///
    /// # Errors
    /// [`Error::Unstable`] by how much, or [`Error::InfiniteMoment`] where tasks have no mean size: then no rate is stable.
    fn check_stable(&self) -> Result<()> {
        let size = &self.workload().size;
        if !size.mean().is_finite() {
            let formula = "any stable rate";
            return Err(Error::InfiniteMoment { distribution: size.name(), order: 1, formula });
        }
        stable(self.workload().rate(), self.largest_rate()?.value)
    }

    /// The error that sends the user to the simulator.
    fn no_formula(&self, quantity: &'static str) -> Error {
        Error::NoFormula { model: self.name(), quantity, instead: "simulate it" }
    }
}

fn first(list: Vec<Estimate>, otherwise: impl Fn() -> Error) -> Result<Estimate> {
    list.into_iter().next().ok_or_else(otherwise)
}
