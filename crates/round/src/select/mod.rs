//! Select: who takes part in a round, of those who are there when it opens.

mod all;
mod sample;

pub use sample::{Sample, draw, stream};
use serde::{Deserialize, Serialize};

use crate::{MemberSet, Round};

/// How the members of a round are chosen: always the same for the same round and the same who are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Selection {
    /// Everybody.
    #[default]
    All,
    /// So many at random.
    Sample(Sample),
}

impl Selection {
    /// Writes those who take part into `chosen`.
    pub fn choose(&self, round: Round, present: &MemberSet, chosen: &mut MemberSet) {
        match self {
            Self::All => all::choose(present, chosen),
            Self::Sample(sample) => sample.choose(round, present, chosen),
        }
    }
}
