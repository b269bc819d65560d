//! Stretches of time in ns, as sorted lists without overlaps.

/// From, to.
pub(crate) type Stretch = (u64, u64);

/// The time that any of them covers.
pub(crate) fn union(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut end = 0;
    let mut kept = 0;
    for at in 0..stretches.len() {
        let (start, to) = stretches[at];
        if kept > 0 && start <= end {
            end = end.max(to);
            stretches[kept - 1].1 = end;
        } else {
            stretches[kept] = (start, to);
            end = to;
            kept += 1;
        }
    }
    stretches.truncate(kept);
    stretches.shrink_to_fit();
    stretches
}

/// What of `stretch` no `covered` one covers.
pub(crate) fn exposed(stretch: Stretch, covered: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    let mut from = stretch.0;
    for &(start, end) in within(stretch, covered) {
        if start > from {
            left.push((from, start));
        }
        from = from.max(end);
    }
    if from < stretch.1 {
        left.push((from, stretch.1));
    }
    left
}

/// What of `stretch` is covered.
pub(crate) fn covered(stretch: Stretch, by: &[Stretch]) -> Vec<Stretch> {
    within(stretch, by).iter().map(|&(start, end)| (start.max(stretch.0), end.min(stretch.1))).collect()
}

/// Those that overlap with `stretch`.
fn within(stretch: Stretch, all: &[Stretch]) -> &[Stretch] {
    let first = all.partition_point(|found| found.1 <= stretch.0);
    let last = first + all[first..].partition_point(|found| found.0 < stretch.1);
    &all[first..last]
}

/// The length of all together.
pub(crate) fn total(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(|(from, to)| to - from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_work_covers_is_not_exposed() {
        let work = [(0, 10), (20, 30), (40, 50)];
        assert_eq!(exposed((5, 45), &work), [(10, 20), (30, 40)]);
        assert_eq!(exposed((22, 28), &work), []);
        assert_eq!(exposed((60, 70), &work), [(60, 70)]);
        assert_eq!(covered((5, 25), &work), [(5, 10), (20, 25)]);
        assert_eq!(total(&work), 30);
    }

    #[test]
    fn overlapping_stretches_are_one() {
        assert_eq!(union(vec![(5, 9), (0, 3), (2, 6), (20, 21), (3, 4)]), [(0, 9), (20, 21)]);
    }
}
