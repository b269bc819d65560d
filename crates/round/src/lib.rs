//! The pure decisions of one training round: who takes part, what each does, who may go on and when the round is over, how
//! what they hand in is combined, and what the server does with the result.
//!
//! Nothing here knows a clock, a socket, a file or a thread: events go in, acts come out, and time is an argument. The live
//! parameter server, the same on a virtual clock, the queueing simulator and the predictor drive the same [`Machine`], so
//! what is predicted is what runs.
//!
//! - [`Policy`]: the synchronisation policy, as a user names it (`bsp`, `asp`, `ssp:2`, `backup:1`, `quorum:3,50ms`,
//!   `repetition:1`, `draco:1`, `mds:3`, `local:8`, `diloco:16`, `hogwild`, `allreduce`, `hierarchical:4,8`, `gossip:ring`).
//! - [`select`]: who takes part; [`assign`]: which parts of the work each gets, and how often members exchange ([`Every`]).
//! - [`gate`]: the policies at work, from [`Event`] to [`Act`].
//! - [`Fold`]: how the gradients of one round become one gradient; [`mod@fold`]: also where some of them may be bad.
//! - [`Collective`]: how members come to a sum without a server; [`Neighbours`]: with whom they average where there is neither.
//! - [`Optimizer`]: the server's step, on dense and on sparse gradients; [`Schedule`]: how its rate changes over a run.
//! - [`Machine`]: a gate with the books of its members, and how far they have come as a [`Snapshot`].
//!
//! ```
//! use syncline_round::{Act, Event, Machine, Member, Round, Time};
//!
//! // Two workers, of whom the second is slow, under a staleness bound of one.
//! let mut machine = Machine::new("ssp:1".parse()?, 2)?;
//! let (fast, slow) = (Member::new(0), Member::new(1));
//! let mut acts = Vec::new();
//! machine.on(Time::START, Event::Ask(slow), &mut acts)?;
//! for round in (0..2).map(Round::new) {
//!     machine.on(Time::START, Event::Ask(fast), &mut acts)?;
//!     machine.on(Time::START, Event::Give { member: fast, round }, &mut acts)?;
//! }
//! acts.clear();
//! machine.on(Time::START, Event::Ask(fast), &mut acts)?;
//! assert_eq!(acts, [], "two rounds ahead: held");
//! machine.on(Time::START, Event::Give { member: slow, round: Round::ZERO }, &mut acts)?;
//! assert_eq!(acts[1], Act::Go { member: fast, round: Round::new(2) });
//! # Ok::<(), syncline_round::Error>(())
//! ```
//!
//! It depends on no other crate of the project: on `pulp` for wide vectors, on `rand` for samples that a seed decides, on
//! `serde` for what can be saved.

mod apply;
pub mod assign;
mod collective;
mod error;
mod event;
pub mod fold;
pub mod gate;
mod machine;
mod member;
mod neighbours;
mod number;
mod policy;
pub mod select;
mod time;

pub use apply::{Optimizer, OptimizerState, Rule, Schedule, SparseGradient};
pub use assign::Every;
pub use collective::{Collective, Move};
pub use error::Error;
pub use event::{Act, Event};
pub use fold::{Fold, fold};
pub use gate::{AnyGate, Gate};
pub use machine::{Machine, Snapshot};
pub use member::{Member, MemberSet, Members};
pub use neighbours::Neighbours;
pub use number::{Least, Round, Staleness, Steps};
pub use policy::Policy;
pub use select::Selection;
pub use time::{Deadline, Time};
