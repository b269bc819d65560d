//! Why a job is where it is, in words: what it lacks, and who holds it.

use syncline_schedule::{JobId, Resource, Resources, state::JobState};

use crate::{
    record::{Attempt, Outcome, Record},
    scheduler::Scheduler,
    view::held,
};

/// One sentence about a job at `now`.
pub fn why(scheduler: &Scheduler, record: &Record, now: f64) -> String {
    match (&record.outcome, &record.open) {
        (Some(Outcome::Done), _) => "it has ended with success".into(),
        (Some(Outcome::Failed(why)), _) => format!("it failed: {why}"),
        (Some(Outcome::Cancelled), None) => "it was cancelled".into(),
        (Some(Outcome::TurnedDown(why)), _) => format!("it was turned down: {why}"),
        (Some(Outcome::TimedOut(limit)), None) => format!("it had run for the {limit:.0} s that it may"),
        (_, Some(open)) if open.killed => {
            "it did not stop when asked and was killed; its processes are still there".into()
        }
        (Some(Outcome::TimedOut(limit)), Some(_)) => {
            format!("it has run for the {limit:.0} s that it may and is asked to stop")
        }
        (Some(Outcome::Cancelled), Some(_)) => "it was cancelled and is asked to stop".into(),
        (None, Some(open)) if open.asked.is_some() => {
            match (scheduler.first_gone(&open.placement), &open.refused) {
                (Some((machine, why)), _) => format!(
                    "{machine} does not answer ({why}), so it goes on elsewhere, or there later, when nothing of it can run there any more"
                ),
                (None, None) => "it is asked to stop, to go on with other workers or later".into(),
                (None, Some(why)) => format!(
                    "it is asked to stop, to go on with other workers, which it could not have while it ran: {why}"
                ),
            }
        }
        (None, Some(_)) => running(scheduler, record),
        (None, None) => waiting(scheduler, record, now),
    }
}

fn running(scheduler: &Scheduler, record: &Record) -> String {
    let job = scheduler.desk().state().job(record.id);
    let (workers, most) = (job.placement.workers(), job.job.workers.max);
    let open = record.open.as_ref().filter(|open| open.placement != job.placement);
    if let Some(open) = open {
        let now = open.placement.workers();
        let when = if open.resizing.is_some() { "at its next round" } else { "as soon as there is room" };
        return format!("it runs with {now} of at most {most} workers, and has {workers} {when}");
    }
    if !job.job.resume || workers >= most {
        return "it runs".into();
    }
    format!("it runs with {workers} of at most {most} workers")
}

fn waiting(scheduler: &Scheduler, record: &Record, now: f64) -> String {
    if record.not_before > now {
        let again = record.not_before - now;
        return match record.history.last().and_then(|ran| scheduler.first_gone(&ran.placement)) {
            Some((machine, why)) => format!(
                "{machine}, where it ran, does not answer ({why}); it is begun again in {again:.0} s, when nothing of it can run there any more"
            ),
            None => format!("it ended without success, or was lost, and is begun again in {again:.0} s"),
        };
    }
    let state = scheduler.desk().state();
    let job = state.job(record.id);
    if !job.placement.is_empty() {
        return match stopping(scheduler) {
            names if names.is_empty() => "it is about to start".into(),
            names => format!("it starts as soon as {} has made room", names.join(", ")),
        };
    }
    if let Some(why) = scheduler.desk().held(record.id) {
        return why.to_owned();
    }
    let held = held(scheduler);
    let mut free: Vec<Resources> = Vec::new();
    for id in state.cluster.ids() {
        let mut left = if state.is_up(id) && state.cluster.allows(&job.job, id) {
            *state.cluster.capacity(id)
        } else {
            Resources::default()
        };
        left.add(&held[id.index()], -1.0);
        free.push(left);
    }
    let fits: u32 = free.iter().map(|free| free.how_many(&job.job.worker)).fold(0, u32::saturating_add);
    if fits >= job.job.workers.min {
        return format!("there is room, but {} lets others go first", state_policy(scheduler));
    }
    let gone: Vec<String> =
        state.cluster.ids().filter(|id| !state.is_up(*id)).map(|id| state.cluster.name(id)).collect();
    match (lacks(scheduler, job, &free, fits), gone.as_slice()) {
        (lacks, []) => lacks,
        (lacks, [gone]) => format!("{lacks}; {gone} does not answer"),
        (lacks, [first, rest @ ..]) => {
            format!("{lacks}; {first} and {} more machines do not answer", rest.len())
        }
    }
}

fn state_policy(scheduler: &Scheduler) -> &'static str {
    scheduler.desk().policy_name()
}

fn stopping(scheduler: &Scheduler) -> Vec<String> {
    let gives_way = |record: &&Record| {
        let shrinks = |open: &Attempt| {
            open.resizing.as_ref().is_some_and(|resizing| resizing.to.workers() < open.placement.workers())
        };
        record.open.as_ref().is_some_and(|open| open.asked.is_some() || shrinks(open))
    };
    scheduler.records().iter().filter(gives_way).map(|record| record.name.clone()).collect()
}

/// What is short for the smallest gang, and who has it.
fn lacks(scheduler: &Scheduler, job: &JobState, free: &[Resources], fits: u32) -> String {
    let gang = job.job.workers.min;
    let all = free.iter().fold(Resources::default(), |sum, free| sum.plus(free));
    let need = job.job.worker.times(f64::from(gang));
    let kind = all.lacks(&need).map_or(scarcest(&job.job.worker), |(kind, ..)| kind);
    let holders = holders(scheduler, kind, job.job.id);
    let held = match holders.split_at_checked(3) {
        None => holders.join(", "),
        Some((first, [])) => first.join(", "),
        Some((first, rest)) => format!("{} and {} more", first.join(", "), rest.len()),
    };
    let what = if gang == 1 { "its worker needs".into() } else { format!("its {gang} workers need") };
    let missing = match fits {
        0 => format!("{what} {} of {}, and {} is free", need[kind], kind.name(), all[kind].max(0.0)),
        fits => format!("{what} {} of {}, and there is room for {fits}", need[kind], kind.name()),
    };
    if held.is_empty() { missing } else { format!("{missing}; held by {held}") }
}

fn scarcest(worker: &Resources) -> Resource {
    Resource::ALL.into_iter().find(|kind| worker[*kind] > 0.0).unwrap_or(Resource::Cpu)
}

/// Who holds a type of resource, the largest first.
fn holders(scheduler: &Scheduler, kind: Resource, except: JobId) -> Vec<String> {
    let state = scheduler.desk().state();
    let amount = |record: &Record| {
        let job = &state.job(record.id).job;
        let shares = record.open.iter().flat_map(|open| open.holds().shares().to_vec());
        shares.map(|share| share.demand(job)[kind]).sum::<f64>()
    };
    let mut holders: Vec<(f64, &Record)> = scheduler
        .records()
        .iter()
        .filter(|record| record.id != except)
        .map(|record| (amount(record), record))
        .filter(|(amount, _)| *amount > 0.0)
        .collect();
    holders.sort_by(|a, b| b.0.total_cmp(&a.0));
    holders.into_iter().map(|(amount, record)| format!("{} ({amount})", record.name)).collect()
}
