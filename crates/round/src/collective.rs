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
    /// In groups, between which a line is slow (as BlueConnect has it, Cho et al. 2019): each member of a group sums a share of the
    /// parts over its group, then with those of the other groups who have the same share, and hands it round in the group. So what
    /// a group sends to others is one vector's worth, whatever its size. Members 0 to `group` - 1 are a group, and so on;
    /// where that is no divisor of the members it is [`Direct`](Self::Direct).
    Nested {
        /// How many members are a group.
        group: u32,
    },
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
            Self::Ring | Self::Direct | Self::Nested { .. } => members.max(1),
            Self::Tree => 1,
        }
    }

    /// How many vectors' time on a line that is as fast both ways a sum takes, latencies apart: of a ring, straight ways and
    /// groups 2 (k - 1) / k, of a tree two for each of its levels.
    pub fn vectors(self, members: usize) -> f64 {
        let members = members.max(1);
        match self {
            Self::Ring | Self::Direct | Self::Nested { .. } => 2.0 * (members - 1) as f64 / members as f64,
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
            Self::Nested { group } => match Place::of(own, members, group) {
                Some(place) => [place.add_up_in_group(), place.add_up_across(), place.hand_round()].concat(),
                None => direct(own, members),
            },
        }
    }

    /// What a member of a group does for the sum of its group alone, in the parts of [`Nested`](Self::Nested); for that of all
    /// where there are no groups.
    pub fn moves_in_group(self, member: Member, members: usize) -> Vec<Move> {
        match self.place(member, members) {
            Some(place) => [place.add_up_in_group(), place.hand_round()].concat(),
            None => self.moves(member, members),
        }
    }

    /// What a member of a group does for the sum over groups of what all members of a group have alike; nothing where there are
    /// no groups.
    pub fn moves_across(self, member: Member, members: usize) -> Vec<Move> {
        let place = self.place(member, members);
        place.map_or_else(Vec::new, |place| [place.add_up_across(), place.hand_round()].concat())
    }

    fn place(self, member: Member, members: usize) -> Option<Place> {
        let Self::Nested { group } = self else { return None };
        if member.index() < members { Place::of(member.index(), members, group) } else { None }
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

/// A member of a group among groups.
#[derive(Clone, Copy)]
struct Place {
    /// Members of a group.
    size: usize,
    groups: usize,
    group: usize,
    /// Which of its group.
    rank: usize,
}

impl Place {
    /// Nothing where the members are not whole groups.
    fn of(own: usize, members: usize, group: u32) -> Option<Self> {
        let size = group as usize;
        let is_whole = size > 0 && members.is_multiple_of(size);
        is_whole.then(|| Self { size, groups: members / size, group: own / size, rank: own % size })
    }

    fn member(&self, group: usize, rank: usize) -> Member {
        member(group * self.size + rank)
    }

    /// The part that a member sums over all: those of one rank lie together, so that they are the share of that rank in each group.
    fn part(&self, group: usize, rank: usize) -> usize {
        rank * self.groups + group
    }

    /// The others of the group in turn, each beginning with another.
    fn mates(self) -> impl Iterator<Item = usize> {
        (1..self.size).map(move |step| (self.rank + step) % self.size)
    }

    /// The other groups likewise.
    fn others(self) -> impl Iterator<Item = usize> {
        (1..self.groups).map(move |step| (self.group + step) % self.groups)
    }

    /// Each member adds up the share of its rank over its group.
    fn add_up_in_group(self) -> Vec<Move> {
        let handed_in = self.mates().flat_map(|mate| {
            let to = self.member(self.group, mate);
            (0..self.groups).map(move |group| Move::Send { to, part: self.part(group, mate), whole: false })
        });
        let added = (0..self.size).filter(|&mate| mate != self.rank).flat_map(|mate| {
            let from = self.member(self.group, mate);
            (0..self.groups).map(move |group| Move::Add { from, part: self.part(group, self.rank) })
        });
        handed_in.chain(added).collect()
    }

    /// Those of one rank add up their share over all groups, a part each, and hand it round among themselves.
    fn add_up_across(self) -> Vec<Move> {
        let own = self.part(self.group, self.rank);
        let handed_in = self.others().map(|other| Move::Send {
            to: self.member(other, self.rank),
            part: self.part(other, self.rank),
            whole: false,
        });
        let added = (0..self.groups)
            .filter(|&other| other != self.group)
            .map(|other| Move::Add { from: self.member(other, self.rank), part: own });
        let handed_out = self.others().map(|other| Move::Send {
            to: self.member(other, self.rank),
            part: own,
            whole: true,
        });
        let taken = self.others().map(|other| Move::Take {
            from: self.member(other, self.rank),
            part: self.part(other, self.rank),
        });
        handed_in.chain(added).chain(handed_out).chain(taken).collect()
    }

    /// Each member hands the share of its rank to the others of its group.
    fn hand_round(self) -> Vec<Move> {
        let handed_out = self.mates().flat_map(|mate| {
            let to = self.member(self.group, mate);
            (0..self.groups).map(move |group| Move::Send {
                to,
                part: self.part(group, self.rank),
                whole: true,
            })
        });
        let taken = self.mates().flat_map(|mate| {
            let from = self.member(self.group, mate);
            (0..self.groups).map(move |group| Move::Take { from, part: self.part(group, mate) })
        });
        handed_out.chain(taken).collect()
    }
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
