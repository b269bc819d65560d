//! Who is whose neighbour, where members average with those beside them and nobody is in the middle (gossip).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A graph of members, in which each has as many neighbours.
///
/// ```
/// use syncline_round::Neighbours;
///
/// let ring: Neighbours = "ring".parse()?;
/// assert_eq!(ring.of(0, 5).collect::<Vec<_>>(), [1, 4]);
/// assert_eq!(Neighbours::Torus.of(4, 9).collect::<Vec<_>>(), [1, 3, 5, 7]);
/// assert!(Neighbours::Torus.check(8).is_err());
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Neighbours {
    /// The one before and the one after, in a ring of at least 3.
    Ring,
    /// The four beside, above and below in a square that closes on itself, of at least 3 x 3.
    Torus,
    /// Everybody else, of at least 2.
    All,
}

impl Neighbours {
    /// The names a user can give.
    pub const VALID: &'static str = "ring, torus and all";

    /// The neighbours of a member among so many, in ascending order: also where [`check`](Self::check) refuses so many each other's.
    pub fn of(self, member: usize, members: usize) -> impl Iterator<Item = usize> {
        let others = |list: [usize; 4]| {
            let mut list = list.map(|other| if other == member { usize::MAX } else { other }).to_vec();
            list.sort_unstable();
            list.dedup();
            list.retain(|&other| other < members);
            list
        };
        let (few, all) = match self {
            Self::All => (Vec::new(), 0..members),
            Self::Ring => {
                let (before, after) =
                    ((member + members.max(1) - 1) % members.max(1), (member + 1) % members.max(1));
                (others([before, after, before, after]), 0..0)
            }
            // Beyond the largest square nobody has neighbours, so that they are each other's at any number.
            Self::Torus if member >= members.isqrt().pow(2) => (Vec::new(), 0..0),
            Self::Torus => {
                let side = members.isqrt().max(1);
                let (row, column) = (member / side, member % side);
                let at = |row: usize, column: usize| row % side * side + column % side;
                let (above, below) = (at(row + side - 1, column), at(row + 1, column));
                (others([above, below, at(row, column + side - 1), at(row, column + 1)]), 0..0)
            }
        };
        few.into_iter().chain(all.filter(move |&other| other != member))
    }

    /// Whether so many can be arranged so that each has as many neighbours.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(self, members: usize) -> Result<(), Error> {
        let (fits, must) = match self {
            Self::Ring => (members >= 3, "at least 3 in a ring"),
            Self::Torus => {
                let side = members.isqrt();
                (
                    side >= 3 && side * side == members,
                    "the square of a number from 3 on in a torus, such as 9, 16 or 25",
                )
            }
            Self::All => (members >= 2, "at least 2, to have neighbours"),
        };
        if fits {
            Ok(())
        } else {
            Err(Error::OutOfRange { what: "the number of those who gossip", got: members.to_string(), must })
        }
    }
}

impl FromStr for Neighbours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "ring" => Ok(Self::Ring),
            "torus" => Ok(Self::Torus),
            "all" => Ok(Self::All),
            _ => Err(Error::Unknown { what: "neighbours", got: text.to_owned(), valid: Self::VALID }),
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring => "ring",
            Self::Torus => "torus",
            Self::All => "all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_each_others_as_many_each_and_never_oneself() {
        for (graph, members, degree) in [
            (Neighbours::Ring, 3, 2),
            (Neighbours::Ring, 7, 2),
            (Neighbours::Torus, 9, 4),
            (Neighbours::Torus, 25, 4),
            (Neighbours::All, 2, 1),
            (Neighbours::All, 6, 5),
        ] {
            graph.check(members).unwrap();
            for member in 0..members {
                let of: Vec<usize> = graph.of(member, members).collect();
                assert_eq!(of.len(), degree, "{graph} of {members}");
                assert!(of.is_sorted() && !of.contains(&member));
                assert!(of.iter().all(|&other| graph.of(other, members).any(|back| back == member)));
            }
        }
    }

    #[test]
    fn what_has_too_few_is_refused_and_names_are_read_as_they_are_written() {
        for (graph, members) in [("ring", 2), ("torus", 4), ("torus", 10), ("all", 1)] {
            let graph: Neighbours = graph.parse().unwrap();
            assert!(graph.check(members).unwrap_err().to_string().contains("those who gossip"), "{graph}");
            assert_eq!(graph.to_string().parse::<Neighbours>().unwrap(), graph);
            // Asked all the same it says nothing impossible.
            assert!(
                (0..members)
                    .all(|member| graph.of(member, members).all(|other| other < members && other != member))
            );
        }
        assert!("star".parse::<Neighbours>().unwrap_err().to_string().contains("ring, torus and all"));
    }
}
