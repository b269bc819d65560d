//! What each synchronisation point costs: the application played again without it.
//!
//! Nothing of the work goes away, only the waiting. Without a stage boundary the tasks of a child start as soon as slots
//! are free, without a result barrier the next job's do, without driver gaps the next job begins at once. A program may
//! not be able to live without one of them: the price says what it would be worth to find out.

use std::collections::BTreeMap;

use super::replay::own_room;
use super::work::{Group, SparkProfile, StageWork};
use crate::Interval;

/// Kinds of boundaries between stages that are told one by one.
const TOLD: usize = 8;

/// A synchronisation point, or all of a kind, and the application without it.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// What is removed.
    pub point: String,
    /// How often it occurs.
    pub count: usize,
    /// The time of the whole application without it.
    pub wall_s: Interval,
    /// What it costs now.
    pub price_s: f64,
}

impl SparkProfile {
    /// The price of every kind of synchronisation point, and of the dearest boundaries between stages.
    pub fn prices(&self) -> Vec<Price> {
        let now = self.total(&self.groups);
        let mut prices = vec![self.boundaries(now), self.results(now), self.gaps(now)];
        if self.barrier_stages() > 0 {
            let (groups, _) = self.plain(|task| task.run_s.floor().min(1.0));
            prices.push(self.price("barrier mode", self.barrier_stages(), now, &groups));
        }
        prices.retain(|price| price.count > 0);
        prices.extend(self.each_boundary(now));
        prices
    }

    fn price(&self, point: &str, count: usize, now: f64, groups: &[Group]) -> Price {
        let then = self.total(groups);
        let room = own_room(self, groups, then);
        let wall_s = room.shifted(self.wall_s - self.job_s());
        Price { point: point.to_owned(), count, wall_s, price_s: now - then }
    }

    fn boundaries(&self, now: f64) -> Price {
        let count = self.stages().filter(|stage| !stage.parents.is_empty()).count();
        let groups: Vec<Group> =
            self.groups.iter().map(|group| group.without_boundaries(|_, _| true)).collect();
        self.price("all stage boundaries (shuffle barriers)", count, now, &groups)
    }

    fn each_boundary(&self, now: f64) -> Vec<Price> {
        let mut families = BTreeMap::<(String, String), usize>::new();
        for group in &self.groups {
            for (parent, child) in group.boundaries() {
                *families.entry((parent.family(), child.family())).or_default() += 1;
            }
        }
        let price = |((from, to), count): ((String, String), usize)| {
            let is = |parent: &StageWork, child: &StageWork| parent.family() == from && child.family() == to;
            let groups: Vec<Group> = self.groups.iter().map(|group| group.without_boundaries(is)).collect();
            self.price(&format!("{from} > {to}"), count, now, &groups)
        };
        let mut prices: Vec<Price> = families.into_iter().map(price).collect();
        prices.sort_by(|a, b| b.price_s.total_cmp(&a.price_s));
        prices.truncate(TOLD);
        prices
    }

    /// All jobs in one queue: the next one's tasks take the slots that the last tasks of one leave.
    fn results(&self, now: f64) -> Price {
        let mut all = Group::empty();
        self.groups.iter().for_each(|group| all.absorb(group, 0.0));
        let count = self.groups.len().saturating_sub(1);
        self.price("all result barriers (the driver waits for a job)", count, now, &[all])
    }

    fn gaps(&self, now: f64) -> Price {
        let gaps: f64 = self.groups.iter().skip(1).map(|group| group.gap_s).sum();
        let count = self.groups.iter().skip(1).filter(|group| group.gap_s > 0.0).count();
        let price = self.price("all driver gaps between jobs", count, now, &self.groups);
        Price { wall_s: price.wall_s.shifted(-gaps), price_s: gaps, ..price }
    }
}

impl Group {
    fn boundaries(&self) -> impl Iterator<Item = (&StageWork, &StageWork)> {
        let of = |child: &StageWork| child.parents.clone();
        self.stages
            .iter()
            .flat_map(move |child| of(child).into_iter().map(move |parent| (&self.stages[parent], child)))
    }

    /// Without those boundaries for which `is` holds; a child all of whose parents are gone needs no new submission.
    fn without_boundaries(&self, is: impl Fn(&StageWork, &StageWork) -> bool) -> Self {
        let mut group = self.clone();
        for (at, child) in self.stages.iter().enumerate() {
            let stage = &mut group.stages[at];
            stage.parents.retain(|&parent| !is(&self.stages[parent], child));
            if stage.parents.is_empty() && !child.parents.is_empty() {
                (stage.delay_s, stage.lead_s) = (0.0, 0.0);
            }
        }
        group
    }
}

impl StageWork {
    /// The operation without its place in the program, and its number of tasks.
    pub(super) fn family(&self) -> String {
        let operation = self.name.split(" at ").next().unwrap_or(&self.name);
        format!("{operation}[{}]", self.tasks.len())
    }
}
