//! Assign: what each member does in a round: which parts of the work, and how long by itself.

mod coded;
mod local;
mod part;
mod speeds;

pub use coded::Coded;
pub use local::Every;
pub use part::Parts;
use serde::{Deserialize, Serialize};
pub use speeds::Speeds;

use crate::{Member, MemberSet};

/// One part of the work that a member gets, and the weight that the part's answer has in the member's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Which part, from 0.
    pub part: usize,
    /// Its weight.
    pub coefficient: f64,
}

/// A way to deal out the work of a round.
///
/// ASSIGN-1: together the members who are there have every part.
///
/// ```
/// use syncline_round::{Member, MemberSet, assign::{Assign, Parts}};
///
/// let there: MemberSet = [0, 1, 4].map(Member::new).into_iter().collect();
/// let of = |member| {
///     let shares = Parts::new(6)?.shares(Member::new(member), &there);
///     Ok::<_, syncline_round::Error>(shares.into_iter().map(|share| share.part).collect::<Vec<_>>())
/// };
/// assert_eq!((of(0)?, of(1)?, of(4)?), (vec![0, 1], vec![2, 3], vec![4, 5]));
/// # Ok::<(), syncline_round::Error>(())
/// ```
pub trait Assign {
    /// Into how many parts the work is cut.
    fn parts(&self) -> usize;

    /// What a member gets while these are there; nothing if it is not one of them.
    fn shares(&self, member: Member, present: &MemberSet) -> Vec<Share>;
}
