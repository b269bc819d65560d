//! So many at random, uniformly and without replacement, as federated averaging selects its clients (McMahan et al., arXiv
//! 1602.05629).

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus, seq::index};
use serde::{Deserialize, Serialize};

use crate::{Least, Member, MemberSet, Round};

/// A sample of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    size: Least,
    seed: u64,
}

impl Sample {
    /// So many members a round, or all where there are no more.
    pub fn new(size: Least, seed: u64) -> Self {
        Self { size, seed }
    }

    pub(super) fn choose(&self, round: Round, present: &MemberSet, chosen: &mut MemberSet) {
        chosen.clear();
        let there: Vec<Member> = present.iter().collect();
        let size = self.size.members().min(there.len());
        for at in draw(self.seed, round, there.len(), size) {
            chosen.insert(there[at]);
        }
    }
}

/// The random numbers of a round: every round has a stream of its own, so that it can be drawn again alone.
pub fn stream(seed: u64, round: Round) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ round.number().wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Draws `count` of the numbers below `available` for a round, none twice.
///
/// # Panics
/// If `count` is more than `available`.
pub fn draw(seed: u64, round: Round, available: usize, count: usize) -> Vec<usize> {
    index::sample(&mut stream(seed, round), available, count).into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_drawn_the_same_again_and_every_member_comes_as_often() {
        let present: MemberSet = (10..30).map(Member::new).collect();
        let sample = Sample::new(Least::new(5).unwrap(), 3);
        let (mut chosen, mut again) = (MemberSet::default(), MemberSet::default());
        let mut times = [0; 30];
        for round in 0..4000 {
            sample.choose(Round::new(round), &present, &mut chosen);
            sample.choose(Round::new(round), &present, &mut again);
            assert_eq!((chosen.len(), &chosen), (5, &again));
            chosen.iter().for_each(|member| times[member.index()] += 1);
        }
        assert_eq!(times[..10], [0; 10]);
        // Binomial(4000, 1/4): 1000 with a deviation of 27.
        assert!(times[10..].iter().all(|&times| (880..1120).contains(&times)), "{times:?}");
    }

    #[test]
    fn of_fewer_all_take_part() {
        let present: MemberSet = (0..3).map(Member::new).collect();
        let mut chosen = MemberSet::default();
        Sample::new(Least::new(5).unwrap(), 3).choose(Round::ZERO, &present, &mut chosen);
        assert_eq!(chosen, present);
    }
}
