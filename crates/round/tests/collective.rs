//! Sums without a server, for all small numbers of members, in many orders of what happens first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};

use syncline_round::{Collective, Member, Move};

const ALL: [Collective; 3] = [Collective::Ring, Collective::Tree, Collective::Direct];
const MOST: usize = 17;

/// One part as a sum that remembers who was added to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sum {
    Of(usize),
    Both(Box<Sum>, Box<Sum>),
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self::Both(Box::new(self), Box::new(other))
    }

    fn members(&self) -> Vec<usize> {
        match self {
            Self::Of(member) => vec![*member],
            Self::Both(one, other) => [one.members(), other.members()].concat(),
        }
    }

    /// In 32 bits, where the order of additions shows. Which of two comes first does not.
    fn value(&self, of: &impl Fn(usize) -> f32) -> f32 {
        match self {
            Self::Of(member) => of(*member),
            Self::Both(one, other) => one.value(of) + other.value(of),
        }
    }
}

/// A message: the part as it was, and whom its sender had heard of.
type Message = (Sum, BTreeSet<usize>);

/// One member at work.
struct At {
    moves: std::vec::IntoIter<Move>,
    parts: Vec<Sum>,
    heard: BTreeSet<usize>,
}

/// Lets members sum all that they have.
fn run(collective: Collective, members: usize, draw: impl FnMut(usize) -> usize) -> Vec<At> {
    let beginning = |own: usize| At {
        moves: collective.moves(Member::new(own as u32), members).into_iter(),
        parts: vec![Sum::Of(own); collective.parts(members)],
        heard: BTreeSet::from([own]),
    };
    play(collective, members, (0..members).map(beginning).collect(), draw)
}

/// Lets members do their moves one at a time, whose turn it is chosen by `draw`, to a sum of so many; panics where none can go on before the end.
fn play(
    collective: Collective,
    of: usize,
    mut all: Vec<At>,
    mut draw: impl FnMut(usize) -> usize,
) -> Vec<At> {
    let members = all.len();
    let mut mail: BTreeMap<(usize, usize, usize, bool), Message> = BTreeMap::new();
    loop {
        let is_there = |own: usize, next: &Move| match *next {
            Move::Send { .. } => true,
            Move::Add { from, part } => mail.contains_key(&(own, from.index(), part, false)),
            Move::Take { from, part } => mail.contains_key(&(own, from.index(), part, true)),
            Move::Fold { part } => (0..members)
                .filter(|&from| from != own)
                .all(|from| mail.contains_key(&(own, from, part, false))),
        };
        let can: Vec<usize> = (0..members)
            .filter(|&own| all[own].moves.as_slice().first().is_some_and(|next| is_there(own, next)))
            .collect();
        if can.is_empty() {
            assert!(
                all.iter().all(|at| at.moves.len() == 0),
                "{collective:?} of {members}: nobody can go on"
            );
            assert!(mail.is_empty(), "{collective:?} of {members}: not all was wanted");
            return all;
        }
        let own = can[draw(can.len())];
        let at = &mut all[own];
        match at.moves.next().unwrap() {
            Move::Send { to, part, whole } => {
                assert_ne!(to.index(), own);
                let sent =
                    mail.insert((to.index(), own, part, whole), (at.parts[part].clone(), at.heard.clone()));
                assert!(sent.is_none(), "{collective:?} of {members}: a message that is like another one");
            }
            Move::Add { from, part } => {
                let (sum, heard) = mail.remove(&(own, from.index(), part, false)).unwrap();
                at.parts[part] = sum.plus(at.parts[part].clone());
                at.heard.extend(heard);
            }
            Move::Take { from, part } => {
                let (sum, heard) = mail.remove(&(own, from.index(), part, true)).unwrap();
                assert_eq!(sum.members().len(), of, "the whole sum is said to be whole");
                at.parts[part] = sum;
                at.heard.extend(heard);
            }
            Move::Fold { part } => {
                let mut sum: Option<Sum> = None;
                for from in 0..members {
                    let next = if from == own {
                        at.parts[part].clone()
                    } else {
                        let (next, heard) = mail.remove(&(own, from, part, false)).unwrap();
                        at.heard.extend(heard);
                        next
                    };
                    sum = Some(match sum {
                        Some(sum) => sum.plus(next),
                        None => next,
                    });
                }
                at.parts[part] = sum.unwrap();
            }
        }
    }
}

