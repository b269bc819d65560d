//! What can be wrong with a policy, with what a member claims, or with a snapshot.

use crate::{Member, Round};

/// Why a policy cannot be built or an arrival is refused.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option's value is not one of those that exist.
    #[error("{what} `{got}` is not known: valid values are {valid}")]
    Unknown {
        /// The option, as the user knows it.
        what: &'static str,
        /// What was given.
        got: String,
        /// What could have been given.
        valid: &'static str,
    },
    /// A number is outside its range.
    #[error("{what} is {got}: it must be {must}")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
        /// What was given.
        got: String,
        /// The range that makes sense.
        must: &'static str,
    },
    /// A setting that would change nothing.
    #[error("{what} has no effect on {on}: leave it out, or use {instead}")]
    NoEffect {
        /// The setting.
        what: &'static str,
        /// What it was given for.
        on: String,
        /// What it has an effect on.
        instead: &'static str,
    },
    /// A member that is not there.
    #[error("{member} does not take part: there are {members} workers, counted from 0")]
    UnknownMember {
        /// Who it claims to be.
        member: Member,
        /// How many there are.
        members: usize,
    },
    /// A member that is there already.
    #[error("{member} takes part already: one that comes back must have left before")]
    TwiceThere {
        /// Who it claims to be.
        member: Member,
    },
    /// A member gave in a round that it is not working at.
    #[error("{member} pushed for {got} while {}: each started round is pushed once", match .expected {
        Some(round) => format!("working at {round}"),
        None => "it had started none".to_owned(),
    })]
    OutOfTurn {
        /// Who gave it.
        member: Member,
        /// The round that it had started.
        expected: Option<Round>,
        /// The round that it named.
        got: Round,
    },
    /// So many have left that no round can close.
    #[error("a round needs {least} workers and {present} are left: let some join, or ask for fewer")]
    TooFew {
        /// Who is there.
        present: usize,
        /// Who is needed.
        least: usize,
    },
    /// No answer was that of most of a group.
    #[error(
        "{round}: of {} no {many} gave the same, bit for bit; more of them lie than the code stands: take one for more liars, or leave \
         liars out", list(.members)
    )]
    NoMajority {
        /// The round.
        round: Round,
        /// The group.
        members: Vec<Member>,
        /// How many had to agree.
        many: usize,
    },
    /// Round after round failed.
    #[error(
        "{failed} rounds in a row ended without the work of {least} workers: give rounds a longer deadline, or ask for fewer \
         workers"
    )]
    NoQuorum {
        /// How many failed.
        failed: u32,
        /// Who is needed.
        least: usize,
    },
}

/// Members as they are told: `workers 3, 4 and 5`.
fn list(members: &[Member]) -> String {
    let numbers: Vec<String> = members.iter().map(|member| member.index().to_string()).collect();
    match numbers.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => format!("worker {last}"),
        Some((last, rest)) => format!("workers {} and {last}", rest.join(", ")),
    }
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
