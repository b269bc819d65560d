//! Which host a node is put on: the first in the file's order that has room.

use std::collections::BTreeMap;

use super::hostfile::Host;
use crate::{Error, NodeId, NodeName, Resources};

/// Hosts, and what of them is taken.
pub(crate) struct Placement {
    hosts: Vec<(Host, Free)>,
    taken: BTreeMap<NodeName, Place>,
}

/// What of a host is still to be had.
struct Free {
    slots: usize,
    gpus: Vec<String>,
}

/// What a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    host: usize,
    slots: usize,
    pub(crate) gpus: Vec<String>,
}

impl Placement {
    pub(crate) fn new(hosts: Vec<Host>) -> Self {
        let free = |host: Host| {
            let free = Free { slots: host.slots, gpus: host.gpus.clone() };
            (host, free)
        };
        Self { hosts: hosts.into_iter().map(free).collect(), taken: BTreeMap::new() }
    }

    pub(crate) fn host(&self, place: &Place) -> &Host {
        &self.hosts[place.host].0
    }

    /// Puts a node on a host: a slot for each core that it asks for, one if it does not say. A node that is started again
    /// goes to another host than before if one has room: the host may be why it failed.
    pub(crate) fn place(&mut self, node: &NodeId, needs: &Resources) -> Result<Place, Error> {
        let before = self.taken.remove(&node.name).map(|place| self.give_back(place));
        let (slots, gpus) = (needs.cpus.unwrap_or(1), needs.gpus.unwrap_or(0));
        let has_room = |(_, free): &(Host, Free)| free.slots >= slots && free.gpus.len() >= gpus;
        let mut fitting: Vec<_> = (0..self.hosts.len()).filter(|at| has_room(&self.hosts[*at])).collect();
        fitting.sort_by_key(|at| Some(*at) == before);
        let Some(host) = fitting.first().copied() else { return Err(self.lacking(node, slots, gpus)) };
        let free = &mut self.hosts[host].1;
        free.slots -= slots;
        let place = Place { host, slots, gpus: free.gpus.drain(..gpus).collect() };
        self.taken.insert(node.name.clone(), place.clone());
        Ok(place)
    }

    /// Returns the number of its host.
    fn give_back(&mut self, place: Place) -> usize {
        let Place { host, slots, gpus } = place;
        let free = &mut self.hosts[host].1;
        free.slots += slots;
        free.gpus.extend(gpus);
        free.gpus.sort();
        host
    }

    fn lacking(&self, node: &NodeId, slots: usize, gpus: usize) -> Error {
        let left = |of: fn(&Free) -> usize| self.hosts.iter().map(|(_, free)| of(free)).max().unwrap_or(0);
        let (what, asked, there) = match left(|free| free.slots) {
            there if there < slots => ("slots on one host", slots, there),
            _ => ("GPUs on one host", gpus, left(|free| free.gpus.len())),
        };
        Error::Room { node: node.name.to_string(), what, asked, there }
    }
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
}
