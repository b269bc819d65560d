//! Clocks of ranks, compared at operations that nobody leaves before all have come: their ends are common.
//!
//! From the first rank on, those are set right that meet one that is right; ranks that never meet keep their clocks.

use std::collections::VecDeque;

use syncline_trace::ClockOffset;

use super::matching::Meet;
use super::rank::Rank;

/// Fewer meetings do not tell a difference of clocks from one of scheduling.
const FEWEST: usize = 3;

/// Sets the clocks of all ranks right by those of others that they meet.
pub(super) fn align(ranks: &mut [Rank], meets: &[Meet]) {
    let mut is_right = vec![false; ranks.len()];
    for first in 0..ranks.len() {
        if std::mem::replace(&mut is_right[first], true) {
            continue;
        }
        let mut next = VecDeque::from([first]);
        while let Some(at) = next.pop_front() {
            let mut differences = differences(ranks, meets, at);
            for other in 0..ranks.len() {
                let found = &mut differences[other];
                if is_right[other] || found.len() < FEWEST {
                    continue;
                }
                if let Some(clock) = offset(found) {
                    ranks[other].shift(-i128::from(clock.offset_ns));
                    ranks[other].clock = clock;
                }
                is_right[other] = true;
                next.push_back(other);
            }
        }
    }
}

/// For every rank the ends of its meetings with the one at `at`, minus that one's ends.
fn differences(ranks: &[Rank], meets: &[Meet], at: usize) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new(); ranks.len()];
    for meet in meets.iter().filter(|meet| meet.operation.is_meeting()) {
        let end = |&(rank, index): &(usize, usize)| ranks[rank].collectives[index].end as i64;
        let Some(own) = meet.members.iter().find(|member| member.0 == at).map(end) else { continue };
        for member in meet.members.iter().filter(|member| member.0 != at) {
            all[member.0].push(end(member) - own);
        }
    }
    all
}

/// The median difference, its error the median deviation from it. Differences within three times that are none: then the
/// clocks are the same.
fn offset(differences: &mut [i64]) -> Option<ClockOffset> {
    differences.sort_unstable();
    let offset_ns = *differences.get(differences.len() / 2)?;
    let mut deviations: Vec<u64> = differences.iter().map(|found| found.abs_diff(offset_ns)).collect();
    deviations.sort_unstable();
    let error_ns = deviations[deviations.len() / 2];
    (offset_ns.unsigned_abs() > 3 * error_ns).then_some(ClockOffset { offset_ns, error_ns })
}
