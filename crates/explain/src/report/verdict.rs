//! The verdict: what to know first, in plain words. Each sentence names a share of something and its cause; nothing is
//! said that the figures do not carry.

use super::{Report, SyncKind, SyncPoint, devices};

/// Shares below this are not worth a sentence.
const WORTH: f64 = 0.03;

/// Sentences, most important first.
pub(crate) fn verdict(report: &Report) -> Vec<String> {
    let mut sentences = match &report.devices {
        Some(devices) => devices::sentences(report, devices),
        None => vec![where_time_went(report)],
    };
    sentences.extend(waiting(report));
    sentences.extend(polling(report));
    sentences.extend(stragglers(report));
    sentences.extend(narrow(report));
    sentences.extend(overheads(report));
    sentences.extend(unknown(report));
    if !report.complete {
        sentences.push("The log has no end: the run goes on, was killed, or the log was cut. All figures are up to its last event.".into());
    }
    if !report.damage.is_none() {
        let first = report
            .damage
            .first
            .first()
            .map_or(String::new(), |bad| format!(", the first is line {}", bad.line));
        let notes: String = report.damage.notes.iter().map(|note| format!("; {note}")).collect();
        sentences.push(format!("{} lines could not be read{first}{notes}.", report.damage.lines));
    }
    sentences
}

fn share(report: &Report, name: &str) -> f64 {
    report.shares.get(name).copied().unwrap_or(0.0)
}

pub(super) fn percent(share: f64) -> String {
    if share < 0.0995 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
}

fn where_time_went(report: &Report) -> String {
    let outside = share(report, "driver") + share(report, "startup");
    let work: f64 = [
        "compute",
        "gc",
        "shuffle_read",
        "shuffle_write",
        "deserialise",
        "serialise",
        "collective",
        "evaluate",
        "fold",
        "apply",
    ]
    .iter()
    .map(|name| share(report, name))
    .sum();
    let seconds = report.wall_ms as f64 / 1000.0;
    match report.system.as_str() {
        "spark" => format!(
            "{} of {seconds:.1} s no job ran: the driver worked or waited ({} before the first job, {} later); {} was work in tasks.",
            percent(outside),
            percent(share(report, "startup")),
            percent(share(report, "driver")),
            percent(work),
        ),
        _ => format!(
            "{} of {seconds:.1} s was work, {} waiting for each other, {} moving data.",
            percent(work),
            percent(share(report, "wait")),
            percent(share(report, "push") + share(report, "pull")),
        ),
    }
}

fn is_waiting(point: &&SyncPoint) -> bool {
    !matches!(point.kind, SyncKind::DriverGap | SyncKind::BroadcastGap | SyncKind::CtxBarrier)
}

fn waiting(report: &Report) -> Option<String> {
    let points: Vec<&SyncPoint> = report.sync_points.iter().filter(is_waiting).collect();
    let count: u64 = points.iter().map(|point| point.count).sum();
    let idle: f64 = points.iter().map(|point| point.idle_core_s).sum();
    let share: f64 = points.iter().map(|point| point.share).sum();
    let mut causes: Vec<(&str, f64)> = Vec::new();
    for point in &points {
        for (name, seconds) in point.split.causes() {
            match causes.iter_mut().find(|cause| cause.0 == name) {
                Some(cause) => cause.1 += seconds,
                None => causes.push((name, seconds)),
            }
        }
    }
    let (cause, most) = causes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let worst = points.first()?;
    (share >= 0.005 && idle > 0.0).then(|| {
        format!(
            "{} of the core time was waiting at {count} synchronisation points ({idle:.1} core-seconds), {}; most of it at {}{}.",
            percent(share),
            because(cause, most / idle),
            quoted(worst),
            if worst.count > 1 { format!(" ({} times)", worst.count) } else { String::new() },
        )
    })
}

fn because(cause: &str, share: f64) -> String {
    match cause {
        "unknown" => format!("for {} of it the trace cannot tell why", percent(share)),
        _ => format!("{} of it due to {cause}", percent(share)),
    }
}

fn quoted(point: &SyncPoint) -> String {
    if point.place.is_empty() {
        point.kind.title().to_owned()
    } else {
        format!("{} `{}`", point.kind.title(), point.place)
    }
}

fn polling(report: &Report) -> Option<String> {
    let point = report.sync_points.iter().find(|point| point.kind == SyncKind::CtxBarrier)?;
    Some(format!(
        "ctx.barrier() costs about 1 s a call: in {} barrier stages tasks slept {:.1} core-seconds ({} of all core time) in its 1 s polling, which Spark counts as run time.",
        point.count,
        point.idle_core_s,
        percent(point.share),
    ))
}

fn stragglers(report: &Report) -> Vec<String> {
    let worth =
        report.stragglers.iter().filter(|found| !found.who.is_empty() && found.idle_core_s > 0.0).take(2);
    worth
        .map(|found| {
            let place = if found.place.is_empty() { String::new() } else { format!(" at `{}`", found.place) };
            format!(
                "{}{place} takes {:.1} x as long as the others, {:.2} s more in all ({} of {} times last): {}; the others waited {:.1} core-seconds for it.",
                found.who, found.factor, found.excess_s, found.late, found.meetings, found.cause, found.idle_core_s
            )
        })
        .collect()
}

fn narrow(report: &Report) -> Option<String> {
    let narrow = share(report, "too_few_tasks");
    (narrow >= WORTH).then(|| {
        format!(
            "{} is lost because stages have fewer tasks than there are cores ({}).",
            percent(narrow),
            report.cores
        )
    })
}

fn overheads(report: &Report) -> Option<String> {
    let schedule = share(report, "schedule");
    (schedule >= WORTH && report.system == "spark").then(|| {
        format!(
            "{} goes to scheduling: a stage's first task starts {} ms after its submission, a task carries {:.0} ms beyond its run time (medians).",
            percent(schedule),
            report.median_stage_launch_ms,
            report.overheads.per_task.median_ms,
        )
    })
}

fn unknown(report: &Report) -> Option<String> {
    let unknown = share(report, "unknown") + share(report, "idle");
    (unknown >= 0.005).then(|| format!("{} cannot be explained from this trace.", percent(unknown)))
}
