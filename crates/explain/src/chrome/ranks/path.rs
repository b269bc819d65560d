//! The critical path over ranks, walked backwards from the end of the run. In a wait it goes over to the member of the meeting
//! that came last, whose work the others waited for. Every instant is on it once, so its parts add up to the wall time.

use std::collections::BTreeMap;

use super::Run;
use super::segments::Segment;
use crate::report::{PathPart, Slack};

/// The path's parts, longest first, and each rank's slack: how long it waited for others.
pub(super) fn path(run: &Run) -> (Vec<PathPart>, Vec<Slack>) {
    let mut parts: BTreeMap<(usize, &'static str), u64> = BTreeMap::new();
    let ends = |at: &usize| run.ranks[*at].end().unwrap_or(0);
    let mut at = (0..run.ranks.len()).max_by_key(ends).unwrap_or(0);
    let mut now = run.wall;
    while let Some(segment) = before(run, at, now) {
        let culprit = meet(run, at, &segment).and_then(|meet| last_of(run, meet as usize));
        // The one that came last did not wait itself, or the path would go round.
        let works = |other: &usize| before(run, *other, now).is_some_and(|found| found.what() != "wait");
        let segment = match culprit.filter(|other| *other != at).filter(works) {
            Some(other) => {
                at = other;
                before(run, at, now).unwrap_or(segment)
            }
            None => segment,
        };
        *parts.entry((at, segment.what())).or_default() += now - segment.from;
        now = segment.from;
    }
    let part = |((at, phase), ns): ((usize, &'static str), u64)| PathPart {
        stage: run.ranks[at].name.clone(),
        phase,
        ms: ns as f64 / 1e6,
        share: ns as f64 / run.wall.max(1) as f64,
    };
    let mut parts: Vec<PathPart> = parts.into_iter().map(part).collect();
    parts.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let slack = (0..run.ranks.len()).map(|at| slack(run, at, &parts)).collect();
    (parts, slack)
}

/// What a rank did just before `now`; segments have no holes, so `None` only at the start.
fn before(run: &Run, at: usize, now: u64) -> Option<Segment> {
    let segments = run.segments.get(at)?;
    let index = segments.partition_point(|segment| segment.from < now);
    index.checked_sub(1).map(|index| segments[index])
}

/// The meeting in which a segment waits.
fn meet(run: &Run, at: usize, segment: &Segment) -> Option<u32> {
    let own = segment.collective().filter(|_| segment.what() == "wait")?;
    run.ranks[at].collectives[own].meet
}

/// The rank that came last to a meeting.
fn last_of(run: &Run, meet: usize) -> Option<usize> {
    let start = |member: &&(usize, usize)| run.ranks[member.0].collectives[member.1].start;
    run.meets.get(meet)?.members.iter().max_by_key(start).map(|member| member.0)
}

fn slack(run: &Run, at: usize, path: &[PathPart]) -> Slack {
    let waits: Vec<f64> = run.segments[at]
        .iter()
        .filter(|segment| segment.what() == "wait")
        .map(|segment| (segment.to - segment.from) as f64 / 1e6)
        .collect();
    let mean = crate::analysis::numbers::mean(&waits);
    let name = &run.ranks[at].name;
    let on_path = u64::from(path.iter().any(|part| part.stage == *name));
    Slack {
        stage: name.clone(),
        count: waits.len() as u64,
        on_path,
        mean_slack_ms: mean,
        mean_task_slack_ms: mean,
    }
}
