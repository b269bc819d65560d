//! Finding a better book: construction in several orders, then ruin and recreate (Schrimpf et al. 2000).

use rand::{RngExt, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{Book, density, remaining};
use crate::{
    model::JobId,
    pricing::{Ledger, PlannerOptions, Search},
    state::State,
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
}

impl Planner<'_> {
    /// The best of the kept book, completed, and of books made from `fresh`; then `effort` rounds of improvement.
    pub fn revise(&mut self, kept: Book, fresh: Ledger, effort: u32) -> Book {
        let mut best = kept;
        let mut order = self.by_density();
        self.insert_all(&mut best, &order);
        let mut anew = Book::new(fresh);
        self.insert_all(&mut anew, &order);
        if anew.value() > best.value() {
            best = anew;
        }
        order.truncate(usize::MAX);
        for _ in 0..effort {
            self.ruin_and_recreate(&mut best);
        }
        best
    }

    fn by_density(&self) -> Vec<JobId> {
        let whole = *self.state.cluster.total();
        let mut jobs: Vec<(f64, JobId)> =
            self.state.active().map(|job| (density(&job.job, remaining(job), &whole), job.job.id)).collect();
        jobs.sort_by(|a, b| b.0.total_cmp(&a.0));
        jobs.into_iter().map(|(_, id)| id).collect()
    }

    fn insert_all(&mut self, book: &mut Book, order: &[JobId]) {
        for id in order {
            if !book.plans.contains_key(id) {
                self.insert(book, *id);
            }
        }
    }

    fn insert(&mut self, book: &mut Book, id: JobId) {
        let job = self.state.job(id);
        let search = Search::new(&self.state.cluster, &book.ledger, self.options);
        if let Some(plan) = search.best(&job.job, remaining(job), self.slot) {
            book.insert(self.state, id, plan);
        }
    }

    /// Takes a few plans out, plans those jobs and some without a plan again, and keeps the result if it is no worse.
    fn ruin_and_recreate(&mut self, book: &mut Book) {
        let mut planned: Vec<JobId> = book.plans.keys().copied().collect();
        let mut missing: Vec<JobId> =
            self.state.active.iter().copied().filter(|id| !book.plans.contains_key(id)).collect();
        planned.shuffle(self.rng);
        missing.shuffle(self.rng);
        planned.truncate(self.rng.random_range(1..=4));
        missing.truncate(self.rng.random_range(0..=3));
        let before = book.value();
        let old: Vec<_> =
            planned.iter().filter_map(|id| Some((*id, book.remove(self.state, *id)?))).collect();
        let mut order: Vec<JobId> = planned.iter().chain(&missing).copied().collect();
        order.shuffle(self.rng);
        self.insert_all(book, &order);
        if book.value() < before {
            for id in &order {
                book.remove(self.state, *id);
            }
            for (id, plan) in old {
                book.insert(self.state, id, plan);
            }
        }
    }
}
