//! What a gate is told, and what it says.

use crate::{Member, Members, Round, Time};

/// What happens to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member takes part from the next round's edge on.
    Join(Member),
    /// A member takes part no more: nobody waits for it, and the round that it works at is lost.
    Leave(Member),
    /// A member would like to start its next round.
    Ask(Member),
    /// A member hands in what it did in a round that it was let into.
    Give {
        /// Who.
        member: Member,
        /// Which round.
        round: Round,
    },
    /// The time has come that the gate had asked to be told of.
    Due,
}

/// What is to be done, in the order in which it is said: a fold comes before the starts that it makes possible, so that
/// they find its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The member starts this round.
    Go {
        /// Who.
        member: Member,
        /// Which round.
        round: Round,
    },
    /// What these members gave is combined and applied. Of nobody, where a round failed: then everything stays as it is.
    Fold {
        /// The round that is over; where members do not wait for each other, that of the one member.
        round: Round,
        /// Whose work counts, in ascending order, whatever the order of arrival.
        members: Members,
    },
    /// What the member gave is dropped: its round was over without it, or failed.
    Late(Member),
    /// The member is told to stop: its round is over without it. What it still hands in is late.
    Cancel {
        /// Who.
        member: Member,
        /// The round that it works at.
        round: Round,
    },
    /// The gate wants [`Event::Due`] at this time; a later wish replaces an earlier one.
    WakeAt(Time),
}
