//! Kineto traces of the ranks of one run: one worker a rank, one meeting a collective.
//!
//! A rank's time is its device's, or without a device its CPU's: work where anything but a collective runs, on CPUs also
//! what the program has named (`record_function`, data loaders) and no collective overlaps; a collective
//! only where no work overlaps it. A collective's kernel waits inside for the last rank, so the stretch before the last
//! rank's start is waiting. Ranks' clocks are compared by the ends of their collectives, which are common.

use syncline_trace::{ClockOffset, Node, Phase, RunInfo, Span};

use super::{Slice, Trace};
use crate::source::Damage;

/// A stretch of time in ns.
type Stretch = (u64, u64);

/// One rank, reduced.
struct Rank {
    name: String,
    work: Vec<Stretch>,
    collectives: Vec<(Stretch, u64)>,
    steps: Vec<Stretch>,
    clock: ClockOffset,
}

/// Spans of all ranks.
pub(super) fn assemble(traces: Vec<Trace>, damage: &mut Damage) -> (RunInfo, Vec<Span>) {
    let mut ranks: Vec<Rank> = traces.into_iter().enumerate().map(|(at, trace)| rank(trace, at)).collect();
    let counts: Vec<usize> = ranks.iter().map(|rank| rank.collectives.len()).collect();
    let common = counts.iter().copied().min().unwrap_or(0);
    if counts.iter().any(|&count| count != common) {
        damage.note(format!(
            "the ranks have different numbers of collectives ({counts:?}): the first {common} are matched"
        ));
    }
    align(&mut ranks, common);
    let origin = ranks.iter().filter_map(Rank::start).min().unwrap_or(0);
    let starts: Vec<u64> =
        (0..common).map(|at| ranks.iter().map(|rank| rank.collectives[at].0.0).max().unwrap_or(0)).collect();
    let is_distributed = ranks.len() > 1;
    let mut info = RunInfo {
        system: "kineto".to_owned(),
        workers: ranks.len() as u32,
        sync: "allreduce".to_owned(),
        complete: true,
        ..RunInfo::default()
    };
    let mut spans = Vec::new();
    for (node, rank) in (0..).zip(&ranks) {
        info.nodes.push(Node { clock: rank.clock, ..Node::new(rank.name.clone()) });
        spans.extend(rank.spans(node, origin, if is_distributed { &starts } else { &[] }));
    }
    (info, spans)
}

fn rank(trace: Trace, at: usize) -> Rank {
    let is_on_device =
        |slice: &Slice| matches!(slice.category.as_str(), "kernel" | "gpu_memcpy" | "gpu_memset");
    let has_device = trace.slices.iter().any(is_on_device);
    let (mut work, mut collectives, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let mut named = Vec::new();
    for slice in &trace.slices {
        let stretch = (slice.start, slice.end);
        let counts = if has_device { is_on_device(slice) } else { slice.category == "cpu_op" };
        if slice.name.starts_with("ProfilerStep#") && slice.category != "gpu_user_annotation" {
            steps.push(stretch);
        } else if is_collective(slice, has_device) {
            let bytes = slice.args.elements.or(slice.args.bytes).unwrap_or(0);
            collectives.push((stretch, bytes));
        } else if counts {
            work.push(stretch);
        } else if !has_device && slice.category == "user_annotation" {
            named.push(stretch);
        }
    }
    steps.sort_unstable();
    collectives.sort_unstable();
    collectives = joined_collectives(collectives);
    let meeting: Vec<Stretch> = collectives.iter().map(|found| found.0).collect();
    work.extend(named.into_iter().flat_map(|stretch| exposed(stretch, &meeting)));
    let number = trace.rank.unwrap_or(at as u64);
    Rank {
        name: format!("rank/{number}"),
        work: union(work),
        collectives,
        steps,
        clock: ClockOffset::default(),
    }
}

/// On a device the kernels of NCCL and its kin; on CPUs the operations of gloo or MPI themselves, not what queues them.
fn is_collective(slice: &Slice, has_device: bool) -> bool {
    let name = slice.name.to_ascii_lowercase();
    if has_device {
        return slice.category == "kernel"
            && (name.contains("nccl") || name.contains("rccl") || slice.args.collective.is_some());
    }
    name.starts_with("gloo:") || name.starts_with("mpi:") || name.starts_with("ucc:")
}

/// Collectives that overlap (several channels, nested ranges) are one meeting.
fn joined_collectives(sorted: Vec<(Stretch, u64)>) -> Vec<(Stretch, u64)> {
    let mut joined: Vec<(Stretch, u64)> = Vec::new();
    for (stretch, bytes) in sorted {
        match joined.last_mut() {
            Some((last, sum)) if stretch.0 < last.1 => {
                last.1 = last.1.max(stretch.1);
                *sum = sum.saturating_add(bytes);
            }
            _ => joined.push((stretch, bytes)),
        }
    }
    joined
}

fn union(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut union: Vec<Stretch> = Vec::new();
    for (start, end) in stretches {
        match union.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => union.push((start, end)),
        }
    }
    union
}

