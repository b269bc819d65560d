//! The exponential price function and its bounds.
//!
//! ```text
//! Q(rho) = L (U / L)^(rho / C)
//! U_r    = max_i u_i(shortest run) / (alpha_i + beta_i)
//! L      = min_i u_i(T - a_i) / (2 mu sum_r ceil(V_i c_e) (alpha_i + beta_i))
//! 1/mu   = min_i ceil(V_i c_i) sum_r (alpha_i + beta_i) / (T sum_h sum_r C)
//! ```
//!
//! An urgent job that completes at the horizon is worth 1e-40, and it alone would set L: then prices rise by
//! 40 orders of magnitude between an empty and a full machine, and half-empty machines already turn jobs away.
//! [`LateShare`] says from where on a late completion counts as worth something.
//!
//! Invariant: `Q(0) = L`, `Q(C) = U_r`, and Q rises with the load, so an empty cluster admits every job
//! whose latest utility L counts, and a full resource nothing. Everything is kept as logarithms: U / L spans tens of orders of magnitude when
//! urgent jobs meet long horizons.

use serde::{Deserialize, Serialize};

use super::SlotGrid;
use crate::model::{Cluster, Job, KINDS, Resources};

/// Which demands the prices of one pool of machines cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// Any machine hosts workers and servers (PD-ORS).
    Pooled,
    /// Machines that host only workers (OASiS).
    Workers,
    /// Machines that host only servers (OASiS).
    Servers,
}

impl Roles {
    fn demand(self, job: &Job) -> Resources {
        match self {
            Self::Pooled => job.pair(),
            Self::Workers => job.worker,
            Self::Servers => job.server,
        }
    }

    /// Two pools halve the share of the optimum that each may start with: 2 mu becomes 4 eta.
    fn divisor(self) -> f64 {
        if self == Self::Pooled { 2.0 } else { 4.0 }
    }
}

/// The least utility `u_i(T - a_i)` that enters L, as a share of the greatest utility of any job.
///
/// With 0, L is the formula to the letter. Above it, completions worth less may be priced out on an empty
/// cluster, and the guarantee holds for the others. The default of a hundredth is a utility of 1 in the papers'
/// settings: there U / L spans ten orders of magnitude, as in the project's reference, and not forty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LateShare(pub f64);

impl Default for LateShare {
    fn default() -> Self {
        Self(0.01)
    }
}

impl LateShare {
    /// The formula to the letter.
    pub const NONE: Self = Self(0.0);

    fn floor(self, jobs: &[Job]) -> f64 {
        let best = jobs.iter().map(|job| job.utility.at(0.0)).fold(0.0, f64::max);
        (self.0 * best).max(f64::MIN_POSITIVE)
    }
}

/// The natural logarithms of L and of U for every resource type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRange {
    /// ln L.
    pub ln_base: f64,
    /// ln U per resource type, at least `ln_base + 1`.
    pub ln_top: [f64; KINDS],
}

impl PriceRange {
    /// The bounds for a known (or estimated) set of jobs on machines with `capacity` in total over `grid`.
    pub fn estimate(jobs: &[Job], capacity: &Resources, grid: &SlotGrid, roles: Roles) -> Self {
        Self::with_late(jobs, capacity, grid, roles, LateShare::default())
    }

    /// The bounds on all machines of a cluster, whose fastest devices the work is counted on.
    pub fn of(cluster: &Cluster, jobs: &[Job], grid: &SlotGrid, late: LateShare) -> Self {
        Self::with_late(&cluster.at_best_speed(jobs), cluster.total(), grid, Roles::Pooled, late)
    }

    /// The bounds with another treatment of late completions.
    pub fn with_late(
        jobs: &[Job],
        capacity: &Resources,
        grid: &SlotGrid,
        roles: Roles,
        late: LateShare,
    ) -> Self {
        let floor = late.floor(jobs);
        let slots = |job: &Job, cost: f64| (job.workload * cost / grid.slot).ceil().max(1.0);
        let supply = grid.slots as f64 * capacity.sum();
        let mut inverse_mu = f64::INFINITY;
        let mut ln_base = f64::INFINITY;
        let mut ln_top = [f64::NEG_INFINITY; KINDS];
        for job in jobs {
            let demand = roles.demand(job);
            if demand.sum() == 0.0 {
                continue;
            }
            inverse_mu = inverse_mu.min(slots(job, job.internal_cost()) * demand.sum() / supply);
            let last = job.utility.at(grid.hours(grid.slots.saturating_sub(grid.slot_of(job.arrival))));
            let cheapest = last.max(floor).ln() - (slots(job, job.external_cost()) * demand.sum()).ln();
            ln_base = ln_base.min(cheapest);
            let fastest =
                (job.workload * job.internal_cost() / grid.slot / f64::from(job.workers.max)).ceil();
            let best =
                job.utility.at(grid.hours((fastest as usize).saturating_sub(1))).max(f64::MIN_POSITIVE).ln();
            for (top, need) in ln_top.iter_mut().zip(demand.as_array()) {
                if *need > 0.0 {
                    *top = top.max(best - need.ln());
                }
            }
        }
        if !ln_base.is_finite() {
            return Self { ln_base: 0.0, ln_top: [1.0; KINDS] };
        }
        let ln_base = ln_base + (inverse_mu / roles.divisor()).ln();
        Self { ln_base, ln_top: ln_top.map(|top| top.max(ln_base + 1.0)) }
    }

    /// The same bounds with U multiplied by `factor`: how OASiS studies wrong estimates.
    pub fn scaled(mut self, factor: f64) -> Self {
        let shift = factor.ln();
        self.ln_top = self.ln_top.map(|top| (top + shift).max(self.ln_base + 1.0));
        self
    }

    /// The factor `max_r max(1, ln(U_r / L))` of the competitive ratio.
    pub fn log_ratio(&self) -> f64 {
        self.ln_top.iter().map(|top| top - self.ln_base).fold(1.0, f64::max)
    }
}

/// Unit prices from the load of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceFunction {
    range: PriceRange,
}

impl PriceFunction {
    /// The function between the bounds of `range`.
    pub fn new(range: PriceRange) -> Self {
        Self { range }
    }

    /// The bounds.
    pub fn range(&self) -> &PriceRange {
        &self.range
    }

    /// The unit price of every type on a machine with `free` left of `capacity`; zero for types it does not
    /// have.
    pub fn unit_prices(&self, free: &Resources, capacity: &Resources) -> Resources {
        let mut prices = [0.0; KINDS];
        for (kind, price) in prices.iter_mut().enumerate() {
            let whole = capacity.as_array()[kind];
            if whole > 0.0 {
                let load = 1.0 - free.as_array()[kind] / whole;
                let span = self.range.ln_top[kind] - self.range.ln_base;
                *price = (self.range.ln_base + span * load).exp();
            }
        }
        Resources::from_array(prices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Setting;

    #[test]
    fn urgent_jobs_alone_do_not_stretch_the_prices() {
        let setting = Setting::calibrated();
        let (capacity, jobs) = (setting.capacity.times(100.0), setting.draw(1));
        let decades = |late| {
            let range = PriceRange::with_late(&jobs, &capacity, &setting.grid, Roles::Pooled, late);
            range.log_ratio() / std::f64::consts::LN_10
        };
        assert!(decades(LateShare::NONE) > 25.0, "{}", decades(LateShare::NONE));
        let usual = decades(LateShare::default());
        assert!((9.0..13.0).contains(&usual), "{usual}");
    }
}
