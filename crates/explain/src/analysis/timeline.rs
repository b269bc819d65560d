//! What a timeline draws: bars in lanes, marks at barriers, and utilisation over time; bounded, however long the run.

use std::collections::BTreeMap;

use serde::Serialize;

/// One bar. Times in ms of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// By its position in [`Timeline::lanes`].
    pub lane: u32,
    /// Start.
    pub from: f64,
    /// End.
    pub to: f64,
    /// By its position in [`Timeline::labels`].
    pub label: u32,
    /// By its position in [`Timeline::kinds`].
    pub kind: u32,
    /// Whether the run would have been shorter without it.
    pub critical: bool,
}

/// A time at which several waited for each other, or a job's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// When, in ms of the run.
    pub at: f64,
    /// By its position in [`Timeline::labels`].
    pub label: u32,
}

/// Bars, marks and utilisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// The length of the run in ms.
    pub end: f64,
    /// The names of the lanes: `executor 1, core 0`.
    pub lanes: Vec<String>,
    /// Names that bars and marks refer to.
    pub labels: Vec<String>,
    /// What bars are drawn as: names of phases or shares.
    pub kinds: Vec<String>,
    /// The bars that are long enough to be kept.
    pub bars: Vec<Bar>,
    /// Bars that were left out because they are short.
    pub left_out: u64,
    /// Synchronisation points; of those that are closer than `apart`, one.
    pub barriers: Vec<Mark>,
    /// Start and end of jobs; those that are closer than `apart` are one.
    pub jobs: Vec<(f64, f64)>,
    /// What lies closer together is drawn as one, in ms; 0 where everything is drawn by itself.
    pub apart: f64,
    /// Busy lanes on average, in parts of the run.
    pub utilisation: Vec<f64>,
    /// The length of a part, in ms; the last one ends with the run.
    pub part: f64,
}

const BARS: usize = 5000;
const MARKS: usize = 4000;
const PARTS: usize = 512;

/// A bar with its names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    pub lane: &'a str,
    pub label: &'a str,
    pub kind: &'static str,
    pub from: f64,
    pub to: f64,
    pub critical: bool,
}

/// Collects a timeline while the run streams by.
#[derive(Debug, Default)]
pub(crate) struct TimelineBuilder {
    timeline: Timeline,
    lanes: BTreeMap<String, u32>,
    labels: BTreeMap<String, u32>,
    kinds: BTreeMap<&'static str, u32>,
    shortest: f64,
    jobs: Merged,
    barriers: Merged,
    busy: Buckets,
}

impl TimelineBuilder {
    /// Adds a bar; short ones give way when there are too many.
    pub fn bar(&mut self, stretch: Stretch<'_>) {
        let Stretch { lane, label, kind, from, to, critical } = stretch;
        if to - from < self.shortest {
            self.timeline.left_out += 1;
            return;
        }
        let lane = number(&mut self.lanes, &mut self.timeline.lanes, lane);
        let label = number(&mut self.labels, &mut self.timeline.labels, label);
        let next = self.timeline.kinds.len() as u32;
        let kind = *self.kinds.entry(kind).or_insert_with(|| {
            self.timeline.kinds.push(kind.to_owned());
            next
        });
        self.timeline.bars.push(Bar { lane, from, to, label, kind, critical });
        if self.timeline.bars.len() > 2 * BARS {
            self.thin();
        }
    }

    /// Notes that one lane is busy, whether or not its bar is drawn.
    pub fn busy(&mut self, from: f64, to: f64) {
        self.busy.add(from, to);
    }

    /// Adds a synchronisation point.
    pub fn barrier(&mut self, at: f64, label: &str) {
        let label = number(&mut self.labels, &mut self.timeline.labels, label);
        self.barriers.add((at, at, label));
    }

    /// Adds a job.
    pub fn job(&mut self, from: f64, to: f64) {
        self.jobs.add((from, to, 0));
    }

    /// The timeline of a run that lasted `end` ms.
    pub fn finish(mut self, end: f64) -> Timeline {
        if self.timeline.bars.len() > BARS {
            self.thin();
        }
        self.timeline.end = end;
        (self.timeline.part, self.timeline.utilisation) = self.busy.over(end);
        self.timeline.apart = self.jobs.apart.max(self.barriers.apart);
        self.timeline.jobs = self.jobs.kept.into_iter().map(|(from, to, _)| (from, to)).collect();
        let mark = |(at, _, label): (f64, f64, u32)| Mark { at, label };
        self.timeline.barriers = self.barriers.kept.into_iter().map(mark).collect();
        self.timeline.barriers.sort_by(|a, b| a.at.total_cmp(&b.at));
        self.timeline.bars.sort_by(|a, b| {
            (a.lane, a.from).partial_cmp(&(b.lane, b.from)).unwrap_or(std::cmp::Ordering::Equal)
        });
        self.timeline
    }

    /// Keeps the longer half.
    fn thin(&mut self) {
        let bars = &mut self.timeline.bars;
        bars.sort_by(|a, b| (b.to - b.from).total_cmp(&(a.to - a.from)));
        self.timeline.left_out += (bars.len() - BARS.min(bars.len())) as u64;
        bars.truncate(BARS);
        self.shortest = bars.last().map_or(0.0, |bar| bar.to - bar.from);
    }
}

/// Stretches with a label that are too many to be drawn are joined with their neighbours, the closest first, so that none
/// is lost.
#[derive(Debug, Default)]
struct Merged {
    kept: Vec<(f64, f64, u32)>,
    /// Neighbours that are closer than this are one.
    apart: f64,
}

impl Merged {
    fn add(&mut self, stretch: (f64, f64, u32)) {
        self.kept.push(stretch);
        if self.kept.len() >= 2 * MARKS {
            self.join();
        }
    }

