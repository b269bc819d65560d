//! A step of a rank: its own progress, and its exchanges along it.

use syncline_explain::{Exchange, RankTrace};

/// An exchange that begins so soon after the one before it has waited for it.
const QUEUED_S: f64 = 2e-4;

/// Times of a trace that differ by less are the same.
const SAME_S: f64 = 2e-6;

/// A wait for an exchange takes at least this share of what the exchange lasts; what is shorter is a gap in which it happened to end.
const WORTH: f64 = 0.05;

/// An exchange of a step. `issued` and `needed` are points of the rank's own progress since the step's start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Op {
    /// When the rank began it.
    pub issued: f64,
    /// Where the rank could not go on without it; the step's end where it never had to wait.
    pub needed: f64,
    pub elements: f64,
}

/// One step of one rank.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Work {
    /// All its progress.
    pub total: f64,
    pub ops: Vec<Op>,
    /// Which of the rank's exchanges the first of them is.
    pub first: usize,
    /// How long it lasted, with what it waited for.
    pub lasted: f64,
}

/// A rank's time without what it did nothing in but wait.
struct Progress<'a> {
    stalls: &'a [(f64, f64)],
    /// The stalled time before each.
    before: Vec<f64>,
}

impl<'a> Progress<'a> {
    fn of(stalls: &'a [(f64, f64)]) -> Self {
        let mut sum = 0.0;
        let before = stalls.iter().map(|(from, to)| {
            sum += to - from;
            sum - (to - from)
        });
        Self { before: before.collect(), stalls }
    }

    /// The progress at a time.
    fn at(&self, time: f64) -> f64 {
        let next = self.stalls.partition_point(|stall| stall.0 < time);
        let Some(last) = next.checked_sub(1) else { return time };
        let (from, to) = self.stalls[last];
        time - self.before[last] - (time.min(to) - from)
    }

    /// The first stall that has not ended at `from` and begins before `to`.
    fn stall(&self, from: f64, to: f64) -> Option<(f64, f64)> {
        let next = self.stalls.partition_point(|stall| stall.1 <= from);
        self.stalls.get(next).copied().filter(|stall| stall.0 < to)
    }
}

/// The steps of a rank, from each start to the next one's; the last is as long as it is marked.
pub(super) fn steps(rank: &RankTrace) -> Vec<Work> {
    let stalls = waits(rank);
    let progress = Progress::of(&stalls);
    let starts = rank.steps.iter().map(|step| step.0);
    let ends = rank.steps.iter().skip(1).map(|step| step.0).chain(rank.steps.last().map(|step| step.1));
    starts.zip(ends).map(|(from, to)| step(rank, &progress, from, to)).collect()
}

/// The stalls that an exchange's end ended, up to that end: what comes then is waking up. Another exchange may be under way beyond it,
/// so the last one that ended within a stall is looked for. A gap between two operators in which none ends, or only at its start or
/// by chance, is the host's own time.
fn waits(rank: &RankTrace) -> Vec<(f64, f64)> {
    let mut ends: Vec<(f64, f64)> =
        rank.exchanges.iter().map(|found| (found.end_s, found.end_s - found.start_s)).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wait = |&(from, to): &(f64, f64)| {
        let after = ends.partition_point(|end| end.0 <= to + SAME_S);
        let (end, lasted) = ends[after.checked_sub(1)?];
        let until = end.min(to);
        let is_wait = until - from >= WORTH * lasted && to - until < until - from;
        is_wait.then_some((from, until))
    };
    rank.stalls.iter().filter_map(wait).collect()
}