/// Draws that a seed decides.
fn drawn(seed: u64) -> impl FnMut(usize) -> usize {
    let mut random = seed;
    move |below| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    }
}

#[test]
fn sum_1_to_3_all_have_the_same_sum_of_all_and_have_heard_of_all_in_any_order() {
    for collective in ALL {
        for members in 1..=MOST {
            let first = run(collective, members, |_| 0);
            for part in 0..collective.parts(members) {
                let mut of = first[0].parts[part].members();
                of.sort_unstable();
                assert_eq!(of, (0..members).collect::<Vec<_>>(), "SUM-1: {collective:?} of {members}");
            }
            for seed in 0..40 {
                for at in run(collective, members, drawn(seed)) {
                    assert_eq!(at.parts, first[0].parts, "SUM-1 and SUM-2: {collective:?} of {members}");
                    assert_eq!(at.heard.len(), members, "SUM-3: {collective:?} of {members}");
                }
            }
        }
    }
}

/// Sizes of groups, and how many there are.
fn nests() -> impl Iterator<Item = (usize, usize)> {
    (1..=5).flat_map(|size| (1..=5).map(move |groups| (size, groups)))
}

fn nested(size: usize) -> Collective {
    Collective::Nested { group: size as u32 }
}

fn sorted(sum: &Sum) -> Vec<usize> {
    let mut members = sum.members();
    members.sort_unstable();
    members
}

#[test]
fn sum_1_to_3_groups_have_the_same_sum_of_all_and_have_heard_of_all_in_any_order() {
    for (size, groups) in nests() {
        let (collective, members) = (nested(size), size * groups);
        let first = run(collective, members, |_| 0);
        for part in &first[0].parts {
            assert_eq!(sorted(part), (0..members).collect::<Vec<_>>(), "SUM-1: {groups} of {size}");
        }
        for seed in 0..20 {
            for at in run(collective, members, drawn(seed)) {
                assert_eq!(at.parts, first[0].parts, "SUM-1 and SUM-2: {groups} of {size}");
                assert_eq!(at.heard.len(), members, "SUM-3: {groups} of {size}");
            }
        }
    }
}

/// First each group by itself, then what its members have alike over all groups.
#[test]
fn groups_sum_by_themselves_and_then_what_they_have_alike() {
    for (size, groups) in nests() {
        let (collective, members) = (nested(size), size * groups);
        for seed in 0..20 {
            let of_groups = |own: usize| At {
                moves: collective.moves_in_group(Member::new(own as u32), members).into_iter(),
                parts: vec![Sum::Of(own); members],
                heard: BTreeSet::from([own]),
            };
            let summed = play(collective, size, (0..members).map(of_groups).collect(), drawn(seed));
            for (own, at) in summed.iter().enumerate() {
                let first = own / size * size;
                let mates: Vec<_> = (first..first + size).collect();
                assert!(at.parts.iter().all(|part| sorted(part) == mates), "{groups} of {size}");
                assert_eq!(at.parts, summed[first].parts, "SUM-2 within a group");
                assert_eq!(at.heard, mates.into_iter().collect(), "SUM-3 within a group");
            }
            let across = |own: usize| At {
                moves: collective.moves_across(Member::new(own as u32), members).into_iter(),
                parts: vec![Sum::Of(own / size); members],
                heard: BTreeSet::from([own]),
            };
            let all = play(collective, groups, (0..members).map(across).collect(), drawn(seed));
            for at in &all {
                let every: Vec<_> = (0..groups).collect();
                assert!(at.parts.iter().all(|part| sorted(part) == every), "{groups} of {size}");
                assert_eq!(at.parts, all[0].parts, "SUM-2");
                assert!(at.heard.contains(&0) || groups == 1, "SUM-3: of the first, who decides");
            }
        }
    }
}

