//! Which operations of the ranks are one and the same.
//!
//! The members of a group run its operations in the same order, so what is told apart is only who lacks one: a trace may begin
//! or end a little earlier than the others', or a rank runs one that the others do not. Where sequence numbers are given
//! they decide. Elsewhere the two orders are aligned so that operation and size are equal and the ends, which are common but for the
//! clocks, agree best (a banded alignment of minimal cost). Sends are matched with receives by their two ranks, in order.

use std::collections::{BTreeMap, HashMap};

use super::super::kind::Operation;
use super::groups::Groups;
use super::rank::{Collective, Rank};

/// Operations of several ranks that are one.
#[derive(Clone, Debug)]
pub(crate) struct Meet {
    /// By its position in the run's groups.
    pub group: usize,
    /// Rank and collective, by their positions.
    pub members: Vec<(usize, usize)>,
    pub operation: Operation,
}

/// What was matched, and what a reader should know of it.
pub(super) struct Matched {
    pub meets: Vec<Meet>,
    pub notes: Vec<String>,
}

/// Matches all ranks' operations, and writes into each which meeting it is part of.
pub(super) fn matched(ranks: &mut [Rank], groups: &Groups) -> Matched {
    let (mut meets, mut notes) = (Vec::new(), Vec::new());
    for group in 0..groups.all.len() {
        let members: Vec<(usize, Vec<usize>)> = (0..ranks.len())
            .map(|at| (at, order(&ranks[at], group)))
            .filter(|found| !found.1.is_empty())
            .collect();
        if members.len() < 2 {
            continue;
        }
        let found = match by_sequence(ranks, &members) {
            Some(found) => found,
            None => by_order(ranks, &members),
        };
        notes.extend(unmatched(ranks, &members, &found, &groups.title(group)));
        meets.extend(found.into_iter().filter(|found| found.len() > 1).map(|members| {
            let operation = ranks[members[0].0].collectives[members[0].1].operation;
            Meet { group, members, operation }
        }));
    }
    meets.extend(pairs(ranks));
    for (number, meet) in meets.iter().enumerate() {
        for &(rank, at) in &meet.members {
            ranks[rank].collectives[at].meet = Some(number as u32);
        }
    }
    Matched { meets, notes }
}

/// A rank's operations in a group, in order, but for sends and receives.
fn order(rank: &Rank, group: usize) -> Vec<usize> {
    let all = rank.collectives.iter().enumerate();
    all.filter(|(_, found)| found.group == group && !found.operation.is_between_two())
        .map(|(at, _)| at)
        .collect()
}

/// Matches by sequence numbers; `None` unless all operations have one. Operations that share a number (several that were
/// handed over as one) are told apart by their order.
fn by_sequence(ranks: &[Rank], members: &[(usize, Vec<usize>)]) -> Option<Vec<Vec<(usize, usize)>>> {
    let mut found: BTreeMap<(u64, usize), Vec<(usize, usize)>> = BTreeMap::new();
    for (rank, order) in members {
        let mut seen: HashMap<u64, usize> = HashMap::new();
        for &at in order {
            let sequence = ranks[*rank].collectives[at].sequence?;
            let count = seen.entry(sequence).or_default();
            found.entry((sequence, *count)).or_default().push((*rank, at));
            *count += 1;
        }
    }
    Some(found.into_values().collect())
}

/// Matches every member's order with that of the member that has most operations.
fn by_order(ranks: &[Rank], members: &[(usize, Vec<usize>)]) -> Vec<Vec<(usize, usize)>> {
    let longest = members.iter().map(|member| member.1.len()).max().unwrap_or(0);
    let Some((reference, order)) = members.iter().find(|member| member.1.len() == longest) else {
        return Vec::new();
    };
    let mut found: Vec<Vec<(usize, usize)>> = order.iter().map(|&at| vec![(*reference, at)]).collect();
    let own: Vec<&Collective> = order.iter().map(|&at| &ranks[*reference].collectives[at]).collect();
    for (rank, order) in members.iter().filter(|member| member.0 != *reference) {
        let other: Vec<&Collective> = order.iter().map(|&at| &ranks[*rank].collectives[at]).collect();
        let mut is_matched = vec![false; order.len()];
        for (a, b) in aligned(&own, &other) {
            found[a].push((*rank, order[b]));
            is_matched[b] = true;
        }
        let alone = order.iter().zip(is_matched).filter(|(_, is_matched)| !is_matched);
        found.extend(alone.map(|(&at, _)| vec![(*rank, at)]));
    }
    found
}

