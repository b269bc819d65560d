//! The gate of a policy that is named at run time.

use super::{Asp, Backup, Bsp, FirstOfEach, Gate, Gossip, Hierarchical, KOfN, Order, Quorum, Ssp};
use crate::{Act, Error, Event, Member, Policy, Round, Selection, Time};

/// One of the gates that policies name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnyGate {
    /// Of [`Policy::Bsp`], [`Policy::Local`], [`Policy::Diloco`], [`Policy::Allreduce`] and [`Policy::Draco`].
    Bsp(Bsp),
    /// Of [`Policy::Asp`] and [`Policy::Hogwild`].
    Asp(Asp),
    /// Of [`Policy::Ssp`].
    Ssp(Ssp),
    /// Of [`Policy::Backup`].
    Backup(Backup),
    /// Of [`Policy::Quorum`].
    Quorum(Quorum),
    /// Of [`Policy::Repetition`].
    Repetition(FirstOfEach),
    /// Of [`Policy::Hierarchical`].
    Hierarchical(Hierarchical),
    /// Of [`Policy::Mds`].
    Mds(KOfN),
    /// Of [`Policy::Gossip`].
    Gossip(Gossip),
}

impl AnyGate {
    /// The policy's gate, without members. A selection has an effect where rounds close for all at once: elsewhere everybody takes part.
    pub fn new(policy: Policy, select: Selection) -> Self {
        Self::from_round(Round::ZERO, policy, select)
    }

    fn from_round(open: Round, policy: Policy, select: Selection) -> Self {
        match policy {
            // Who takes steps of its own waits for the others after them as after one, and a sum is there once all are in it.
            Policy::Bsp | Policy::Local { .. } | Policy::Diloco { .. } | Policy::Allreduce { .. } => {
                Self::Bsp(Bsp::from_round(open, select))
            }
            // Whose answer is missing may have been one of the majority, so that all are waited for; the vote is the fold.
            Policy::Draco { .. } => Self::Bsp(Bsp::from_round(open, select)),
            // The lock is the servers' matter: whether it is there, nobody waits.
            Policy::Asp | Policy::Hogwild => Self::Asp(Asp::default()),
            Policy::Ssp { bound } => Self::Ssp(Ssp::new(bound)),
            Policy::Backup { spare } => Self::Backup(Backup::from_round(open, spare, select)),
            Policy::Quorum { least, deadline } => {
                Self::Quorum(Quorum::from_round(open, least, deadline, select))
            }
            // The answers of the others would add nothing.
            Policy::Mds { needed } => Self::Mds(KOfN::from_round(open, needed, Order::Cancel, select)),
            Policy::Repetition { stragglers } => {
                Self::Repetition(FirstOfEach::from_round(open, stragglers, select))
            }
            Policy::Gossip { with } => Self::Gossip(Gossip::new(with)),
            Policy::Hierarchical { group, period } => {
                Self::Hierarchical(Hierarchical::from_round(open, group, period))
            }
        }
    }

    /// The policy's gate with members who have come so far: where rounds close, to the last of these rounds.
    ///
    /// # Errors
    /// When no run under this policy could have come to this.
    pub(crate) fn resume(
        policy: Policy,
        select: Selection,
        members: &[(Member, Round)],
    ) -> Result<Self, Error> {
        let open = members.iter().map(|&(_, round)| round).max().unwrap_or(Round::ZERO);
        let mut gate = Self::from_round(open, policy, select);
        match &mut gate {
            Self::Asp(gate) => members.iter().for_each(|&(member, round)| gate.place(member, round)),
            Self::Ssp(gate) => gate.place(members)?,
            Self::Hierarchical(gate) => gate.place(members),
            Self::Gossip(gate) => gate.place(members),
            // Nobody has asked yet, so that nobody goes.
            closing => members
                .iter()
                .for_each(|&(member, _)| closing.on(Time::START, Event::Join(member), &mut Vec::new())),
        }
        Ok(gate)
    }
}

impl Gate for AnyGate {
    #[inline]
    fn on(&mut self, now: Time, event: Event, acts: &mut Vec<Act>) {
        match self {
            Self::Bsp(gate) => gate.on(now, event, acts),
            Self::Asp(gate) => gate.on(now, event, acts),
            Self::Ssp(gate) => gate.on(now, event, acts),
            Self::Backup(gate) => gate.on(now, event, acts),
            Self::Quorum(gate) => gate.on(now, event, acts),
            Self::Repetition(gate) => gate.on(now, event, acts),
            Self::Hierarchical(gate) => gate.on(now, event, acts),
            Self::Mds(gate) => gate.on(now, event, acts),
            Self::Gossip(gate) => gate.on(now, event, acts),
        }
    }

    fn at(&self, member: Member) -> Round {
        match self {
            Self::Bsp(gate) => gate.at(member),
            Self::Asp(gate) => gate.at(member),
            Self::Ssp(gate) => gate.at(member),
            Self::Backup(gate) => gate.at(member),
            Self::Quorum(gate) => gate.at(member),
            Self::Repetition(gate) => gate.at(member),
            Self::Hierarchical(gate) => gate.at(member),
            Self::Mds(gate) => gate.at(member),
            Self::Gossip(gate) => gate.at(member),
        }
    }

    fn least(&self) -> usize {
        match self {
            Self::Bsp(gate) => gate.least(),
            Self::Asp(gate) => gate.least(),
            Self::Ssp(gate) => gate.least(),
            Self::Backup(gate) => gate.least(),
            Self::Quorum(gate) => gate.least(),
            Self::Repetition(gate) => gate.least(),
            Self::Hierarchical(gate) => gate.least(),
            Self::Mds(gate) => gate.least(),
            Self::Gossip(gate) => gate.least(),
        }
    }
}
