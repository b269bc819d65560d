//! What each synchronisation point costs: the application played again without it.
//!
//! Nothing of the work goes away, only the waiting. Without a stage boundary the tasks of a child start as soon as slots
//! are free, without a result barrier the next job's do, without driver gaps the next job begins at once. A program may
//! not be able to live without one of them: the price says what it would be worth to find out.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::replay::{deviation, own_room};
use super::work::{Group, SparkProfile, StageWork};
use crate::Interval;

/// Kinds of boundaries between stages that are told one by one, the most frequent ones.
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
    /// What it costs now; below 0 if its absence would.
    pub price_s: Interval,
}

impl SparkProfile {
    /// The price of every kind of synchronisation point, and of the dearest boundaries between stages. Slots are there all the time:
    /// executors that came when they came would come too late for a run that is over sooner.
    pub fn prices(&self) -> Vec<Price> {
        match &self.elastic {
            Some(_) => Self { elastic: None, ..self.clone() }.prices_of_slots(),
            None => self.prices_of_slots(),
        }
    }

    fn prices_of_slots(&self) -> Vec<Price> {
        let now = own_room(self, &self.groups, self.total(&self.groups));
        let mut prices = vec![self.boundaries(now), self.results(now), self.gaps(now)];
        if self.barrier_stages() > 0 {
            let plain = |groups: &[Group]| self.plain(groups, |task| task.run_s.floor().min(1.0)).0;
            prices.push(self.price(now, "barrier mode", self.barrier_stages(), plain));
        }
        prices.retain(|price| price.count > 0);
        prices.extend(self.each_boundary(now));
        prices
    }

    /// The application with and without: both are drawn alike, so that the price is surer than either time.
    fn price(
        &self,
        now: Interval,
        point: &str,
        count: usize,
        without: impl Fn(&[Group]) -> Vec<Group>,
    ) -> Price {
        let price = now.value - self.total(&without(&self.groups));
        let differences = self.redrawn(|groups, index| {
            self.total_on(groups, self.slots, index) - self.total_on(&without(groups), self.slots, index)
        });
        let own = self.own_error * price;
        Price {
            point: point.to_owned(),
            count,
            wall_s: now.shifted(self.wall_s - self.job_s() - price).positive(),
            price_s: Interval::around(price, (2.0 * deviation(&differences)).hypot(own)),
        }
    }

    fn boundaries(&self, now: Interval) -> Price {
        let count = self.stages().filter(|stage| !stage.parents.is_empty()).count();
        self.price(now, "all stage boundaries (shuffle barriers)", count, |groups| {
            without_boundaries(groups, |_, _| true)
        })
    }

    fn each_boundary(&self, now: Interval) -> Vec<Price> {
        let mut families = BTreeMap::<(String, String), usize>::new();
        for group in &self.groups {
            for (parent, child) in group.boundaries() {
                *families.entry((parent.family(), child.family())).or_default() += 1;
            }
        }
        // Only the most frequent are asked about: each costs two replays a draw.
        let mut families: Vec<_> = families.into_iter().collect();
        families.sort_by_key(|(_, count)| Reverse(*count));
        families.truncate(TOLD);
        let price = |((from, to), count): ((String, String), usize)| {
            let is = |parent: &StageWork, child: &StageWork| parent.family() == from && child.family() == to;
            self.price(now, &format!("{from} > {to}"), count, |groups| without_boundaries(groups, is))
        };
        let mut prices: Vec<Price> = families.into_iter().map(price).collect();
        prices.sort_by(|a, b| b.price_s.value.total_cmp(&a.price_s.value));
        prices
    }

    /// All jobs in one queue: the next one's tasks take the slots that the last tasks of one leave.
    fn results(&self, now: Interval) -> Price {
        let count = self.groups.len().saturating_sub(1);
        self.price(now, "all result barriers (the driver waits for a job)", count, |groups| {
            let mut all = Group::empty();
            groups.iter().for_each(|group| all.absorb(group, 0.0));
            vec![all]
        })
    }

    /// Gaps are as long as they are: of the driver's time the log shows no more.
    fn gaps(&self, now: Interval) -> Price {
        let gaps: Vec<f64> = self.groups.iter().skip(1).map(|group| group.gap_s).collect();
        let total: f64 = gaps.iter().sum();
        // Another run has as many gaps, each drawn from these.
        let chance = if gaps.len() > 1 { deviation(&gaps) * (gaps.len() as f64).sqrt() } else { total };
        let price_s = Interval::around(total, (2.0 * chance).min(total));
        let wall_s = now.shifted(self.wall_s - self.job_s() - total).positive();
        let count = gaps.iter().filter(|gap| **gap > 0.0).count();
        Price { point: "all driver gaps between jobs".into(), count, wall_s, price_s }
    }
}

fn without_boundaries(groups: &[Group], is: impl Fn(&StageWork, &StageWork) -> bool) -> Vec<Group> {
    groups.iter().map(|group| group.without_boundaries(&is)).collect()
}

impl Group {
    fn boundaries(&self) -> impl Iterator<Item = (&StageWork, &StageWork)> {
        let of = |child: &StageWork| child.parents.clone();
        self.stages
            .iter()
            .flat_map(move |child| of(child).into_iter().map(move |parent| (&self.stages[parent], child)))
    }

    /// Without those boundaries for which `is` holds; a child all of whose parents are gone needs no new submission.
    fn without_boundaries(&self, is: &impl Fn(&StageWork, &StageWork) -> bool) -> Self {
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
