//! The rounds of workers, and the meetings at whose gates they wait for one another.

use std::collections::BTreeMap;

use syncline_trace::{Phase, RunInfo, Span};

use super::{Lanes, ms, trains};
use crate::analysis::meeting::{Arrival, Group, Meeting, Meetings, Place, SyncKind};

/// What a worker did in one round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    started: u64,
    busy: u64,
    transfer: u64,
    waited: u64,
    wait_end: u64,
    records: u64,
    /// Whether the next gate was reached: only then the round is comparable.
    has_work: bool,
}

/// What kind of meeting the workers have.
pub(super) fn kind(lanes: &Lanes<'_>) -> SyncKind {
    let is_collective = lanes.all().any(|span| span.phase == Phase::Collective);
    if is_collective { SyncKind::AllReduce } else { SyncKind::Gate }
}

/// What each worker did in each round.
pub(super) type Rounds = BTreeMap<u64, BTreeMap<u32, Round>>;

/// In round `r` a worker works and then waits at the gate of round `r + 1`.
pub(super) fn rounds_of_all(lanes: &Lanes<'_>) -> Rounds {
    let kind = kind(lanes);
    let mut rounds = Rounds::new();
    for (&node, spans) in &lanes.by_node {
        for span in spans {
            let is_wait = span.phase == Phase::Wait;
            // A gate's wait carries the round that it lets in; the work before it is of the round before.
            let number = match kind {
                SyncKind::Gate if is_wait => span.round.checked_sub(1),
                _ => Some(span.round),
            };
            let Some(number) = number else { continue };
            let round = rounds.entry(number).or_default().entry(node).or_default();
            if is_wait {
                round.waited += span.duration_ns();
                round.wait_end = round.wait_end.max(span.end_ns);
            } else if span.phase != Phase::Collective {
                if !round.has_work {
                    round.started = span.start_ns;
                }
                round.has_work = true;
                round.started = round.started.min(span.start_ns);
                match span.phase {
                    Phase::Push | Phase::Pull => round.transfer += span.duration_ns(),
                    _ => round.busy += span.duration_ns(),
                }
                round.records += if span.phase == Phase::Compute { span.records } else { 0 };
            }
        }
    }
    rounds
}

/// The meetings at gates; asynchronous workers never wait, and so do not meet.
pub(super) fn meetings(info: &RunInfo, lanes: &Lanes<'_>, rounds: &Rounds) -> Meetings {
    let mut meetings = Meetings::default();
    if !lanes.all().any(|span| span.phase == Phase::Wait) {
        return meetings;
    }
    let kind = match kind(lanes) {
        // Workers without a server meet where they sum what they have.
        SyncKind::Gate if trains(info) && info.servers == 0 => SyncKind::AllReduce,
        kind => kind,
    };
    let place = Place { kind, label: String::new(), level: 0 };
    for workers in rounds.values() {
        if let Some(mut meeting) = meeting(workers) {
            if info.sync == "bsp" {
                note_starts(&mut meeting, workers);
            }
            meetings.add(place.clone(), meeting);
        }
    }
    meetings
}

/// All rounds side by side, whether or not the workers met in them: they tell who is slow.
pub(super) fn all_rounds(rounds: &Rounds) -> Group {
    let meetings: Vec<Meeting> = rounds.values().filter_map(meeting).collect();
    Group { count: meetings.len() as u64, meetings, ..Group::default() }
}

pub(super) fn end_place() -> Place {
    Place { kind: SyncKind::EndOfTraining, label: String::new(), level: 0 }
}

/// Waiting at the end for less than this share of the run's core time is no meeting worth telling.
const END_WORTH: f64 = 0.001;

/// The end of training as a meeting: the result is there when the last worker has gone through its share.
pub(super) fn end_of_training(info: &RunInfo, lanes: &Lanes<'_>) -> Option<Meeting> {
    if !trains(info) || !info.complete || lanes.by_node.len() < 2 {
        return None;
    }
    let arrival = |(&who, spans): (&u32, &Vec<&Span>)| {
        let ended = spans.iter().map(|span| span.end_ns).max().unwrap_or(lanes.start);
        let sum = |phases: &[Phase]| {
            let of_phase = spans.iter().filter(|span| phases.contains(&span.phase));
            of_phase.map(|span| ms(span.duration_ns())).sum::<f64>() as f32
        };
        Arrival {
            who,
            part: who,
            finished: ms(ended.saturating_sub(lanes.start)) as f32,
            busy: sum(&[Phase::Compute]),
            transfer: sum(&[Phase::Push, Phase::Pull]),
            ..Arrival::default()
        }
    };
    let arrivals = lanes.by_node.iter().map(arrival).collect();
    let meeting = Meeting { at: ms(lanes.end), arrivals, ..Meeting::default() };
    let core_ms = ms(lanes.end - lanes.start) * lanes.by_node.len() as f64;
    (meeting.idle() > END_WORTH * core_ms).then_some(meeting)
}

/// A gate as a meeting. Everyone's finish is put where its wait says, before a common release. Where nobody waited, all
/// came in time for their gate.
fn meeting(workers: &BTreeMap<u32, Round>) -> Option<Meeting> {
    let working: Vec<(&u32, &Round)> = workers.iter().filter(|(_, round)| round.has_work).collect();
    if working.len() < 2 {
        return None;
    }
    let longest = working.iter().map(|(_, round)| round.waited).max()?;
    let released = working.iter().map(|(_, round)| round.wait_end).max()?;
    let arrivals = working.iter().map(|&(&who, round)| Arrival {
        who,
        part: who,
        started: 0.0,
        finished: ms(longest - round.waited) as f32,
        busy: ms(round.busy) as f32,
        transfer: ms(round.transfer) as f32,
        work: round.records as f32,
        ..Arrival::default()
    });
    Some(Meeting { at: ms(released), arrivals: arrivals.collect(), ..Meeting::default() })
}

/// Notes who began the round later. Only where all begin it together does that explain anything: under a looser policy a
/// late start is the lag of earlier rounds.
fn note_starts(meeting: &mut Meeting, workers: &BTreeMap<u32, Round>) {
    let started = |who: u32| workers.get(&who).map_or(0, |round| round.started);
    let first = meeting.arrivals.iter().map(|arrival| started(arrival.who)).min().unwrap_or(0);
    for arrival in &mut meeting.arrivals {
        arrival.started = ms(started(arrival.who) - first) as f32;
    }
}
