//! Parts with redundancy, as a code says: a table of who gets what, so that the answers of some members are enough. The codes
//! themselves, and how their answers are decoded, are `syncline-coded`'s.

use serde::{Deserialize, Serialize};

use super::{Assign, Share};
use crate::{Error, Member, MemberSet};

/// The table of a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<Share>>", into = "Vec<Vec<Share>>")]
pub struct Coded {
    shares: Vec<Vec<Share>>,
    parts: usize,
}

impl Coded {
    /// What each member gets.
    ///
    /// # Errors
    /// When a part below the highest is nobody's.
    pub fn new(shares: Vec<Vec<Share>>) -> Result<Self, Error> {
        let all = || shares.iter().flatten().map(|share| share.part);
        let parts = all().max().map_or(0, |highest| highest + 1);
        // Counted by who has them: a wrong number of a part must not ask for all memory.
        let mut dealt: Vec<usize> = all().collect();
        dealt.sort_unstable();
        dealt.dedup();
        if parts == 0 || dealt.len() < parts {
            return Err(Error::OutOfRange {
                what: "the parts that a code deals out",
                got: dealt.len().to_string(),
                must: "all from 0 to the highest, each to somebody",
            });
        }
        Ok(Self { shares, parts })
    }
}

impl Assign for Coded {
    fn parts(&self) -> usize {
        self.parts
    }

    /// The table knows nothing of who has left: its redundancy stands for them.
    fn shares(&self, member: Member, _: &MemberSet) -> Vec<Share> {
        self.shares.get(member.index()).cloned().unwrap_or_default()
    }
}

impl TryFrom<Vec<Vec<Share>>> for Coded {
    type Error = Error;

    fn try_from(shares: Vec<Vec<Share>>) -> Result<Self, Error> {
        Self::new(shares)
    }
}

impl From<Coded> for Vec<Vec<Share>> {
    fn from(coded: Coded) -> Self {
        coded.shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assign_1_a_part_that_nobody_has_is_refused() {
        let share = |part| Share { part, coefficient: 0.5 };
        let code = Coded::new(vec![vec![share(0), share(1)], vec![share(1), share(2)]]).unwrap();
        assert_eq!((code.parts(), code.shares(Member::new(1), &MemberSet::default()).len()), (3, 2));
        for holes in [vec![], vec![vec![]], vec![vec![share(0)], vec![share(usize::MAX - 1)]]] {
            assert!(Coded::new(holes).unwrap_err().to_string().contains("each to somebody"), "ASSIGN-1");
        }
    }
}
