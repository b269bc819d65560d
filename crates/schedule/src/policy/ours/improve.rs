//! Finding a better book: construction in the order of density, then ruin and recreate (Schrimpf et al. 2000).

use std::collections::BTreeSet;

use rand::{RngExt, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{Book, density, remaining};
use crate::{
    model::{JobId, Placement},
    pricing::{Plan, PlannerOptions, Search},
    state::{JobState, State},
};

/// Everything a revision needs to know.
pub struct Planner<'a> {
    /// The cluster now.
    pub state: &'a State,
    /// Grain and cases.
    pub options: &'a PlannerOptions,
    /// The present slot.
    pub slot: usize,
    /// Randomness.
    pub rng: &'a mut ChaCha8Rng,
    /// Jobs whose plans are not touched.
    pub locked: &'a BTreeSet<JobId>,
}

impl Planner<'_> {
    /// The better of the kept book, completed, and of one made from `anew`, which has nothing but what is locked; then
    /// `effort` rounds of improvement.
    pub fn revise(&mut self, mut kept: Book, mut anew: Book, effort: u32) -> Book {
        let order = self.by_density();
        // A book that has kept nothing is the new one.
        let differ = kept.plans.len() > anew.plans.len();
        self.insert_all(&mut kept, &order);
        let mut best = kept;
        if differ {
            self.insert_all(&mut anew, &order);
            if self.worth(&anew) > self.worth(&best) {
                best = anew;
            }
        }
        for _ in 0..effort {
            self.ruin_and_recreate(&mut best);
        }
        best
    }

    /// Completes a book whose plans are locked, and improves the rest.
    pub fn fill(&mut self, mut book: Book, effort: u32) -> Book {
        let order = self.by_density();
        self.insert_all(&mut book, &order);
        for _ in 0..effort {
            self.ruin_and_recreate(&mut book);
        }
        book
    }

    /// The promised utility, less what restarts in this slot put at risk.
    fn worth(&self, book: &Book) -> f64 {
        let length = book.ledger.grid().slot;
        let risk = |(id, plan): (&JobId, &Plan)| {
            let job = self.state.job(*id);
            let moves = starts_now(plan, self.slot).is_some_and(|first| *first != job.placement);
            if moves { plan.utility * (job.job.restart / length).min(1.0) } else { 0.0 }
        };
        book.value() - book.plans.iter().map(risk).sum::<f64>()
    }

    fn by_density(&self) -> Vec<JobId> {
        let cluster = &self.state.cluster;
        let mut jobs: Vec<(f64, JobId)> =
            self.state.active().map(|job| (density(&job.job, remaining(job), cluster), job.job.id)).collect();
        jobs.sort_by(|a, b| b.0.total_cmp(&a.0));
        jobs.into_iter().map(|(_, id)| id).collect()
    }

    fn insert_all(&mut self, book: &mut Book, order: &[JobId]) {
        for id in order {
            if !book.plans.contains_key(id)
                && let Some(plan) = self.plan(book, self.state.job(*id))
            {
                book.insert(self.state, *id, plan);
            }
        }
    }

    /// The best plan at the book's prices. A plan whose changes cost restarts is made again with the work
    /// that they lose.
    fn plan(&self, book: &Book, job: &JobState) -> Option<Plan> {
        let search = Search::new(&self.state.cluster, &book.ledger, self.options);
        let plan = search.best(&job.job, remaining(job), self.slot)?;
        let lost = self.lost(job, &plan);
        if lost > 0.0 { search.best(&job.job, remaining(job) + lost, self.slot) } else { Some(plan) }
    }

    /// Samples that the restarts of a plan cost.
    fn lost(&self, job: &JobState, plan: &Plan) -> f64 {
        if job.job.restart == 0.0 {
            return 0.0;
        }
        let mut before = Some(&job.placement);
        let mut lost = 0.0;
        for (_, placement) in &plan.slots {
            if before != Some(placement) {
                lost += job.job.restart * self.state.cluster.rate(&job.job, placement);
            }
            before = Some(placement);
        }
        lost
    }

    /// Takes a few plans out, plans those jobs and some without a plan again, and keeps the result if it is
    /// no worse.
    fn ruin_and_recreate(&mut self, book: &mut Book) {
        let mut planned: Vec<JobId> =
            book.plans.keys().copied().filter(|id| !self.locked.contains(id)).collect();
        let mut missing: Vec<JobId> =
            self.state.active.iter().copied().filter(|id| !book.plans.contains_key(id)).collect();
        planned.shuffle(self.rng);
        missing.shuffle(self.rng);
        planned.truncate(self.rng.random_range(1..=4));
        missing.truncate(self.rng.random_range(0..=3));
        let before = self.worth(book);
        let old: Vec<_> =
            planned.iter().filter_map(|id| Some((*id, book.remove(self.state, *id)?))).collect();
        let mut order: Vec<JobId> = planned.iter().chain(&missing).copied().collect();
        order.shuffle(self.rng);
        self.insert_all(book, &order);
        if self.worth(book) < before {
            for id in &order {
                book.remove(self.state, *id);
            }
            for (id, plan) in old {
                book.insert(self.state, id, plan);
            }
        }
    }
}

/// What a plan runs in a slot.
fn starts_now(plan: &Plan, slot: usize) -> Option<&Placement> {
    plan.slots.iter().find(|(at, _)| *at == slot).map(|(_, placement)| placement)
}
