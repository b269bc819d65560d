//! Gates: who may go on, and when a round is over.
//!
//! A gate is told events and answers with acts; it is never asked twice. It has no clock: time is an argument. Every gate
//! keeps, whatever the order of events:
//!
//! - GATE-1: every round that was given in is answered exactly once: by a fold that names its member, or as late. The
//!   answer may come with a later event.
//! - GATE-2 (gates whose rounds close): nobody starts a round before the one before it has been folded, or has failed; in a gate
//!   of gates that is the group's own round.
//! - GATE-3 (SSP): nobody starts round c before every member has finished round c - bound - 1.
//! - GATE-4: while enough members are there, somebody works or may start, or a time is waited for: no deadlock.
//! - GATE-5: a fold lists its members in ascending order, whatever the order of arrival.
//! - GATE-6: who joins takes part from the next edge of a round on; who leaves is waited for by nobody.
//! - GATE-7: those who are held go on in the order in which they asked.

mod any;
mod asp;
mod backup;
mod bsp;
mod first_of_each;
mod gossip;
mod hierarchical;
mod k_of_n;
mod quorum;
mod ratio;
mod rounds;
mod ssp;

pub use any::AnyGate;
pub use asp::Asp;
pub use backup::Backup;
pub use bsp::Bsp;
pub use first_of_each::FirstOfEach;
pub use gossip::Gossip;
pub use hierarchical::Hierarchical;
pub use k_of_n::{KOfN, Order};
pub use quorum::Quorum;
pub use ratio::{Ratio, RatioBounds};
pub use ssp::Ssp;

use crate::{Act, Event, Member, Round, Time};

/// A synchronisation policy at work. It starts without members: they join.
///
/// A [`Machine`](crate::Machine) stands before it and lets only events through that make sense: one joins who is not
/// there, leaves or asks who is, and gives the round that it was let into last.
///
/// ```
/// use syncline_round::{Act, Event, Gate, Member, Round, Time, gate::Bsp};
///
/// let (a, b) = (Member::new(0), Member::new(1));
/// let mut gate = Bsp::default();
/// let mut on = |event| {
///     let mut acts = Vec::new();
///     gate.on(Time::START, event, &mut acts);
///     acts
/// };
/// on(Event::Join(a));
/// on(Event::Join(b));
/// assert_eq!(on(Event::Ask(a)), [Act::Go { member: a, round: Round::ZERO }]);
/// assert_eq!(on(Event::Ask(b)), [Act::Go { member: b, round: Round::ZERO }]);
/// assert_eq!(on(Event::Give { member: a, round: Round::ZERO }), [], "kept until b's is there");
/// assert!(matches!(&on(Event::Give { member: b, round: Round::ZERO })[..], [Act::Fold { .. }]));
/// ```
pub trait Gate {
    /// Takes an event and adds what is to be done, in order.
    fn on(&mut self, now: Time, event: Event, acts: &mut Vec<Act>);

    /// The round that a member would start next, or works at unless it is behind.
    fn at(&self, member: Member) -> Round;

    /// With fewer members no round can close.
    fn least(&self) -> usize {
        1
    }
}
