//! Pollux: goodput relative to a fair share (Qiao et al., OSDI 2021).
//!
//! The speedup of a job is its goodput over that of its fair share, an equal part of the whole cluster. What is made
//! largest is the mean of speedups with the power p = -1, which is their harmonic mean:
//!
//! ```text
//! fitness = ( (1 / J) sum_j speedup_j^p )^(1 / p)
//! ```
//!
//! where a running job that is changed has only the part of its speedup that a restart leaves ([`kept`]). The authors search by
//! a genetic algorithm over all placements. Here numbers of workers are found by hill climbing from the present ones (the
//! job that gains most is given what is free, or what the job that loses least gives up, as long as the fitness grows), and then
//! placed; the answer is the same on every run. They keep two distributed jobs off one machine; here they may meet.

use std::cmp::Ordering;

use super::{fill, kept, place, wake};
use crate::{
    event::{Decision, Event},
    model::{Job, Placement, Resources},
    policy::{Allocation, Policy, compact::demand},
    state::{JobState, State, Status},
};

/// What a job without workers counts as: a hundredth of its fair share.
const NOTHING: f64 = 0.01;

/// So many jobs in a row for which nobody makes room end the search: the authors' has a hundred generations.
const ATTEMPTS: usize = 100;

/// The policy; it needs no memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pollux;

/// A job in the search.
struct Share<'a> {
    job: &'a Job,
    /// Workers now, and in the answer.
    present: u32,
    workers: u32,
    /// Whether its workers may be taken away.
    movable: bool,
    /// Samples a second of a worker on one machine and on several, on its fastest devices.
    inside: f64,
    across: f64,
    /// The most workers that one machine holds.
    alone: u32,
    /// Goodput of the fair share.
    fair: f64,
    kept: f64,
}

impl<'a> Share<'a> {
    fn new(state: &'a State, job: &'a JobState, competitors: f64) -> Self {
        let (cluster, one) = (&state.cluster, job.job.as_ref());
        let speed = cluster.best_speed(one);
        let open = cluster.ids().filter(|id| state.is_up(*id) && cluster.allows(one, *id));
        let (alone, hosted) = open.fold((0, 0u32), |(alone, hosted), id| {
            let room = cluster.capacity(id);
            (alone.max(one.most_on(room)), hosted.saturating_add(room.how_many(&one.bundle())))
        });
        let mut share = Self {
            job: one,
            present: job.placement.workers(),
            workers: job.placement.workers(),
            movable: !job.is_kept(),
            inside: speed * one.rate(1, one.internal_gbps),
            across: speed * one.rate(1, one.external_gbps),
            alone,
            fair: 1.0,
            kept: kept(state, job),
        };
        let equal = (f64::from(hosted) / competitors).floor().clamp(1.0, f64::from(u32::MAX)) as u32;
        share.fair = share.goodput(equal.clamp(one.workers.min, one.workers.max));
        share
    }

    fn goodput(&self, workers: u32) -> f64 {
        f64::from(workers) * if workers <= self.alone { self.inside } else { self.across }
    }

    /// Its part of the fitness with the power -1, which is to be small: one over its speedup.
    fn cost(&self, workers: u32) -> f64 {
        let kept = if workers == self.present { 1.0 } else { self.kept };
        let speedup = self.goodput(workers) * kept / self.fair;
        if workers == 0 { 1.0 / NOTHING } else { 1.0 / speedup.max(NOTHING) }
    }

    /// The next larger gang that is faster; none if there is none.
    fn larger(&self) -> Option<u32> {
        let range = self.job.workers;
        if self.workers == 0 {
            return Some(range.min);
        }
        let next = self.workers + 1;
        let next = if self.workers <= self.alone && next > self.alone {
            // The first that makes up for the slower links.
            next.max((self.goodput(self.workers) / self.across).floor() as u32 + 1)
        } else {
            next
        };
        (next <= range.max).then_some(next)
    }

    fn demand(&self, workers: u32) -> Resources {
        demand(self.job, workers, self.job.servers_for(workers))
    }

    /// What it would give back with fewer workers.
    fn freed(&self, workers: u32) -> Resources {
        let mut freed = self.demand(self.workers);
        freed.add(&self.demand(workers), -1.0);
        freed
    }

