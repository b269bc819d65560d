//! The verdict: what to know first, in plain words. Each sentence names a share of something and its cause; nothing is
//! said that the figures do not carry.

use syncline_terminal::unit::{digits, factor, milliseconds, plural};

use super::{Report, SyncKind, SyncPoint, calls, decoded, devices, outvoted};

/// Shares below this are not worth a sentence.
const WORTH: f64 = 0.03;

/// Sentences, most important first.
pub(crate) fn verdict(report: &Report) -> Vec<String> {
    let mut sentences = match &report.devices {
        Some(devices) => devices::sentences(report, devices),
        None if report.is_of_calls() => vec![calls::where_time_went(report)],
        None => vec![where_time_went(report)],
    };
    if report.is_of_calls() {
        sentences.extend(report.calls.iter().flat_map(calls::sentences));
    }
    sentences.extend(failures(report));
    sentences.extend(unneeded(report));
    sentences.extend(lost_events(report));
    sentences.extend(unfinished(report));
    sentences.extend(waiting(report));
    sentences.extend(decoded::sentence(report));
    sentences.extend(outvoted::sentences(report));
    sentences.extend(polling(report));
    sentences.extend(stragglers(report));
    sentences.extend(narrow(report));
    sentences.extend(overheads(report));
    sentences.extend(advice(report));
    sentences.extend(waiting_for_core(report));
    if !report.is_of_calls() {
        sentences.extend(unknown(report));
    }
    if !report.complete {
        sentences.push("The log has no end: the run goes on, was killed, or the log was cut. All figures are up to its last event.".into());
    }
    sentences.extend(report.notes.iter().cloned());
    sentences.extend(unreadable(report));
    sentences.extend(report.damage.notes.iter().map(|note| format!("{}.", capitalised(note))));
    sentences
}

fn unreadable(report: &Report) -> Option<String> {
    let first = report.damage.first.first()?;
    let lines = plural(report.damage.lines, "line");
    Some(format!("{lines} could not be read, the first is line {}.", first.line))
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
        "evaluate",
        "fold",
        "apply",
    ]
    .iter()
    .map(|name| share(report, name))
    .sum();
    let wall = milliseconds(report.wall_ms);
    match report.system.as_str() {
        "spark" => format!(
            "{} of {wall} no job ran: the driver worked or waited ({} before the first job, {} later); {} was work in tasks.",
            percent(outside),
            percent(share(report, "startup")),
            percent(share(report, "driver")),
            percent(work),
        ),
        _ => {
            let waiting = share(report, "wait");
            let moving: f64 = ["push", "pull", "collective"].iter().map(|name| share(report, name)).sum();
            let rest = (1.0 - work - waiting - moving).max(0.0);
            format!(
                "{} of {wall} was work, {} waiting for each other, {} moving data, {} something else (start-up, the \
                 driver, between spans).",
                percent(work),
                percent(waiting),
                percent(moving),
                percent(rest),
            )
        }
    }
}

/// What did not end well and what it cost. Killed attempts alone are worth a sentence only by their time: speculation makes
/// them on purpose.
fn failures(report: &Report) -> Option<String> {
    let Report { jobs, failed_jobs, failed_stages, retried_stages, tasks, failed_tasks, .. } = report;
    let killed = report.killed_tasks;
    let share = share(report, "failures");
    if failed_jobs + failed_stages + report.lost_executors + (failed_tasks - killed) == 0 && share < 0.01 {
        return None;
    }
    let mut counts = Vec::new();
    if *failed_jobs > 0 {
        counts.push(format!("{failed_jobs} of {jobs} jobs failed"));
    }
    if *failed_stages > 0 {
        counts.push(format!("{} failed", plural(*failed_stages, "stage")));
    }
    if *retried_stages > 0 {
        counts.push(format!("{} repeated", plural(*retried_stages, "stage")));
    }
    if report.lost_executors > 0 {
        counts.push(format!("{} lost", plural(report.lost_executors, "executor")));
    }
    if *failed_tasks == 0 {
        return Some(format!(
            "{}; no task was lost with {}.",
            counts.join(", "),
            if counts.len() > 1 { "them" } else { "it" }
        ));
    }
    let killed = if killed > 0 { format!(" ({killed} of them killed)") } else { String::new() };
    counts.push(format!("{failed_tasks} of {tasks} tasks did not succeed{killed}"));
    let lost = report.failures.lost_task_ms as f64;
    let of_tasks = lost / (report.failures.task_ms.max(1) as f64);
    let reason = report.failures.reasons.first().map_or(String::new(), |lost| {
        format!(
            ", most of them at `{}`: {}",
            lost.stage,
            if lost.why.is_empty() { "no reason given" } else { &lost.why }
        )
    });
    let waited = match report.failures.waited_core_s {
        waited if waited >= 0.05 => {
            format!("; {waited:.1} core-seconds were spent waiting for them and their repetition")
        }
        _ => String::new(),
    };
    Some(format!(
        "{}{reason}. {:.1} of {:.1} s of task time ({}) went into attempts that did not count{waited}: {} of the run.",
        counts.join(", "),
        lost / 1000.0,
        report.failures.task_ms as f64 / 1000.0,
        percent(of_tasks),
        percent(share),
    ))
}

