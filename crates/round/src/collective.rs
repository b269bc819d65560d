//! Sums without a server: who hands which part of a vector to whom, so that at the end every member has the sum of all (an
//! *allreduce*). Only the order of things is decided here; vectors, links and time are the caller's.
//!
//! - SUM-1: each member's own vector goes into each part of the sum once, in an order that depends on nothing but the number
//!   of members: the same vectors give the same bits, whoever is slow.
//! - SUM-2: at the end all members have the same bits.
//! - SUM-3: by then each has heard, of all others or by way of others, what was known to everybody as they began.
//!
//! The ring and its cost: Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*, JPDC
//! 2009. The tree is binomial, as in MPICH (Thakur, Rabenseifner and Gropp 2005).

use crate::Member;

/// How members come to the sum of their vectors.
///
/// ```
/// use syncline_round::{Collective, Member, Move};
///
/// let moves = Collective::Tree.moves(Member::new(1), 2);
/// assert_eq!(moves, [
///     Move::Send { to: Member::new(0), part: 0, whole: false },
///     Move::Take { from: Member::new(0), part: 0 },
/// ]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Collective {
    /// In as many parts as members, each from neighbour to neighbour: first added up, then handed round. Part c is summed from
    /// member c on around the ring. Of k members each sends 2 (k - 1) / k of a vector, the least that is possible, in
    /// 2 (k - 1) steps one after the other.
    #[default]
    Ring,
    /// In one part along a binomial tree to member 0 and back. A member sends up to log2 k + 1 whole vectors, in 2 log2 k
    /// steps: for short vectors.
    Tree,
    /// In as many parts as members, each of which is summed by its own member in the order of members, as a server of a
    /// bulk-synchronous run would: to the same bits. Each sends as much as in a ring, in 2 steps, to all others at once.
    Direct,
}

/// What a member does next. What is received is awaited; what is sent is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Hands a part to another member as it is here: the `whole` sum, or some of it.
    Send {
        /// To whom.
        to: Member,
        /// Which part.
        part: usize,
        /// Whether nothing is to be added to it.
        whole: bool,
    },
    /// Adds the sum of some that another member hands over to the part.
    Add {
        /// From whom.
        from: Member,
        /// Which part.
        part: usize,
    },
    /// Adds up what each of the others hands over of the part and what is here, in the order of members.
    Fold {
        /// Which part.
        part: usize,
    },
    /// Takes the whole sum from another member in the part's place.
    Take {
        /// From whom.
        from: Member,
        /// Which part.
        part: usize,
    },
}

impl Collective {
    /// Into how many parts vectors are cut, for so many members.
    pub fn parts(self, members: usize) -> usize {
        match self {
            Self::Ring | Self::Direct => members.max(1),
            Self::Tree => 1,
        }
    }

    /// How many vectors' time on a line that is as fast both ways a sum takes, latencies apart: of a ring and straight ways
    /// 2 (k - 1) / k, of a tree two for each of its levels.
    pub fn vectors(self, members: usize) -> f64 {
        let members = members.max(1);
        match self {
            Self::Ring | Self::Direct => 2.0 * (members - 1) as f64 / members as f64,
            Self::Tree => 2.0 * f64::from(members.next_power_of_two().ilog2()),
        }
    }

    /// What a member does, in order. One alone does nothing.
    pub fn moves(self, member: Member, members: usize) -> Vec<Move> {
        let own = member.index();
        if members < 2 || own >= members {
            return Vec::new();
        }
        match self {
            Self::Ring => ring(own, members),
            Self::Tree => tree(own, members),
            Self::Direct => direct(own, members),
        }
    }

    /// The parts that a member sends, each as often as it does.
    pub fn sent(self, member: Member, members: usize) -> impl Iterator<Item = usize> {
        self.moves(member, members).into_iter().filter_map(|step| match step {
            Move::Send { part, .. } => Some(part),
            Move::Add { .. } | Move::Fold { .. } | Move::Take { .. } => None,
        })
    }

    /// The parts that a member receives, each as often as it does.
    pub fn received(self, member: Member, members: usize) -> impl Iterator<Item = usize> {
        self.moves(member, members).into_iter().flat_map(move |step| {
            let (part, times) = match step {
                Move::Send { part, .. } => (part, 0),
                Move::Add { part, .. } | Move::Take { part, .. } => (part, 1),
                Move::Fold { part } => (part, members - 1),
            };
            std::iter::repeat_n(part, times)
        })
    }
}

fn member(index: usize) -> Member {
    Member::new(index as u32)
}

/// Part c goes from member c on around the ring, and each adds its own; then the sums go round.
fn ring(own: usize, members: usize) -> Vec<Move> {
    let (to, from) = (member((own + 1) % members), member((own + members - 1) % members));
    let back = |steps: usize| (own + 2 * members - steps) % members;
    let summed = (0..members - 1).flat_map(|step| {
        [Move::Send { to, part: back(step), whole: false }, Move::Add { from, part: back(step + 1) }]
    });
    let handed_round = (0..members - 1).flat_map(|step| {
        let part = (back(step) + 1) % members;
        [Move::Send { to, part, whole: true }, Move::Take { from, part: back(step) }]
    });
    summed.chain(handed_round).collect()
}

/// Everybody adds what its children hand over and hands that to its parent; then the sum goes the same way back.
fn tree(own: usize, members: usize) -> Vec<Move> {
    let part = 0;
    let mut moves = Vec::new();
    let mut distance = 1;
    while distance < members && own & distance == 0 {
        if own + distance < members {
            moves.push(Move::Add { from: member(own + distance), part });
        }
        distance *= 2;
    }
    if own > 0 {
        let parent = member(own - distance);
        moves.push(Move::Send { to: parent, part, whole: false });
        moves.push(Move::Take { from: parent, part });
    }
    while distance > 1 {
        distance /= 2;
        if own + distance < members {
            moves.push(Move::Send { to: member(own + distance), part, whole: true });
        }
    }
    moves
}

/// Each part goes straight to the member who sums it, and from there straight to all.
fn direct(own: usize, members: usize) -> Vec<Move> {
    // Each begins with another, so that not all send to one at once.
    let others = || (1..members).map(|step| (own + step) % members);
    let handed_in = others().map(|other| Move::Send { to: member(other), part: other, whole: false });
    let handed_out = others().map(|other| Move::Send { to: member(other), part: own, whole: true });
    let taken = others().map(|other| Move::Take { from: member(other), part: other });
    handed_in.chain([Move::Fold { part: own }]).chain(handed_out).chain(taken).collect()
}
