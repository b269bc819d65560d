//! Optimus: marginal gain allocation (Peng et al., EuroSys 2018).
//!
//! Every job starts with its smallest gang, shortest remaining first; then, repeatedly, the job whose
//! remaining time falls most by one more worker (with the server that it needs) per share of the cluster gets
//! it, until nothing gains or fits. Placement uses the fewest machines. The authors fit speed and convergence
//! online; here the speed law and the remaining work are known.

use super::{Allocation, Decision, Event, Policy, priority::Packing};
use crate::{
    model::{Job, Placement, Resources},
    pricing::Market,
    state::State,
};

/// The policy; it needs no memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optimus;

/// A job and what it has been promised.
struct Share<'a> {
    job: &'a Job,
    remaining: f64,
    workers: u32,
}

impl Share<'_> {
    /// Seconds saved by one more worker per dominant share that it takes.
    fn gain(&self, whole: &Resources) -> f64 {
        if self.workers >= self.job.workers.max {
            return 0.0;
        }
        let time = |workers: u32| self.remaining / self.job.rate(workers, self.job.external_gbps);
        (time(self.workers) - time(self.workers + 1)) / self.job.bundle().dominant_share(whole).max(1e-12)
    }
}

impl Optimus {
    /// How many workers each active job gets, by the room of the whole cluster.
    fn promise(state: &State) -> Vec<Share<'_>> {
        let whole = state.capacities().iter().fold(Resources::default(), |sum, free| sum.plus(free));
        let mut free = whole;
        let mut waiting: Vec<Share> =
            state.active().map(|job| Share { job: &job.job, remaining: job.remaining, workers: 0 }).collect();
        let alone = |share: &Share| share.remaining * share.job.external_cost();
        waiting.sort_by(|a, b| alone(a).total_cmp(&alone(b)));
        let mut shares = Vec::new();
        for mut share in waiting {
            let gang = share.job.bundle().times(f64::from(share.job.workers.min));
            if free.fits(&gang) {
                free.add(&gang, -1.0);
                share.workers = share.job.workers.min;
                shares.push(share);
            }
        }
        let mut gains: Vec<f64> = shares.iter().map(|share| share.gain(&whole)).collect();
        while let Some(best) =
            (0..gains.len()).max_by(|&a, &b| gains[a].total_cmp(&gains[b])).filter(|&at| gains[at] > 0.0)
        {
            let bundle = shares[best].job.bundle();
            if free.fits(&bundle) {
                free.add(&bundle, -1.0);
                shares[best].workers += 1;
                gains[best] = shares[best].gain(&whole);
            } else {
                gains[best] = 0.0;
            }
        }
        shares
    }
}

/// The fewest machines: one if the gang fits, else the emptiest first; fewer workers if the promise does not
/// fit in pieces.
fn compact(free: &[Resources], job: &Job, workers: u32) -> Option<Placement> {
    // As a market whose prices rise with the load: the emptiest machines are the cheapest.
    let prices: Vec<Resources> =
        free.iter().map(|free| Resources::gpus(1.0).times(1.0 / (1.0 + free.sum()))).collect();
    let prices: Vec<Resources> =
        prices.iter().map(|price| Resources::from_array([price.sum(); crate::KINDS])).collect();
    let market = Market::new(job, free, &prices, usize::MAX, 0);
    let mut workers = workers;
    while workers >= job.workers.min {
        if let Some(offer) = market.internal(workers).or_else(|| market.greedy(workers)) {
            return Some(offer.placement);
        }
        workers = if workers > job.workers.min { (workers * 3 / 4).max(job.workers.min) } else { 0 };
    }
    None
}

impl Policy for Optimus {
    fn name(&self) -> &'static str {
        "optimus"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        let mut allocation = Allocation::empty(state);
        for share in Self::promise(state) {
            let kept = &state.job(share.job.id).placement;
            if kept.workers() == share.workers && allocation.fits(share.job, kept) {
                allocation.place(share.job, kept);
            } else if share.job.workers.min == share.job.workers.max {
                Packing::Sticky.place(&mut allocation, share.job, share.workers);
            } else if let Some(placement) = compact(&allocation.free, share.job, share.workers) {
                allocation.place(share.job, &placement);
            }
        }
        allocation.decisions(state)
    }
}
