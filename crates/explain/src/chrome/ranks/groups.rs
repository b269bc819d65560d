//! Process groups: who communicates with whom.
//!
//! A group is what its members' traces say: its name and its ranks, since several groups may have the same ranks and several
//! the same description. Where a communication does not say its group (gloo; NCCL before PyTorch 2.3), it belongs to the
//! only group of its rank, or to that of its groups in which the others end such an operation at the same times.

use std::collections::BTreeMap;

use super::super::kind::Operation;
use super::super::trace::Group;
use super::rank::Rank;

/// The groups of a run, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    pub all: Vec<Group>,
}

impl Groups {
    fn number(&mut self, group: Group) -> usize {
        let found = self.all.iter().position(|known| known.name == group.name && known.ranks == group.ranks);
        found.unwrap_or_else(|| {
            self.all.push(group);
            self.all.len() - 1
        })
    }

    /// As people call it: `tp1 [2, 3]`; empty for the only group of all.
    pub fn title(&self, at: usize) -> String {
        let group = &self.all[at];
        let ranks = match group.ranks.as_slice() {
            [] => String::new(),
            ranks if ranks.len() <= 8 => format!("{ranks:?}"),
            [first, .., last] => format!("[{first}, ..., {last}: {} ranks]", group.ranks.len()),
            [only] => format!("[{only}]"),
        };
        let name = match group.description.as_str() {
            "" | "undefined" => group.name.clone(),
            description => format!("{} ({description})", group.name),
        };
        if self.all.len() == 1 && group.name.is_empty() {
            String::new()
        } else {
            format!("{name} {ranks}").trim().to_owned()
        }
    }
}

/// Gives every communication its group.
pub(super) fn resolve(ranks: &mut [Rank]) -> Groups {
    let mut groups = Groups::default();
    let everyone: Vec<u64> = ranks.iter().map(|rank| rank.number).collect();
    // Names whose ranks are not listed with the communication, but at the head of the file.
    let listed: BTreeMap<String, Vec<Group>> = ranks.iter().flat_map(|rank| &rank.groups).fold(
        BTreeMap::new(),
        |mut listed: BTreeMap<String, Vec<Group>>, group| {
            listed.entry(group.name.clone()).or_default().push(group.clone());
            listed
        },
    );
    for rank in ranks.iter_mut() {
        let number = rank.number;
        for collective in &mut rank.collectives {
            let Some(mut said) = collective.said.take() else {
                collective.group = usize::MAX;
                continue;
            };
            said.ranks.sort_unstable();
            if said.ranks.is_empty() {
                let known = listed.get(&said.name).into_iter().flatten();
                let own =
                    known.filter(|group| group.ranks.contains(&number)).map(|group| group.ranks.clone());
                said.ranks = own.take(1).next().unwrap_or_default();
            }
            collective.group = groups.number(said);
        }
    }
    let is_unsaid = |rank: &Rank| rank.collectives.iter().any(|found| found.group == usize::MAX);
    if ranks.iter().any(is_unsaid) {
        guess(ranks, &mut groups, everyone);
    }
    groups
}

/// What of two ranks' communications must be the same if they are one.
type Signature = (Operation, u64);

/// Groups for communications that do not say theirs: operations of one kind and size belong to one group.
fn guess(ranks: &mut [Rank], groups: &mut Groups, everyone: Vec<u64>) {
    let default = Group { ranks: everyone, ..Group::default() };
    let ends = |rank: &Rank| -> BTreeMap<Signature, Vec<u64>> {
        let mut ends: BTreeMap<Signature, Vec<u64>> = BTreeMap::new();
        for found in rank.collectives.iter().filter(|found| found.group == usize::MAX) {
            ends.entry((found.operation, found.size)).or_default().push(found.end);
        }
        ends.values_mut().for_each(|ends| ends.sort_unstable());
        ends
    };
    let all: Vec<BTreeMap<Signature, Vec<u64>>> = ranks.iter().map(ends).collect();
    let numbers: Vec<u64> = ranks.iter().map(|rank| rank.number).collect();
    for at in 0..ranks.len() {
        let candidates: Vec<Group> =
            ranks[at].groups.iter().filter(|group| group.ranks.len() > 1).cloned().collect();
        let mut chosen: BTreeMap<Signature, usize> = BTreeMap::new();
        for (signature, own) in &all[at] {
            let fit = |group: &Group| {
                let others = (0..numbers.len())
                    .filter(|&other| other != at && group.ranks.contains(&numbers[other]))
                    .map(|other| apart(own, all[other].get(signature)));
                others.fold((0, 0.0), |worst: (usize, f64), fit| (worst.0.max(fit.0), worst.1.max(fit.1)))
            };
            let best = candidates
                .iter()
                .min_by(|a, b| {
                    let (a_fit, b_fit) = (fit(a), fit(b));
                    a_fit
                        .0
                        .cmp(&b_fit.0)
                        .then(a_fit.1.total_cmp(&b_fit.1))
                        .then(b.ranks.len().cmp(&a.ranks.len()))
                })
                .unwrap_or(&default);
            chosen.insert(*signature, groups.number(best.clone()));
        }
        for found in ranks[at].collectives.iter_mut().filter(|found| found.group == usize::MAX) {
            found.group = chosen.get(&(found.operation, found.size)).copied().unwrap_or(0);
        }
    }
}

/// How badly two lists of ends fit: by how many they differ in number, and the median deviation of the differences from
/// their median, in ns; a constant difference is one of clocks.
fn apart(own: &[u64], other: Option<&Vec<u64>>) -> (usize, f64) {
    let other = other.map_or(&[][..], |other| other);
    let mut differences: Vec<i64> = own.iter().zip(other).map(|(a, b)| *a as i64 - *b as i64).collect();
    if differences.is_empty() {
        return (own.len(), f64::MAX);
    }
    differences.sort_unstable();
    let middle = differences[differences.len() / 2];
    let mut deviations: Vec<u64> = differences.iter().map(|difference| difference.abs_diff(middle)).collect();
    deviations.sort_unstable();
    (own.len().abs_diff(other.len()), deviations[deviations.len() / 2] as f64)
}
