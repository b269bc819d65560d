//! Each part to one member: a fixed number of parts, dealt out in order and as evenly as they go, to whoever is there. With a
//! fold in the order of parts a round gives the same bits however many share it.

use super::{Assign, Share};
use crate::{Error, Least, Member, MemberSet};

/// So many parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parts(Least);

impl Parts {
    /// Work in so many parts.
    ///
    /// # Errors
    /// For none.
    pub fn new(parts: u32) -> Result<Self, Error> {
        Ok(Self(Least::new(parts).map_err(|_| Error::OutOfRange {
            what: "the parts of the work",
            got: "0".into(),
            must: "at least 1",
        })?))
    }
}

impl Assign for Parts {
    fn parts(&self) -> usize {
        self.0.members()
    }

    fn shares(&self, member: Member, present: &MemberSet) -> Vec<Share> {
        let Some(rank) = present.iter().position(|other| other == member) else { return Vec::new() };
        let cut = |rank: usize| self.parts() * rank / present.len();
        (cut(rank)..cut(rank + 1)).map(|part| Share { part, coefficient: 1.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assign_1_every_part_has_one_member_whoever_is_there() {
        for parts in 1..=12 {
            for bits in 1u32..64 {
                let present: MemberSet =
                    (0..6).filter(|index| bits >> index & 1 == 1).map(Member::new).collect();
                let deal = Parts::new(parts).unwrap();
                let shares = present.iter().flat_map(|member| deal.shares(member, &present));
                let dealt: Vec<usize> = shares.map(|share| share.part).collect();
                assert_eq!(dealt, (0..parts as usize).collect::<Vec<_>>(), "ASSIGN-1");
                let counts: Vec<_> =
                    present.iter().map(|member| deal.shares(member, &present).len()).collect();
                assert!(counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref(), "evenly");
            }
        }
        let present = MemberSet::from_iter([Member::new(1)]);
        assert!(Parts::new(3).unwrap().shares(Member::new(0), &present).is_empty());
        assert!(Parts::new(0).is_err());
    }
}
