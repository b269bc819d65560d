//! What would be done to run a program on hosts, told without doing any of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;

use syncline_wire::Address;

use super::placement::{Place, Placement};
use super::shell::typed;
use crate::control::meeting::Ground;
use crate::control::role::{Role, Which};
use crate::{Error, NodeId, NodeName, Resources};

/// The nodes of a program that are to be processes elsewhere.
pub(crate) struct Company<'a> {
    /// The program's name.
    pub(crate) program: &'a str,
    /// In the order in which they are started, each with what it asks for.
    pub(crate) nodes: Vec<(NodeName, Arc<Resources>)>,
    /// Those of them that start only once they are woken.
    pub(crate) resting: BTreeSet<NodeName>,
    /// What each of them is started with.
    pub(crate) arguments: &'a [OsString],
}

impl Company<'_> {
    /// What the process of this node is told of itself, whose launcher listens there.
    pub(super) fn role(&self, node: &NodeName, ground: &Ground) -> Role {
        Role { ports: ground.ports.clone(), ..self.role_at(node, ground.address()) }
    }

    /// As [`role`](Self::role), where any port may be used.
    pub(super) fn role_at(&self, node: &NodeName, control: Address) -> Role {
        Role {
            node: node.to_string(),
            incarnation: 0,
            control,
            launch: Which::Main(0),
            program: self.program.to_owned(),
            ports: None,
        }
    }

    /// What each of the nodes asks for: of all, or of those that are there from the start.
    pub(super) fn needs(&self, of_all: bool) -> Vec<&Resources> {
        let counts = |(name, _): &&(NodeName, Arc<Resources>)| of_all || !self.resting.contains(name);
        self.nodes.iter().filter(counts).map(|(_, needs)| &**needs).collect()
    }

    /// Whether the nodes that are there from the start find room.
    ///
    /// # Errors
    /// [`Error::Crowded`].
    pub(super) fn check_room(&self, placement: &Placement) -> Result<(), Error> {
        let begins = |(name, _): &&(NodeName, Arc<Resources>)| !self.resting.contains(name);
        placement.check(self.nodes.iter().filter(begins).map(|(name, needs)| (name, &**needs)))
    }

    /// The places of all nodes, filled as a launch fills them; those that rest may find none.
    ///
    /// # Errors
    /// [`Error::Crowded`].
    pub(super) fn places(&self, placement: &mut Placement) -> Result<Vec<Option<Place>>, Error> {
        self.check_room(placement)?;
        // Those that rest come last.
        let (resting, begin): (Vec<_>, Vec<_>) =
            (0..self.nodes.len()).partition(|number| self.resting.contains(&self.nodes[*number].0));
        let mut places = vec![None; self.nodes.len()];
        for number in begin.into_iter().chain(resting) {
            let (name, needs) = &self.nodes[number];
            places[number] = placement.place(&NodeId::first(name.clone()), needs).ok();
        }
        Ok(places)
    }

    /// How many nodes the group of this one has.
    pub(super) fn group(&self, node: &NodeName) -> usize {
        self.nodes.iter().filter(|(name, _)| name.label() == node.label()).count()
    }

    /// The first node of each group: the others of a group are started alike. Each has its number among all.
    pub(super) fn first_of_each_group(&self) -> Vec<(usize, &NodeName, &Resources)> {
        let mut firsts: Vec<(usize, &NodeName, &Resources)> = Vec::new();
        for (number, (name, needs)) in self.nodes.iter().enumerate() {
            if firsts.iter().all(|(_, first, _)| first.label() != name.label()) {
                firsts.push((number, name, needs));
            }
        }
        firsts
    }

    /// Who goes where: a line for each host.
    pub(super) fn told(&self, placement: &Placement, places: &[Option<Place>]) -> String {
        let mut text = String::new();
        for (number, host) in placement.hosts().enumerate() {
            let placed =
                || self.nodes.iter().zip(places).filter_map(|(node, place)| Some((node, place.as_ref()?)));
            let there = || placed().filter(|(_, place)| place.number() == number);
            let taken: isize = there().map(|(_, place)| place.slots()).sum();
            let named = there().map(|((name, _), place)| match place.gpus.is_empty() {
                true => name.to_string(),
                false => format!("{name} (GPU {})", place.gpus.join(",")),
            });
            let named = named.collect::<Vec<_>>().join(", ");
            let named = if named.is_empty() { "nobody" } else { &named };
            text.push_str(&format!("{}, {taken} of {} slots: {named}\n", host.name, host.slots));
        }
        text
    }
}

/// What starts a node, for a person.
pub(super) fn started_by(node: &NodeName, command: &Command) -> String {
    format!("{node} would be started by\n  {}\n", typed(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hosts::hostfile::Host;

    #[test]
    fn who_goes_where_is_told_host_by_host() {
        let host = |name: &str, slots, gpus: &[&str]| Host {
            name: name.to_owned(),
            slots,
            gpus: gpus.iter().map(ToString::to_string).collect(),
        };
        let node = |name: &str, needs: &Resources| (name.parse().unwrap(), Arc::new(needs.clone()));
        let (plain, gpu) = (Resources::default(), Resources::default().gpus(1).cpus(2));
        let nodes = vec![node("server/0", &plain), node("server/1", &plain), node("worker/0", &gpu)];
        let company = Company { program: "train", nodes, resting: BTreeSet::new(), arguments: &[] };
        let mut placement =
            Placement::new(vec![host("left", 3, &[]), host("right", 2, &["4"]), host("far", 1, &[])]);
        let places = company.places(&mut placement).unwrap();
        assert_eq!(
            company.told(&placement, &places),
            "left, 2 of 3 slots: server/0, server/1\nright, 2 of 2 slots: worker/0 (GPU 4)\nfar, 0 of 1 slots: nobody\n"
        );
        let firsts = company.first_of_each_group();
        let firsts: Vec<_> = firsts.iter().map(|(number, name, _)| (*number, name.to_string())).collect();
        assert_eq!(firsts, [(0, "server/0".to_owned()), (2, "worker/0".to_owned())]);
    }
}
