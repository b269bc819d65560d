//! Which host a node is put on: the first in the file's order that has room.
//!
//! Where hosts are lost while the program runs, their nodes go to those that are left, also beyond their slots: slower
//! is better than not at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::hostfile::Host;
use crate::{Error, NodeId, NodeName, Resources};

/// Tells a node which of its group it is on its host, from 0: the least number that none of the others there has.
const LOCAL_RANK: &str = "SYNCLINE_LOCAL_RANK";

/// Tells it how many of its group have a place on its host, or will have once all have one.
const LOCAL_SIZE: &str = "SYNCLINE_LOCAL_SIZE";

/// Hosts, and what of them is taken.
#[derive(Clone)]
pub(crate) struct Placement {
    hosts: Vec<(Host, Free)>,
    /// Those that are lost, by their numbers.
    lost: BTreeSet<usize>,
    taken: BTreeMap<NodeName, Place>,
}

/// What of a host is still to be had.
#[derive(Clone)]
struct Free {
    /// Below zero where nodes of lost hosts have come as well.
    slots: isize,
    gpus: Vec<String>,
}

/// What a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    host: usize,
    slots: isize,
    pub(crate) gpus: Vec<String>,
    /// Which of its group on its host.
    local_rank: usize,
}

impl Place {
    /// The number of its host, in their order.
    pub(crate) fn number(&self) -> usize {
        self.host
    }

    /// How many slots it takes of its host.
    pub(crate) fn slots(&self) -> isize {
        self.slots
    }
}

impl Placement {
    pub(crate) fn new(hosts: Vec<Host>) -> Self {
        let free = |host: Host| {
            let free = Free { slots: signed(host.slots), gpus: host.gpus.clone() };
            (host, free)
        };
        Self { hosts: hosts.into_iter().map(free).collect(), lost: BTreeSet::new(), taken: BTreeMap::new() }
    }

    /// These hosts are lost, and no others.
    pub(crate) fn lose(&mut self, names: &BTreeSet<String>) {
        let is_lost = |at: &usize| names.contains(&self.hosts[*at].0.name);
        self.lost = (0..self.hosts.len()).filter(is_lost).collect();
    }