    fn join(&mut self) {
        self.kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        let length = self.kept.last().map_or(0.0, |last| last.0) - self.kept[0].0;
        while self.kept.len() > MARKS {
            // Of so many in this length, neighbours at less than the mean distance surely exist.
            self.apart = (2.0 * self.apart).max(length / (2 * MARKS) as f64);
            let apart = self.apart;
            self.kept.dedup_by(|next, before| {
                let is_close = next.0 - before.1 <= apart && next.1 - before.0 <= 64.0 * apart;
                let is_inside = next.1 <= before.1;
                if is_close || is_inside {
                    before.1 = before.1.max(next.1);
                }
                is_close || is_inside
            });
        }
    }
}

/// Names beyond this are not told apart; a log may invent any number.
const NAMES: usize = 4096;

fn number(known: &mut BTreeMap<String, u32>, names: &mut Vec<String>, name: &str) -> u32 {
    if let Some(&number) = known.get(name) {
        return number;
    }
    if names.len() == NAMES - 1 {
        names.push("(one of many)".to_owned());
    }
    if names.len() == NAMES {
        return NAMES as u32 - 1;
    }
    let number = names.len() as u32;
    names.push(name.to_owned());
    known.insert(name.to_owned(), number);
    number
}

/// Busy time in equal parts that double in width as the run gets longer.
#[derive(Debug)]
struct Buckets {
    width: f64,
    busy: Vec<f64>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { width: 1.0, busy: Vec::new() }
    }
}

impl Buckets {
    fn add(&mut self, from: f64, to: f64) {
        if !(0.0..1e15).contains(&from) || !(from..1e15).contains(&to) {
            return;
        }
        self.reach(to);
        let (first, last) = ((from / self.width) as usize, (to / self.width) as usize);
        if self.busy.len() <= last {
            self.busy.resize(last + 1, 0.0);
        }
        for part in first..=last {
            let (start, end) = (part as f64 * self.width, (part + 1) as f64 * self.width);
            self.busy[part] += (to.min(end) - from.max(start)).max(0.0);
        }
    }

    /// Doubles the width until `time` lies within the parts.
    fn reach(&mut self, time: f64) {
        while time / self.width >= (2 * PARTS) as f64 {
            self.busy = self.busy.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.width *= 2.0;
        }
    }

    /// The width of a part, and the mean number of busy lanes in each part of a run that lasted `end`. The run may go on
    /// long after its last busy moment: the parts reach to its end, not only to that.
    fn over(mut self, end: f64) -> (f64, Vec<f64>) {
        self.reach(end);
        let parts = (end / self.width).ceil().clamp(0.0, (2 * PARTS) as f64) as usize;
        let width = |part: usize| (end - part as f64 * self.width).min(self.width);
        let busy = |part: usize| self.busy.get(part).copied().unwrap_or(0.0) / width(part);
        (self.width, (0..parts).map(busy).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilisation_adds_up_however_long_the_run() {
        let mut timeline = TimelineBuilder::default();
        for at in 0..10_000 {
            timeline.busy(f64::from(at) * 10.0, f64::from(at) * 10.0 + 5.0);
        }
        let timeline = timeline.finish(100_000.0);
        assert!(timeline.utilisation.len() <= 2 * PARTS);
        assert!(timeline.utilisation.iter().all(|busy| (busy - 0.5).abs() < 0.05));
    }

    #[test]
    fn the_parts_reach_to_the_end_of_a_run_that_idles_long() {
        let mut timeline = TimelineBuilder::default();
        timeline.busy(2000.0, 4000.0);
        let timeline = timeline.finish(5000.0);
        let parts = timeline.utilisation.iter().enumerate().filter(|(_, busy)| **busy > 0.5);
        let parts: Vec<f64> = parts.map(|(part, _)| part as f64 * timeline.part).collect();
        assert_eq!((parts[0], parts[parts.len() - 1] + timeline.part), (2000.0, 4000.0));
        assert!((timeline.utilisation.len() as f64 * timeline.part - 5000.0).abs() < timeline.part);
    }

    #[test]
    fn many_jobs_and_marks_are_joined_and_never_cut() {
        let mut timeline = TimelineBuilder::default();
        for at in 0..50_000u32 {
            timeline.job(f64::from(at) * 10.0, f64::from(at) * 10.0 + 8.0);
            timeline.barrier(f64::from(at) * 10.0, "stage");
        }
        let timeline = timeline.finish(500_000.0);
        assert!(timeline.jobs.len() < 2 * MARKS && timeline.barriers.len() < 2 * MARKS);
        let last = timeline.jobs.last().map(|job| job.1);
        assert_eq!((timeline.jobs[0].0, last), (0.0, Some(499_998.0)));
        let covered: f64 = timeline.jobs.iter().map(|job| job.1 - job.0).sum();
        assert!(covered >= 400_000.0, "{covered}");
        assert!(timeline.apart > 0.0);
    }

    #[test]
    fn the_longest_bars_stay() {
        let mut timeline = TimelineBuilder::default();
        for at in 0..100_000u32 {
            let length = if at % 1000 == 0 { 50.0 } else { 1.0 };
            let (from, to) = (f64::from(at) * 60.0, f64::from(at) * 60.0 + length);
            timeline.bar(Stretch {
                lane: "lane",
                label: "stage",
                kind: "compute",
                from,
                to,
                critical: false,
            });
        }
        let timeline = timeline.finish(6e6);
        assert_eq!(timeline.bars.iter().filter(|bar| bar.to - bar.from == 50.0).count(), 100);
        assert_eq!(timeline.bars.len() as u64 + timeline.left_out, 100_000);
    }
}