/// Steps of the alignment that leave the diagonal beyond the difference of the lengths.
const BAND: usize = 16;

/// The table of an alignment has at most so many cells; where orders differ by more, only their beginnings are matched.
const CELLS: usize = 64 << 20;

/// What two orders have in common.
fn aligned(a: &[&Collective], b: &[&Collective]) -> Vec<(usize, usize)> {
    let is_same = |a: &Collective, b: &Collective| a.operation == b.operation && a.size == b.size;
    if a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)) {
        return (0..a.len()).map(|at| (at, at)).collect();
    }
    if a.len().saturating_mul(a.len().abs_diff(b.len()) + 2 * BAND) > CELLS {
        let same = a.iter().zip(b).take_while(|(a, b)| is_same(a, b)).count();
        return (0..same).map(|at| (at, at)).collect();
    }
    let step = typical_step(a).max(1.0);
    let offset = common_difference(a, b, step / 4.0);
    alignment(a, b, offset, step, &is_same)
}

/// The median time between two ends.
fn typical_step(all: &[&Collective]) -> f64 {
    let mut steps: Vec<u64> = all.windows(2).map(|pair| pair[1].end.abs_diff(pair[0].end)).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map_or(1.0, |&step| step as f64)
}

/// Operations whose ends are compared for the difference of the clocks.
const COMPARED: usize = 2048;

/// The difference of the clocks: what most ends differ by, give or take `within`, whatever is left out on the way.
fn common_difference(a: &[&Collective], b: &[&Collective], within: f64) -> f64 {
    let extra = a.len().abs_diff(b.len()).min(BAND);
    let mut all: Vec<i64> = Vec::new();
    for lag in 0..=extra {
        let (from_a, from_b) = if a.len() >= b.len() { (lag, 0) } else { (0, lag) };
        let pairs = a.iter().skip(from_a).zip(b.iter().skip(from_b)).take(COMPARED);
        all.extend(pairs.map(|(a, b)| b.end as i64 - a.end as i64));
    }
    all.sort_unstable();
    let (mut best, mut from) = ((0, 0), 0);
    for to in 0..all.len() {
        while (all[to] - all[from]) as f64 > within {
            from += 1;
        }
        if to + 1 - from > best.1 - best.0 {
            best = (from, to + 1);
        }
    }
    all.get((best.0 + best.1) / 2).map_or(0.0, |&middle| middle as f64)
}

/// The cheapest alignment. To leave an operation out costs 1; to match two, how far their ends are apart in
/// steps, so that a wrong match (a step away) is dearer than leaving both out only where several in a row would be wrong.
fn alignment(
    a: &[&Collective],
    b: &[&Collective],
    offset: f64,
    step: f64,
    is_same: &dyn Fn(&Collective, &Collective) -> bool,
) -> Vec<(usize, usize)> {
    let extra = a.len().abs_diff(b.len());
    let (before, after) = if a.len() >= b.len() { (extra + BAND, BAND) } else { (BAND, extra + BAND) };
    let width = before + after + 1;
    // Column `w` of row `i` stands for `j = i + w - before` operations of `b`.
    let column = |i: usize, w: usize| (i + w).checked_sub(before).filter(|&j| j <= b.len());
    let mut costs = vec![f64::INFINITY; width];
    let mut choices = vec![0u8; (a.len() + 1) * width];
    for i in 0..=a.len() {
        let mut row = vec![f64::INFINITY; width];
        for w in 0..width {
            let Some(j) = column(i, w) else { continue };
            let mut best = if i == 0 && j == 0 { (0.0, 0) } else { (f64::INFINITY, 0) };
            let mut offer = |cost: f64, choice: u8| {
                if cost < best.0 {
                    best = (cost, choice);
                }
            };
            if i > 0 && j > 0 && is_same(a[i - 1], b[j - 1]) {
                let apart = (b[j - 1].end as f64 - a[i - 1].end as f64 - offset).abs() / step;
                offer(costs[w] + apart.min(1.5), 1);
            }
            if i > 0 && w + 1 < width {
                offer(costs[w + 1] + 1.0, 2);
            }
            if j > 0 && w > 0 {
                offer(row[w - 1] + 1.0, 3);
            }
            (row[w], choices[i * width + w]) = best;
        }
        costs = row;
    }
    let last = b.len() + before - a.len();
    walked(&choices, (width, before), a.len(), last)
}