    /// Whether all of these nodes find a place, one after another.
    ///
    /// # Errors
    /// [`Error::Crowded`].
    pub(crate) fn check<'a>(
        &self,
        nodes: impl IntoIterator<Item = (&'a NodeName, &'a Resources)> + Clone,
    ) -> Result<(), Error> {
        let mut tried = self.clone();
        for (name, needs) in nodes.clone() {
            let Err(Error::Room { node, what, asked, .. }) = tried.place(&NodeId::first(name.clone()), needs)
            else {
                continue;
            };
            let of = |slots, gpus| if what == SLOTS { slots } else { gpus };
            let wants = nodes.into_iter().map(|(_, needs)| of(slots_of(needs), gpus_of(needs)));
            let (nodes, wanted) = wants.fold((0, 0), |(nodes, all), wants| (nodes + 1, all + wants));
            let offers = self.hosts.iter().map(|(host, _)| (&host.name, of(host.slots, host.gpus.len())));
            let offered = offers.clone().map(|(_, count)| count).sum();
            return Err(Error::Crowded { nodes, wanted, what, offered, each: listed(offers), node, asked });
        }
        Ok(())
    }

    /// All hosts, lost or not.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().map(|(host, _)| host)
    }

    pub(crate) fn host(&self, place: &Place) -> &Host {
        &self.hosts[place.host].0
    }

    /// Puts a node on a host: a slot for each core that it asks for, one if it does not say. A node that is started again
    /// goes to another host than before if one has room: the host may be why it failed.
    pub(crate) fn place(&mut self, node: &NodeId, needs: &Resources) -> Result<Place, Error> {
        let before = self.taken.remove(&node.name).map(|place| self.give_back(place));
        let (slots, gpus) = (signed(slots_of(needs)), gpus_of(needs));
        let there = (0..self.hosts.len()).filter(|at| !self.lost.contains(at));
        let mut fitting: Vec<_> = there.filter(|at| self.hosts[*at].1.gpus.len() >= gpus).collect();
        let has_room = |at: &usize| self.hosts[*at].1.slots >= slots;
        if fitting.iter().any(has_room) {
            fitting.retain(has_room);
            fitting.sort_by_key(|at| Some(*at) == before);
        } else if !self.lost.is_empty() {
            fitting.sort_by_key(|at| Reverse(self.hosts[*at].1.slots));
        } else {
            fitting.clear();
        }
        let Some(host) = fitting.first().copied() else { return Err(self.lacking(node, slots, gpus)) };
        let free = &mut self.hosts[host].1;
        free.slots -= slots;
        let gpus = free.gpus.drain(..gpus).collect();
        let ranks: BTreeSet<_> = self.of_group(&node.name, host).map(|place| place.local_rank).collect();
        let local_rank = (0..).find(|rank| !ranks.contains(rank)).unwrap_or(0);
        let place = Place { host, slots, gpus, local_rank };
        self.taken.insert(node.name.clone(), place.clone());
        Ok(place)
    }

    /// What a node needs, and in its environment which of the `size` nodes of its group it is on its host.
    pub(crate) fn told(&self, node: &NodeName, place: &Place, size: usize, needs: &Resources) -> Resources {
        let mut all = self.clone();
        for rank in 0..size {
            let other = NodeName::member(node.label().clone(), rank);
            if !all.taken.contains_key(&other) {
                // Who finds no room is told so when it is to start.
                let _ = all.place(&NodeId::first(other), needs);
            }
        }
        let there = all.of_group(node, place.host).count();
        needs.clone().env(LOCAL_RANK, &place.local_rank.to_string()).env(LOCAL_SIZE, &there.to_string())
    }

    /// The places of a node's group on a host.
    fn of_group(&self, node: &NodeName, host: usize) -> impl Iterator<Item = &Place> {
        let of_group = self.taken.iter().filter(|(name, _)| name.label() == node.label());
        of_group.map(|(_, place)| place).filter(move |place| place.host == host)
    }

    /// Returns the number of its host.
    fn give_back(&mut self, place: Place) -> usize {
        let Place { host, slots, gpus, .. } = place;
        let free = &mut self.hosts[host].1;
        free.slots += slots;
        free.gpus.extend(gpus);
        free.gpus.sort();
        host
    }

    fn lacking(&self, node: &NodeId, slots: isize, gpus: usize) -> Error {
        let there = || self.hosts.iter().enumerate().filter(|(at, _)| !self.lost.contains(at));
        let most_slots = there().map(|(_, (_, free))| free.slots).max().unwrap_or(0).max(0);
        let most_gpus = there().map(|(_, (_, free))| free.gpus.len()).max().unwrap_or(0);
        // Where hosts are lost, nobody is turned away for want of slots.
        let (what, asked, there) = match self.lost.is_empty() && most_slots < slots {
            true => (SLOTS, slots.unsigned_abs(), most_slots.unsigned_abs()),
            false => ("GPUs", gpus, most_gpus),
        };
        Error::Room { node: node.name.to_string(), what, asked, there }
    }
}

/// What a place has of its host, in the words of an error.
const SLOTS: &str = "slots";

/// More hosts than these are not named one by one in an error.
const LISTED: usize = 12;

/// A slot for each core that a node asks for.
fn slots_of(needs: &Resources) -> usize {
    needs.cpus.unwrap_or(1)
}

fn gpus_of(needs: &Resources) -> usize {
    needs.gpus.unwrap_or(0)
}

/// What each host has: `left 2, right 1`.
fn listed<'a>(hosts: impl ExactSizeIterator<Item = (&'a String, usize)>) -> String {
    let more = hosts.len().saturating_sub(LISTED);
    let named = hosts.take(LISTED).map(|(name, count)| format!("{name} {count}"));
    let named = named.collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more hosts") } else { named }
}