fn step(rank: &RankTrace, progress: &Progress<'_>, from: f64, to: f64) -> Work {
    let begin = progress.at(from);
    let total = progress.at(to) - begin;
    let first = rank.exchanges.partition_point(|found| found.start_s < from);
    let own: Vec<&Exchange> = rank.exchanges[first..].iter().take_while(|found| found.start_s < to).collect();
    let op = |found: &&Exchange| {
        // Stalled while it was under way, the rank needed it; else it did not before a later stall.
        let under_way = progress.stall(found.start_s, found.end_s);
        let stall = under_way.or_else(|| progress.stall(found.end_s, to));
        let issued = (progress.at(found.start_s) - begin).clamp(0.0, total);
        let needed = stall.map_or(total, |stall| progress.at(stall.0.max(from)) - begin);
        Op { issued, needed: needed.clamp(issued, total), elements: found.elements as f64 }
    };
    let mut ops: Vec<Op> = own.iter().map(op).collect();
    spread_queued(&mut ops, &own);
    Work { total, ops, first, lasted: to - from }
}

/// An exchange that began as soon as the one before it had ended was ready before: its gradients are taken to have come evenly
/// between the bucket before and the point where all are needed.
fn spread_queued(ops: &mut [Op], own: &[&Exchange]) {
    for at in 1..ops.len() {
        if (own[at].start_s - own[at - 1].end_s).abs() > QUEUED_S {
            continue;
        }
        let left: f64 = ops[at..].iter().map(|op| op.elements).sum();
        let before = ops[at - 1].issued;
        let share = if left > 0.0 { ops[at].elements / left } else { 1.0 };
        let ready = before + share * (ops[at].needed - before).max(0.0);
        ops[at].issued = ops[at].issued.min(ready);
    }
}

impl Work {
    /// The same step in which all progress takes so many times as long.
    pub fn paced(&self, factor: f64) -> Self {
        let op = |op: &Op| Op { issued: factor * op.issued, needed: factor * op.needed, ..*op };
        Self { total: factor * self.total, ops: self.ops.iter().map(op).collect(), ..*self }
    }

    /// Its progress from each exchange that it begins to the next one, and after the last.
    fn parts(&self) -> Vec<f64> {
        let mut points: Vec<f64> = self.ops.iter().map(|op| op.issued).collect();
        points.sort_by(f64::total_cmp);
        let starts = std::iter::once(0.0).chain(points.iter().copied());
        starts.zip(points.iter().copied().chain([self.total])).map(|(from, to)| to - from).collect()
    }

    /// The same gradients in buckets of at most `elements`. When a part of a bucket is ready lies between the bucket
    /// before and its own; all are needed where the last of them was. `None` for one bucket that is to be cut: when parts
    /// of it are ready is not known.
    pub fn with_buckets(&self, elements: f64) -> Option<Self> {
        let all: f64 = self.ops.iter().map(|op| op.elements).sum();
        let count = (all / elements).ceil().max(1.0) as usize;
        if count > self.ops.len() && self.ops.len() < 2 {
            return None;
        }
        let needed = self.ops.iter().map(|op| op.needed).fold(0.0, f64::max);
        let bucket = |at: usize| {
            let until = (elements * (at + 1) as f64).min(all);
            let issued = self.ready(until).min(needed);
            Op { issued, needed, elements: until - elements * at as f64 }
        };
        Some(Self { ops: (0..count).map(bucket).collect(), ..self.clone() })
    }

    /// When the first `elements` of the step's gradients are ready.
    fn ready(&self, elements: f64) -> f64 {
        let mut sum = 0.0;
        let mut from = self.before_first();
        for op in &self.ops {
            if elements <= sum + op.elements {
                let share = if op.elements > 0.0 { (elements - sum) / op.elements } else { 1.0 };
                return from + share * (op.issued - from);
            }
            sum += op.elements;
            from = op.issued;
        }
        from
    }

    /// When the first gradient may have been there: as long before the first bucket as its size takes in the second.
    fn before_first(&self) -> f64 {
        let [first, second, ..] = &self.ops[..] else { return self.ops.first().map_or(0.0, |op| op.issued) };
        let each = (second.issued - first.issued) / second.elements.max(1.0);
        (first.issued - each * first.elements).clamp(0.0, first.issued)
    }
}

