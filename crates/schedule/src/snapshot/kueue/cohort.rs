//! Cohorts: what queues lend one another of a flavor, and how far, with cohorts in trees.
//!
//! Kueue counts for a queue or cohort n what it may use with all below it, its subtree's quota T(n), and of that what it keeps for
//! itself, g(n) = max(0, T(n) - lendingLimit(n)), or nothing without such a limit:
//!
//! ```text
//! T(n) = nominal(n) + sum over its children c of (T(c) - g(c))
//! U(n) = sum over its children c of max(0, U(c) - g(c)),  U of a queue being what its workloads hold
//! U(root) <= T(root),  U(n) <= T(n) + borrowingLimit(n) for all others that have one
//! ```
//!
//! (`resource_node.go` in Kueue's `pkg/cache`, from v0.9 on; before there were no trees.) That a sum of maxima stays below a bound is
//! the same as that each sum stays below it in which some of the maxima are left out as 0. So each choice of children that use more than they
//! keep makes one place, which the queues that are left have in common: COHORT-1: a workload fits by Kueue's count if, and only if, it
//! fits into all places of its queue.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Documents, Flavored, Quota, text};
use crate::{
    error::{Error, Result},
    snapshot::{Amounts, Snapshot},
};

/// The most places that a flavor of one tree is made into. Beyond that all lend everything, and the snapshot says so.
const MOST_PLACES: usize = 256;

/// The deepest tree.
const DEEPEST: usize = 32;

/// What queues have in common of one flavor.
pub(super) struct Common {
    pub(super) name: String,
    pub(super) capacity: Amounts,
    /// By their place among the queues.
    pub(super) queues: Vec<usize>,
}

/// A queue or cohort below a cohort.
#[derive(Clone, Copy)]
enum Child {
    Queue(usize),
    Cohort(usize),
}

struct Cohort {
    name: String,
    parent: Option<usize>,
    children: Vec<Child>,
    flavors: Flavored,
}

/// One sum: the queues in it, how much more than the bound it may be, and who is left out.
#[derive(Clone)]
struct Sum {
    queues: Vec<usize>,
    kept: Amounts,
    without: Vec<String>,
}

pub(super) struct Cohorts<'a> {
    cohorts: Vec<Cohort>,
    queues: &'a [(String, Flavored)],
    kinds: usize,
}

impl<'a> Cohorts<'a> {
    /// `of_queues` are the cohorts of the queues, empty for none.
    pub(super) fn read(
        documents: &Documents,
        of_queues: &[String],
        queues: &'a [(String, Flavored)],
        snapshot: &Snapshot,
    ) -> Result<Self> {
        let mut all = Self { cohorts: Vec::new(), queues, kinds: snapshot.kinds.len() };
        for object in documents.objects("Cohort") {
            let at = all.named(text(object, &["metadata", "name"]));
            all.cohorts[at].flavors = super::flavored(object, snapshot)?;
            if let Some(parent) = parent(object) {
                let parent = all.named(parent);
                all.cohorts[at].parent = Some(parent);
                all.cohorts[parent].children.push(Child::Cohort(at));
            }
        }
        for (queue, cohort) in of_queues.iter().enumerate().filter(|(_, cohort)| !cohort.is_empty()) {
            let at = all.named(cohort);
            all.cohorts[at].children.push(Child::Queue(queue));
        }
        (0..all.cohorts.len()).try_for_each(|at| all.ends(at))?;
        Ok(all)
    }

    /// The cohort of this name, which need not be an object.
    fn named(&mut self, name: &str) -> usize {
        self.cohorts.iter().position(|cohort| cohort.name == name).unwrap_or_else(|| {
            let (parent, children, flavors) = (None, Vec::new(), BTreeMap::new());
            self.cohorts.push(Cohort { name: name.into(), parent, children, flavors });
            self.cohorts.len() - 1
        })
    }

    /// That the way up from a cohort ends.
    fn ends(&self, at: usize) -> Result<()> {
        let mut up = at;
        for _ in 0..DEEPEST {
            let Some(parent) = self.cohorts[up].parent else { return Ok(()) };
            up = parent;
        }
        let name = &self.cohorts[at].name;
        Err(Error::Snapshot(format!("cohort {name} stands above itself, or more than {DEEPEST} deep")))
    }

    /// What queues have in common of a flavor, and whether that is less than Kueue knows of it.
    pub(super) fn common(&self, flavor: &str) -> (Vec<Common>, bool) {
        let (mut all, mut coarse) = (Vec::new(), false);
        for at in 0..self.cohorts.len() {
            let cohort = &self.cohorts[at];
            let bound = match cohort.parent {
                None => self.quota_of(Child::Cohort(at), flavor),
                Some(_) => {
                    let own = self.own(Child::Cohort(at), flavor);
                    let Some(own) = own.filter(|own| own.borrowing.iter().any(|limit| limit.is_finite()))
                    else {
                        continue;
                    };
                    plus(&self.quota_of(Child::Cohort(at), flavor), &own.borrowing)
                }
            };
            let mut sums = self.sums(at, flavor);
            if sums.len() > MOST_PLACES {
                coarse = true;
                sums.retain(|sum| sum.without.is_empty());
            }
            for sum in sums.into_iter().filter(|sum| !sum.queues.is_empty()) {
                let without = match sum.without.as_slice() {
                    [] => String::new(),
                    names => format!(" without what {} keeps", names.join(" and ")),
                };
                all.push(Common {
                    name: format!("{flavor} of cohort {}{without}", cohort.name),
                    capacity: plus(&bound, &sum.kept),
                    queues: sum.queues,
                });
            }
        }
        (all, coarse)
    }

