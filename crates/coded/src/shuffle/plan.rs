//! Which rows travel together.
//!
//! A row that worker i wants and exactly the workers H hold belongs to the set I = H + {i}. A packet of a set holds
//! one row for each of its members; each of them holds all rows of the packet but its own, and takes its own out by
//! taking the others off. Sets are bits.

use std::collections::BTreeMap;

use super::{Caches, Packet};

/// For each set the rows that each member wants.
#[derive(Clone, Debug)]
pub struct Plan {
    sets: BTreeMap<u16, Wanted>,
    workers: usize,
}

/// The rows that wait in a set, by member.
type Wanted = BTreeMap<usize, Vec<usize>>;

impl Plan {
    /// What the owners of the next epoch want, given what everybody holds. Rows that their next owner holds already
    /// do not travel.
    ///
    /// # Panics
    /// If there are not as many owners as rows.
    pub fn new(caches: &Caches, owners: &[u8]) -> Self {
        assert_eq!(owners.len(), caches.rows(), "one owner a row");
        let mut sets: BTreeMap<u16, Wanted> = BTreeMap::new();
        for (row, owner) in owners.iter().enumerate() {
            let (owner, holders) = (usize::from(*owner), caches.holders(row));
            if holders & (1 << owner) == 0 {
                let set = holders | 1 << owner;
                sets.entry(set).or_default().entry(owner).or_default().push(row);
            }
        }
        Self { sets, workers: caches.workers() }
    }

    /// Rows sent without a code: every wanted row once.
    pub fn uncoded(&self) -> usize {
        self.sets.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// Packets in which members whose rows have run out go short.
    pub fn packets(mut self) -> Vec<Packet> {
        let sets = std::mem::take(&mut self.sets);
        sets.into_values().flat_map(|mut wanted| take_all(&mut wanted)).collect()
    }

    /// Packets after the *peel-down merge*: the sets are gone through from large to small, and only full packets
    /// are sent; members that have rows left move them to the set of just those members, whose side information
    /// suffices. A lone member keeps one partner. Never more packets than [`Plan::packets`].
    pub fn merged(mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        for size in (3..=self.workers as u32).rev() {
            let of_size: Vec<u16> =
                self.sets.keys().copied().filter(|set| set.count_ones() == size).collect();
            for set in of_size {
                let mut wanted = self.sets.remove(&set).unwrap_or_default();
                packets.extend(take_full(&mut wanted, size as usize));
                self.move_down(set, wanted);
            }
        }
        packets.extend(self.packets());
        packets
    }

    /// Moves the rows that are left in a set to the set of the members that have them.
    fn move_down(&mut self, set: u16, mut wanted: Wanted) {
        wanted.retain(|_, rows| !rows.is_empty());
        let members = wanted.keys().fold(0u16, |members, member| members | 1 << member);
        let target = match wanted.keys().next() {
            None => return,
            Some(&lone) if wanted.len() == 1 => members | 1 << self.partner(set, lone, &wanted[&lone]),
            Some(_) => members,
        };
        let there = self.sets.entry(target).or_default();
        for (member, rows) in wanted {
            there.entry(member).or_default().extend(rows);
        }
    }

    /// The member of `set` with whom a lone member shares the fewest packets more: the one who has most rows left
    /// beyond it.
    fn partner(&self, set: u16, lone: usize, rows: &[usize]) -> usize {
        let others = (0..self.workers).filter(|&other| other != lone && set & (1 << other) != 0);
        let waiting = |pair: u16, member: usize| {
            self.sets.get(&pair).and_then(|wanted| wanted.get(&member)).map_or(0, Vec::len)
        };
        let added = |other: usize| {
            let pair = 1 << lone | 1 << other;
            let (ours, theirs) = (waiting(pair, lone), waiting(pair, other));
            (ours + rows.len()).max(theirs) - ours.max(theirs)
        };
        // A set that rows wait in has at least two members, so there is another.
        others.min_by_key(|&other| added(other)).unwrap_or(lone)
    }
}

/// As many packets as every member of a set of `size` has rows for.
fn take_full(wanted: &mut Wanted, size: usize) -> Vec<Packet> {
    let full = if wanted.len() < size { 0 } else { wanted.values().map(Vec::len).min().unwrap_or(0) };
    (0..full).map(|_| take_one(wanted)).collect()
}

/// Packets until no member has rows left.
fn take_all(wanted: &mut Wanted) -> Vec<Packet> {
    let most = wanted.values().map(Vec::len).max().unwrap_or(0);
    (0..most).map(|_| take_one(wanted)).collect()
}

/// The last row of each member that has one.
fn take_one(wanted: &mut Wanted) -> Packet {
    Packet::new(wanted.iter_mut().filter_map(|(member, rows)| Some((*member, rows.pop()?))).collect())
}