/// The progress of a step each of whose parts is as quick as in the quickest of a rank's `steps`, which all have as many
/// exchanges: what others that want the same cores leave of it when they happen to want none.
pub(super) fn quickest<'a>(steps: impl Iterator<Item = &'a Work>) -> f64 {
    let mut least: Vec<f64> = Vec::new();
    for parts in steps.map(Work::parts) {
        least.resize(parts.len(), f64::INFINITY);
        least.iter_mut().zip(parts).for_each(|(least, part)| *least = least.min(part));
    }
    least.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(start_s: f64, end_s: f64) -> Exchange {
        Exchange {
            start_s,
            end_s,
            is_all_reduce: true,
            is_between_two: false,
            elements: 10,
            element_bytes: Some(4),
            members: Some(2),
        }
    }

    #[test]
    fn progress_stands_still_while_a_rank_waits() {
        // Two steps of 10: exchanges at 3 (hidden until 5) and at 6, for which it waits from 7 to 9.
        let rank = RankTrace {
            steps: vec![(0.0, 10.0), (10.0, 20.0)],
            stalls: vec![(7.0, 9.0), (17.0, 18.0)],
            exchanges: vec![exchange(3.0, 5.0), exchange(6.0, 9.0), exchange(16.0, 18.0)],
            ..RankTrace::default()
        };
        let steps = steps(&rank);
        assert_eq!((steps[0].total, steps[1].total, steps[1].lasted), (8.0, 9.0, 10.0));
        let points: Vec<(f64, f64)> = steps[0].ops.iter().map(|op| (op.issued, op.needed)).collect();
        assert_eq!(
            points,
            [(3.0, 7.0), (6.0, 7.0)],
            "also what was hidden is needed where the rank waits next"
        );
        assert_eq!((steps[1].ops[0].issued, steps[1].ops[0].needed), (6.0, 7.0));
    }

    #[test]
    fn a_wait_ends_with_its_exchange_though_the_next_is_under_way() {
        // It waits from 7 for the first, wakes at 9.5, and goes on to wait for the second from 10 to 12. The gap at 3 is its own.
        let rank = RankTrace {
            steps: vec![(0.0, 13.0)],
            stalls: vec![(3.0, 3.2), (7.0, 9.5), (10.0, 12.0)],
            exchanges: vec![exchange(2.0, 9.0), exchange(8.0, 12.0)],
            ..RankTrace::default()
        };
        let step = &steps(&rank)[0];
        assert_eq!(step.total, 13.0 - 2.0 - 2.0);
        let needed: Vec<f64> = step.ops.iter().map(|op| op.needed).collect();
        assert_eq!(needed, [7.0, 7.0]);
    }

    #[test]
    fn what_waited_for_its_turn_was_ready_before() {
        // The second and the third begin when the one before has ended, the third while the rank waits from 6 on.
        let rank = RankTrace {
            steps: vec![(0.0, 12.0)],
            stalls: vec![(6.0, 11.0)],
            exchanges: vec![exchange(2.0, 5.0), exchange(5.0, 8.0), exchange(8.0, 11.0)],
            ..RankTrace::default()
        };
        let issued: Vec<f64> = steps(&rank)[0].ops.iter().map(|op| op.issued).collect();
        assert_eq!(issued, [2.0, 4.0, 6.0]);
    }

    #[test]
    fn gradients_are_cut_where_they_are_ready() {
        let op = |issued, elements| Op { issued, needed: 9.0, elements };
        let work = Work { total: 10.0, ops: vec![op(4.0, 10.0), op(6.0, 20.0)], first: 0, lasted: 12.0 };
        let one = work.with_buckets(100.0).unwrap();
        assert_eq!((one.ops.len(), one.ops[0].issued, one.ops[0].elements), (1, 6.0, 30.0));
        let three = work.with_buckets(10.0).unwrap();
        let points: Vec<f64> = three.ops.iter().map(|op| op.issued).collect();
        assert_eq!(points, [4.0, 5.0, 6.0]);
        assert_eq!(one.with_buckets(10.0), None, "when a third of it is ready is not known");
    }
}