/// A count as it can be gone below.
fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, slots: usize, gpus: &[&str]) -> Host {
        Host { name: name.to_owned(), slots, gpus: gpus.iter().map(ToString::to_string).collect() }
    }

    fn node(name: &str) -> NodeId {
        NodeId::first(name.parse().unwrap())
    }

    #[test]
    fn hosts_are_filled_in_order_and_a_full_farm_says_so() {
        let mut placement = Placement::new(vec![host("a", 2, &["0"]), host("b", 3, &["4", "7"])]);
        let plain = Resources::default();
        let put = |placement: &mut Placement, name: &str, needs: &Resources| {
            placement.place(&node(name), needs).map(|place| placement.host(&place).name.clone())
        };
        assert_eq!(put(&mut placement, "w/0", &plain).unwrap(), "a");
        assert_eq!(put(&mut placement, "w/1", &plain.clone().cpus(3)).unwrap(), "b");
        assert_eq!(put(&mut placement, "w/2", &plain).unwrap(), "a");
        let full = put(&mut placement, "w/3", &plain).unwrap_err().to_string();
        assert!(full.contains("w/3") && full.contains("1 slots on one host"), "{full}");
    }

    #[test]
    fn too_little_room_for_all_is_told_with_the_numbers_before_anybody_has_a_place() {
        let placement = Placement::new(vec![host("a", 2, &["0"]), host("b", 3, &[])]);
        let names: Vec<NodeName> = (0..4).map(|n| format!("w/{n}").parse().unwrap()).collect();
        let check = |count: usize, needs: Resources| {
            placement
                .check(names[..count].iter().map(|name| (name, &needs)))
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(4, Resources::default()), Ok(()));
        let said = check(3, Resources::default().cpus(2)).unwrap_err();
        assert!(
            said.starts_with("3 nodes want 6 slots and the hosts offer 5 (a 2, b 3), so that w/2,"),
            "{said}"
        );
        let said = check(1, Resources::default().cpus(4)).unwrap_err();
        assert!(said.contains("w/0, which needs 4 on one host, finds no place"), "{said}");
        let said = check(2, Resources::default().gpus(1)).unwrap_err();
        assert!(said.contains("want 2 GPUs and the hosts offer 1 (a 1, b 0), so that w/1,"), "{said}");
        let many: Vec<_> = (0..14).map(|n| (format!("h{n}"), 1)).collect();
        assert!(listed(many.iter().map(|(name, count)| (name, *count))).ends_with("h11 1 and 2 more hosts"));
    }

    #[test]
    fn a_node_that_comes_again_goes_elsewhere_if_there_is_room() {
        let mut placement = Placement::new(vec![host("a", 1, &["0"]), host("b", 1, &["1"])]);
        let needs = Resources::default().gpus(1);
        let first = node("w/0");
        assert_eq!(placement.place(&first, &needs).unwrap().gpus, ["0"]);
        let again = placement.place(&first.next(), &needs).unwrap();
        assert_eq!((placement.host(&again).name.as_str(), &again.gpus[..]), ("b", &["1".to_owned()][..]));
        assert_eq!(placement.place(&node("w/1"), &needs).unwrap().gpus, ["0"]);
        let third = placement.place(&first.next().next(), &needs).unwrap();
        assert_eq!(placement.host(&third).name, "b", "there is no other");
    }

    #[test]
    fn a_node_knows_which_of_its_group_it_is_on_its_host() {
        let mut placement = Placement::new(vec![host("a", 2, &[]), host("b", 3, &[])]);
        let plain = Resources::default();
        let mut put = |id: &NodeId| {
            let place = placement.place(id, &plain).unwrap();
            let told = placement.told(&id.name, &place, 3, &plain);
            format!("{} {:?}", placement.host(&place).name, told.environment)
        };
        let told = |host: &str, rank: usize, size: usize| {
            format!("{host} {:?}", [(LOCAL_RANK, rank.to_string()), (LOCAL_SIZE, size.to_string())])
        };
        put(&node("s/0"));
        assert_eq!(put(&node("w/0")), told("a", 0, 1));
        assert_eq!(put(&node("w/1")), told("b", 0, 2));
        assert_eq!(put(&node("w/2")), told("b", 1, 2));
        // To the one free slot, on the other host; what it had is had again.
        assert_eq!(put(&node("w/0").next()), told("b", 2, 3));
        assert_eq!(put(&node("w/1").next()), told("a", 0, 1));
        assert_eq!(put(&node("w/0").next().next()), told("b", 0, 2));
    }

    #[test]
    fn nodes_of_a_lost_host_go_to_the_emptiest_of_the_others() {
        let hosts = [host("a", 1, &[]), host("b", 3, &["0"]), host("c", 2, &[])];
        let mut placement = Placement::new(hosts.into());
        let plain = Resources::default();
        let put = |placement: &mut Placement, name: &NodeId, needs: &Resources| {
            placement.place(name, needs).map(|place| placement.host(&place).name.clone())
        };
        let lost = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let nodes: Vec<_> = (0..6).map(|n| node(&format!("w/{n}"))).collect();
        let at: Vec<_> = nodes.iter().map(|node| put(&mut placement, node, &plain).unwrap()).collect();
        assert_eq!(at, ["a", "b", "b", "b", "c", "c"]);
        placement.lose(&lost(&["c"]));
        assert_eq!(put(&mut placement, &nodes[4].next(), &plain).unwrap(), "a");
        assert_eq!(put(&mut placement, &nodes[5].next(), &plain).unwrap(), "b");
        let needs = plain.clone().gpus(2);
        let error = put(&mut placement, &nodes[5].next().next(), &needs).unwrap_err().to_string();
        assert!(error.contains("2 GPUs on one host"), "{error}");
        placement.lose(&lost(&["a", "b"]));
        assert_eq!(put(&mut placement, &nodes[0].next(), &plain).unwrap(), "c");
    }
}