    fn own(&self, child: Child, flavor: &str) -> Option<&Quota> {
        match child {
            Child::Queue(queue) => self.queues[queue].1.get(flavor),
            Child::Cohort(cohort) => self.cohorts[cohort].flavors.get(flavor),
        }
    }

    /// T: what it has with all below it, as far as they lend.
    fn quota_of(&self, child: Child, flavor: &str) -> Amounts {
        let own = self.own(child, flavor).map_or(vec![0.0; self.kinds], |own| own.nominal.clone());
        let Child::Cohort(cohort) = child else { return own };
        self.cohorts[cohort].children.iter().fold(own, |sum, child| {
            let (all, kept) = (self.quota_of(*child, flavor), self.kept(*child, flavor));
            plus(&sum, &all.iter().zip(kept).map(|(all, kept)| all - kept).collect())
        })
    }

    /// g: what of that it lends to nobody.
    fn kept(&self, child: Child, flavor: &str) -> Amounts {
        match self.own(child, flavor) {
            None => vec![0.0; self.kinds],
            Some(own) => {
                let all = self.quota_of(child, flavor);
                all.iter().zip(&own.lending).map(|(all, limit)| (all - limit).max(0.0)).collect()
            }
        }
    }

    /// The sums that the use of a cohort is the greatest of.
    fn sums(&self, cohort: usize, flavor: &str) -> Vec<Sum> {
        let nothing = Sum { queues: Vec::new(), kept: vec![0.0; self.kinds], without: Vec::new() };
        let mut sums = vec![nothing.clone()];
        for child in &self.cohorts[cohort].children {
            let (kept, name) = (self.kept(*child, flavor), self.name(*child));
            let mut choices = match *child {
                Child::Queue(queue) if self.queues[queue].1.contains_key(flavor) => {
                    vec![Sum { queues: vec![queue], ..nothing.clone() }]
                }
                // It can use nothing of it.
                Child::Queue(_) => continue,
                Child::Cohort(below) => self.sums(below, flavor),
            };
            choices.iter_mut().for_each(|choice| choice.kept = plus(&choice.kept, &kept));
            if kept.iter().any(|kept| *kept > 0.0) {
                choices.push(Sum { without: vec![name.into()], ..nothing.clone() });
            }
            let with = |sum: &Sum, choice: &Sum| Sum {
                queues: [sum.queues.as_slice(), &choice.queues].concat(),
                kept: plus(&sum.kept, &choice.kept),
                without: [sum.without.as_slice(), &choice.without].concat(),
            };
            // One more than are wanted is enough to see that there are too many; the first leaves nobody out.
            let all = sums.iter().flat_map(|sum| choices.iter().map(move |choice| with(sum, choice)));
            sums = all.take(MOST_PLACES + 1).collect();
        }
        sums
    }

    fn name(&self, child: Child) -> &str {
        match child {
            Child::Queue(queue) => &self.queues[queue].0,
            Child::Cohort(cohort) => &self.cohorts[cohort].name,
        }
    }
}

/// The cohort above a cohort, as both versions of the interface call it.
fn parent(object: &Value) -> Option<&str> {
    ["parentName", "parent"].iter().map(|key| text(object, &["spec", key])).find(|name| !name.is_empty())
}

fn plus(a: &Amounts, b: &Amounts) -> Amounts {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// What objects say that answers do not follow, in words.
pub(super) fn cannot_tell(documents: &Documents) -> Vec<String> {
    let queues = || documents.objects("ClusterQueue");
    let set =
        |path: &[&str]| queues().any(|queue| super::at(queue, path).is_some_and(|value| !value.is_null()));
    let weighs = |object: &Value| {
        super::at(object, &["spec", "fairSharing", "weight"])
            .is_some_and(|weight| super::quantity::amount("", weight).is_none_or(|weight| weight != 1.0))
    };
    let weighed = queues().any(weighs) || documents.objects("Cohort").any(weighs);
    let reclaims = |queue: &Value| {
        let policy = |path: &[&str]| !matches!(text(queue, path), "" | "Never");
        policy(&["spec", "preemption", "reclaimWithinCohort"])
            || policy(&["spec", "preemption", "borrowWithinCohort", "policy"])
    };
    let reclaimed = queues().any(|queue| reclaims(queue) && !super::cohort_of(queue).is_empty());
    let told = [
        (
            weighed || set(&["spec", "admissionScope"]),
            "weights of fair sharing are set: why a workload waits is right, but in which order queues of a cohort take what becomes free cannot be told, since Kueue goes by shares there and answers by priority and time",
        ),
        (
            reclaimed,
            "a queue may stop workloads of others to take back what it lent (reclaimWithinCohort, borrowWithinCohort): starts are those without that, and may be sooner; when a borrower is stopped cannot be told",
        ),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, told)| told.to_owned()).collect()
}