/// The matches on the way back.
fn walked(choices: &[u8], (width, before): (usize, usize), rows: usize, last: usize) -> Vec<(usize, usize)> {
    let (mut i, mut w) = (rows, last);
    let mut pairs = Vec::new();
    loop {
        match choices[i * width + w] {
            1 => {
                pairs.push((i - 1, i + w - before - 1));
                i -= 1;
            }
            2 => (i, w) = (i - 1, w + 1),
            3 => w -= 1,
            _ => break,
        }
    }
    pairs.reverse();
    pairs
}

/// A sentence for each rank that ran what no other did.
fn unmatched(
    ranks: &[Rank],
    members: &[(usize, Vec<usize>)],
    found: &[Vec<(usize, usize)>],
    title: &str,
) -> Vec<String> {
    let mut alone: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for meeting in found.iter().filter(|meeting| meeting.len() == 1) {
        alone.entry(meeting[0].0).or_default().push(meeting[0].1);
    }
    let by_numbers = members.iter().flat_map(|(rank, order)| order.iter().map(|&at| (*rank, at)));
    let have_numbers =
        by_numbers.into_iter().all(|(rank, at)| ranks[rank].collectives[at].sequence.is_some());
    let how = if have_numbers { "sequence number" } else { "order, operation, size and time" };
    let place = if title.is_empty() { String::new() } else { format!(" in group {title}") };
    let sentence = |(rank, all): (usize, Vec<usize>)| {
        let first = &ranks[rank].collectives[all[0]];
        format!(
            "{} ran {}{place} that no other given rank did (the first: {} of {}); the others are matched by {how}",
            ranks[rank].name,
            if all.len() == 1 { "one operation".to_owned() } else { format!("{} operations", all.len()) },
            first.operation.name(),
            if first.size > 0 { format!("{} elements", first.size) } else { "unknown size".to_owned() },
        )
    };
    alone.into_iter().map(sentence).collect()
}

/// Sends with their receives.
fn pairs(ranks: &[Rank]) -> Vec<Meet> {
    type Ends = (Vec<(usize, usize)>, Vec<(usize, usize)>);
    let mut channels: BTreeMap<(usize, u64, u64), Ends> = BTreeMap::new();
    for (at, rank) in ranks.iter().enumerate() {
        for (index, found) in rank.collectives.iter().enumerate() {
            let Some((from, to)) = found.pair else { continue };
            let ends = channels.entry((found.group, from, to)).or_default();
            match found.operation {
                Operation::Send => ends.0.push((at, index)),
                Operation::Receive => ends.1.push((at, index)),
                _ => {}
            }
        }
    }
    let meet = |group: usize, send: (usize, usize), receive: (usize, usize)| Meet {
        group,
        members: vec![send, receive],
        operation: Operation::SendReceive,
    };
    let both = channels.into_iter().filter(|(_, ends)| ends.0.len() == ends.1.len());
    both.flat_map(|((group, ..), (sends, receives))| {
        sends.into_iter().zip(receives).map(move |(send, receive)| meet(group, send, receive))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(end: u64, size: u64) -> Collective {
        Collective {
            start: end - 1,
            end,
            operation: Operation::AllReduce,
            said: None,
            group: 0,
            sequence: None,
            size,
            width: 4,
            pair: None,
            meet: None,
        }
    }

    fn pairs_of(a: &[Collective], b: &[Collective]) -> Vec<(usize, usize)> {
        aligned(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>())
    }

    #[test]
    fn one_more_of_another_size_is_left_out() {
        let sizes = |all: &[u64]| -> Vec<Collective> {
            all.iter().enumerate().map(|(at, &size)| operation(100 * (at as u64 + 1), size)).collect()
        };
        let found = pairs_of(&sizes(&[5, 6, 9, 5, 6]), &sizes(&[5, 6, 5, 6]));
        assert_eq!(found, [(0, 0), (1, 1), (3, 2), (4, 3)]);
        let found = pairs_of(&sizes(&[5, 6, 5, 6]), &sizes(&[5, 9, 6, 5, 6]));
        assert_eq!(found, [(0, 0), (1, 2), (2, 3), (3, 4)]);
    }

    #[test]
    fn one_more_of_the_same_kind_is_told_by_time() {
        // The clock of the second is 7 behind; it lacks what the first did at 300 and at 800.
        let a: Vec<Collective> = (1..=10).map(|at| operation(100 * at, 5)).collect();
        let b: Vec<Collective> =
            (1..=10).filter(|at| ![3, 8].contains(at)).map(|at| operation(100 * at - 7, 5)).collect();
        let missing: Vec<usize> =
            (0..10).filter(|at| !pairs_of(&a, &b).iter().any(|pair| pair.0 == *at)).collect();
        assert_eq!(missing, [2, 7]);
    }
}