#[test]
fn a_group_sends_one_vector_to_the_others_whatever_its_size() {
    for (size, groups) in nests().filter(|(size, groups)| size * groups > 1) {
        let (collective, members) = (nested(size), size * groups);
        let outward = |moves: Vec<Move>, own: usize| {
            let to = moves.into_iter().filter_map(|step| match step {
                Move::Send { to, .. } => Some(to.index()),
                _ => None,
            });
            to.filter(|to| to / size != own / size).count()
        };
        for group in 0..groups {
            let of_group = group * size..(group + 1) * size;
            let sent = |moves: &dyn Fn(Member) -> Vec<Move>| -> usize {
                of_group.clone().map(|own| outward(moves(Member::new(own as u32)), own)).sum()
            };
            // 2 (k - 1) / k vectors of `members` parts, k the groups.
            let least = 2 * (groups - 1) * size;
            assert_eq!(sent(&|own| collective.moves(own, members)), least, "{groups} of {size}");
            assert_eq!(sent(&|own| collective.moves_across(own, members)), least);
            assert_eq!(sent(&|own| collective.moves_in_group(own, members)), 0);
        }
        let all: usize =
            (0..members).map(|own| collective.sent(Member::new(own as u32), members).count()).sum();
        assert_eq!(all, 2 * (members - 1) * members, "in all as much as straight ways");
    }
    // Members that are no whole groups go straight ways.
    let own = Member::new(1);
    assert_eq!(nested(2).moves(own, 5), Collective::Direct.moves(own, 5));
}

/// Values whose sum depends on the order.
fn value(member: usize) -> f32 {
    [1e8, 3.0, 4.0, 4.0, 1e3, 0.5, 2.0][member % 7]
}

#[test]
fn who_has_the_bits_of_the_order_of_members() {
    let in_order = |members: usize| (1..members).fold(value(0), |sum, member| sum + value(member));
    let equal = |collective: Collective, members: usize| {
        let parts = &run(collective, members, |_| 0)[0].parts;
        parts.iter().all(|part| part.value(&value).to_bits() == in_order(members).to_bits())
    };
    assert!((1..=MOST).all(|members| equal(Collective::Direct, members)));
    assert!((1..=2).all(|members| equal(Collective::Ring, members)) && !equal(Collective::Ring, 3));
    assert!((1..=3).all(|members| equal(Collective::Tree, members)) && !equal(Collective::Tree, 4));
}

#[test]
fn a_ring_and_straight_ways_send_the_least_and_a_tree_few_times() {
    for members in 2..=MOST {
        for own in (0..members).map(|own| Member::new(own as u32)) {
            for collective in [Collective::Ring, Collective::Direct] {
                // 2 (k - 1) parts of k.
                let vectors = collective.vectors(members) * members as f64;
                assert!((vectors - 2.0 * (members - 1) as f64).abs() < 1e-9);
                assert_eq!(collective.sent(own, members).count(), 2 * (members - 1), "{collective:?}");
                assert_eq!(collective.received(own, members).count(), 2 * (members - 1), "{collective:?}");
            }
            let most = members.next_power_of_two().ilog2() as usize;
            assert!(Collective::Tree.sent(own, members).count() <= most + usize::from(own.index() > 0));
        }
        // All that is sent is received.
        for collective in ALL {
            let own = || (0..members).map(|own| Member::new(own as u32));
            let sent: usize = own().map(|own| collective.sent(own, members).count()).sum();
            let received: usize = own().map(|own| collective.received(own, members).count()).sum();
            assert_eq!(sent, received, "{collective:?} of {members}");
        }
    }
}

#[test]
fn one_alone_and_one_who_is_not_there_do_nothing() {
    for collective in ALL {
        assert!(collective.moves(Member::new(0), 1).is_empty());
        assert!(collective.moves(Member::new(3), 3).is_empty());
        assert_eq!(collective.parts(1), 1);
    }
}