fn unneeded(report: &Report) -> Option<String> {
    let ms = report.failures.unneeded_task_ms;
    (share(report, "unneeded") >= 0.01).then(|| {
        format!(
            "Tasks went on for {:.1} s after nobody needed them any more, {} of the run: their stage or job was over.",
            ms as f64 / 1000.0,
            percent(share(report, "unneeded"))
        )
    })
}

fn lost_events(report: &Report) -> Option<String> {
    let missing = report.missing_task_ends;
    (missing > 0).then(|| {
        format!(
            "{} without an end in the log although their stages were completed: Spark's listener lost events, so what \
             happened then cannot be told.",
            plural(missing, "task")
        )
    })
}

fn unfinished(report: &Report) -> Option<String> {
    let Report { unfinished_jobs: jobs, unfinished_stages: stages, unfinished_tasks: tasks, .. } = report;
    (!report.complete && jobs + stages + tasks > 0).then(|| {
        format!(
            "{}, {} and {} were unfinished when the log ended, {} of the run.",
            plural(*jobs, "job"),
            plural(*stages, "stage"),
            plural(*tasks, "running task"),
            percent(share(report, "unfinished"))
        )
    })
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
            "{} of the core time was waiting at {} ({} core-seconds), {}; most of it at {}{}.",
            percent(share),
            plural(count, "synchronisation point"),
            core_seconds(idle),
            because(cause, most / idle),
            quoted(worst),
            if worst.count > 1 { format!(" ({} times)", worst.count) } else { String::new() },
        )
    })
}

/// Core-seconds with a digit after the point, or three that count.
fn core_seconds(time: f64) -> String {
    if time >= 10.0 { format!("{time:.1}") } else { digits(time, 3) }
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
                "{}{place} takes {} as long as the others, {:.2} s more in all ({} of {} times last): {}; the others waited {} core-seconds for it.",
                found.who, factor(found.factor), found.excess_s, found.late, found.meetings, found.cause, core_seconds(found.idle_core_s)
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
            "{} goes to scheduling: a stage's first task starts {} after its submission, a task carries {} beyond its run time (medians).",
            percent(schedule),
            milliseconds(report.overheads.stage_launch.median_ms),
            milliseconds(report.overheads.per_task.median_ms),
        )
    })
}

/// What would help most.
fn advice(report: &Report) -> Option<String> {
    let first = report.advice.first().filter(|advice| advice.share >= WORTH)?;
    let setting = first.settings.first()?;
    let title = first.kind.title();
    Some(format!(
        "{}{} at `{}` ({} at most): {}; {setting} governs it.",
        title[..1].to_uppercase(),
        &title[1..],
        first.place,
        percent(first.share),
        first.evidence
    ))
}

/// What workers waited for that had work and no core.
fn waiting_for_core(report: &Report) -> Option<String> {
    let waited = share(report, "waiting_for_core");
    let others = report.machine.filter(|machine| machine.others_share + machine.stolen_share >= 0.1);
    let others = others.map_or(String::new(), |machine| {
        let stolen = match machine.stolen_share {
            stolen if stolen >= 0.005 => format!(" and other virtual machines {}", percent(stolen)),
            _ => String::new(),
        };
        format!("; meanwhile other processes used {} of the machine{stolen}", percent(machine.others_share))
    });
    (waited >= WORTH).then(|| format!("{} was waiting for a core{others}.", percent(waited)))
}

fn unknown(report: &Report) -> Option<String> {
    let unknown = share(report, "unknown") + share(report, "idle");
    (unknown >= 0.005).then(|| format!("{} cannot be explained from this trace.", percent(unknown)))
}