/// What of `stretch` no `work` covers.
fn exposed(stretch: Stretch, work: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    let mut from = stretch.0;
    let first = work.partition_point(|covered| covered.1 <= stretch.0);
    for &(start, end) in work[first..].iter().take_while(|covered| covered.0 < stretch.1) {
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

/// Shifts every rank's clock to the first's by the median difference of the collectives' ends. The error is the median
/// deviation from it. Differences within the error are left alone: then the clocks are the same.
fn align(ranks: &mut [Rank], common: usize) {
    let Some((first, others)) = ranks.split_first_mut() else { return };
    for rank in others.iter_mut().filter(|_| common >= 3) {
        let ends = first.collectives.iter().zip(&rank.collectives);
        let mut differences: Vec<i64> = ends.map(|(a, b)| b.0.1 as i64 - a.0.1 as i64).collect();
        differences.sort_unstable();
        let offset_ns = differences[differences.len() / 2];
        let mut deviations: Vec<u64> =
            differences.iter().map(|difference| difference.abs_diff(offset_ns)).collect();
        deviations.sort_unstable();
        let error_ns = deviations[deviations.len() / 2];
        if offset_ns.unsigned_abs() > 3 * error_ns {
            rank.shift(offset_ns);
            rank.clock = ClockOffset { offset_ns, error_ns };
        }
    }
}

impl Rank {
    fn start(&self) -> Option<u64> {
        let firsts = [self.work.first().copied(), self.collectives.first().map(|found| found.0)];
        firsts.into_iter().flatten().chain(self.steps.first().copied()).map(|stretch| stretch.0).min()
    }

    fn shift(&mut self, offset_ns: i64) {
        let own = self
            .work
            .iter_mut()
            .chain(&mut self.steps)
            .chain(self.collectives.iter_mut().map(|found| &mut found.0));
        for stretch in own {
            stretch.0 = stretch.0.saturating_add_signed(offset_ns.saturating_neg());
            stretch.1 = stretch.1.saturating_add_signed(offset_ns.saturating_neg());
        }
    }

    /// Its spans; `starts` says when the last rank began each collective that all ranks have.
    fn spans(&self, node: u32, origin: u64, starts: &[u64]) -> Vec<Span> {
        let since = |at: u64| at.saturating_sub(origin);
        let step = |at: u64| self.steps.partition_point(|step| step.0 <= at).saturating_sub(1) as u32;
        let make = |phase: Phase, round: usize, (from, to): Stretch| Span {
            iteration: step(from),
            round: round as u64,
            ..Span::new(node, phase, since(from), since(to))
        };
        let mut spans = Vec::new();
        for &stretch in &self.work {
            let round = self.collectives.partition_point(|found| found.0.0 < stretch.1);
            spans.push(make(Phase::Compute, round, stretch));
        }
        for (round, &((from, to), bytes)) in self.collectives.iter().enumerate() {
            let last = starts.get(round).map_or(from, |&last| last.clamp(from, to));
            for part in exposed((from, last), &self.work) {
                spans.push(Span { sync: Some(round as u64), ..make(Phase::Wait, round, part) });
            }
            for part in exposed((last, to), &self.work) {
                spans.push(Span { sync: Some(round as u64), bytes, ..make(Phase::Collective, round, part) });
            }
        }
        spans
    }
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
    }

    #[test]
    fn overlapping_stretches_are_one() {
        assert_eq!(union(vec![(5, 9), (0, 3), (2, 6), (20, 21)]), [(0, 9), (20, 21)]);
    }
}