    /// The most workers that it can have left so that `free` and what it gives up hold `need`.
    fn reduced(&self, free: &Resources, need: &Resources) -> Option<u32> {
        let range = self.job.workers;
        let enough = |left: u32| free.plus(&self.freed(left)).fits(need);
        if !self.movable || self.workers == 0 || !enough(0) {
            return None;
        }
        let (mut low, mut high) = (range.min, self.workers);
        if low >= high || !enough(low) {
            return Some(0);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(middle) { low = middle } else { high = middle }
        }
        Some(low)
    }
}

/// Finds how many workers each job gets. Every step makes the fitness greater, so there is an end.
fn climb(shares: &mut [Share], mut free: Resources) {
    let (mut stuck, mut in_vain) = (vec![false; shares.len()], 0);
    while in_vain < ATTEMPTS {
        let gain = |at: usize| {
            let share = &shares[at];
            let next = share.larger().filter(|_| !stuck[at] && (share.movable || share.workers == 0))?;
            Some((share.cost(share.workers) - share.cost(next), next))
        };
        let gains = (0..shares.len()).filter_map(|at| gain(at).map(|(gain, next)| (at, gain, next)));
        // Of equals the first to arrive.
        let best = gains.filter(|(_, gain, _)| *gain > 1e-9).reduce(|a, b| if b.1 > a.1 { b } else { a });
        let Some((at, gain, next)) = best else { return };
        let mut need = shares[at].demand(next);
        need.add(&shares[at].demand(shares[at].workers), -1.0);
        if !free.fits(&need) {
            let loses = |from: usize| {
                let left = shares[from].reduced(&free, &need)?;
                Some((from, left, shares[from].cost(left) - shares[from].cost(shares[from].workers)))
            };
            let givers = (0..shares.len()).filter(|&from| from != at).filter_map(loses);
            let giver = givers.min_by(|a, b| a.2.partial_cmp(&b.2).unwrap_or(Ordering::Equal));
            let Some((from, left, _)) = giver.filter(|(_, _, loss)| *loss < gain - 1e-9) else {
                stuck[at] = true;
                in_vain += 1;
                continue;
            };
            free.add(&shares[from].freed(left), 1.0);
            shares[from].workers = left;
            stuck.fill(false);
            in_vain = 0;
        }
        free.add(&need, -1.0);
        shares[at].workers = next;
    }
}

/// Puts a gang, or as much of it as the pieces of room hold, on machines; it stays where it is if that is no slower.
fn settle(allocation: &mut Allocation, state: &State, share: &Share) {
    let (job, present) = (share.job, &state.job(share.job.id).placement);
    let running = state.job(job.id).status == Status::Running && allocation.fits(job, present);
    let mut workers = share.workers;
    while workers >= job.workers.min && workers > 0 {
        let free = allocation.free_for(job).into_owned();
        let placement = if workers == share.present && running {
            Some(present.clone())
        } else {
            place(&free, job, workers)
        };
        if let Some(placement) = placement {
            let rate = |placement: &Placement| state.cluster.rate(job, placement);
            let worse = workers > share.present && rate(&placement) * share.kept <= rate(present);
            let placement = if running && worse { present.clone() } else { placement };
            allocation.place(job, &placement);
            return;
        }
        if workers == job.workers.min {
            return;
        }
        workers = (workers * 3 / 4).max(job.workers.min);
    }
}

impl Policy for Pollux {
    fn name(&self) -> &'static str {
        "pollux"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        let competitors = state.active().count().max(1) as f64;
        let mut shares: Vec<Share> = state.active().map(|job| Share::new(state, job, competitors)).collect();
        let free = state.free().iter().fold(Resources::default(), |sum, free| sum.plus(free));
        climb(&mut shares, free);
        let mut allocation = Allocation::empty(state);
        let unchanged = |share: &&Share| share.workers > 0 && share.workers == share.present;
        for share in shares.iter().filter(unchanged) {
            allocation.place(share.job, &state.job(share.job.id).placement);
        }
        let mut others: Vec<&Share> =
            shares.iter().filter(|share| share.workers > 0 && !unchanged(share)).collect();
        // The large ones while there is room in one piece.
        others.sort_by_key(|share| std::cmp::Reverse(share.workers));
        for share in others {
            settle(&mut allocation, state, share);
        }
        fill(&mut allocation, state);
        let mut decisions = allocation.decisions(state);
        decisions.extend(wake(state));
        decisions
    }
}
