//! Why a job waits, in words: what it lacks and who holds it, who comes first, or what its scheduler waits for.

use super::{
    Amounts, Job, Request, Snapshot, Standing, Waiting,
    forecast::{Forecast, allowed, closed_for, taken, word},
    timeline::{Timeline, Wish, fit_on},
};
use crate::calendar;

/// Holders that are named.
const NAMED: usize = 3;

/// A kind of which there is too little.
#[derive(Debug, Clone, PartialEq)]
pub struct Lack {
    /// As in [`Snapshot::kinds`].
    pub kind: String,
    /// What the job asks for of it in all.
    pub needed: f64,
    /// What is free now where it may run.
    pub free: f64,
    /// Whoever holds most of it there: job and amount.
    pub holders: Vec<(usize, f64)>,
}

/// Why a job is where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// In words.
    pub reason: String,
    /// The kind that is scarcest, if it is room that it lacks.
    pub lack: Option<Lack>,
    /// Jobs that may use the same places and come first.
    pub ahead: usize,
}

/// Why a job waits, or that it does not.
pub fn why(snapshot: &Snapshot, forecast: &Forecast, at: usize) -> Why {
    let job = &snapshot.jobs[at];
    let plain = |reason: String| Why { reason, lack: None, ahead: 0 };
    let waiting = match &job.standing {
        Standing::Running { note: Some(note), .. } => return plain(note.clone()),
        Standing::Running { .. } => return plain("it runs".into()),
        Standing::Waiting(waiting) => waiting,
    };
    if let Some(never) = forecast.start(at).and_then(|start| start.never.clone()) {
        return plain(never);
    }
    if let Some(reason) = kept(snapshot, job, waiting) {
        return plain(reason);
    }
    let ahead = ahead(snapshot, forecast, at);
    let allowed = allowed(snapshot, job);
    let mut now = taken(snapshot);
    let wish = Wish { request: &job.request, allowed: &allowed, seconds: job.limit.unwrap_or(f64::INFINITY) };
    if now.fit(&wish, snapshot.now).is_none() {
        let lack = lack(snapshot, &now, job, &allowed);
        let mut reason = lacks(snapshot, &now, job, &allowed, &lack);
        reason += &before(snapshot, &ahead);
        return Why { reason, lack: Some(lack), ahead: ahead.len() };
    }
    closed_for(snapshot, &mut now, Some(waiting));
    let reason = if now.fit(&wish, snapshot.now).is_none() {
        reserved(snapshot, job)
    } else {
        let room = "there is room for it now";
        match ahead.first() {
            Some(first) if may_wait(snapshot, forecast, *first) => {
                format!("{room}, but it is kept for those before it{}", before(snapshot, &ahead))
            }
            _ => format!("{room}, and it has not been looked at yet{}", told(waiting)),
        }
    };
    Why { reason, lack: None, ahead: ahead.len() }
}

/// What keeps a job that is neither room nor others.
fn kept(snapshot: &Snapshot, job: &Job, waiting: &Waiting) -> Option<String> {
    if let Some(from) = waiting.from.filter(|from| *from > snapshot.now) {
        return Some(format!(
            "it may not begin before {}, in {}",
            clock(snapshot.now, from),
            span(from - snapshot.now)
        ));
    }
    if !waiting.after.is_empty() {
        let state = |id: &String| {
            let of: Vec<&Job> = snapshot.jobs.iter().filter(|job| super::forecast::is_of(job, id)).collect();
            let runs = of.iter().filter(|job| job.waiting().is_none()).count();
            match of.len() {
                0 => format!("{id}, which is not in the snapshot"),
                1 if runs == 1 => format!("{id}, which runs"),
                1 => format!("{id}, which waits"),
                tasks => format!("{id}, of which {tasks} tasks are left"),
            }
        };
        let unmet: Vec<String> = waiting.after.iter().map(state).collect();
        return Some(format!("it depends ({}) on {}", waiting.dependency, unmet.join(", ")));
    }
    let array = job.id.split_once('_').map(|(array, _)| array);
    if let (Some(most), Some(array)) = (waiting.at_once, array) {
        let running = snapshot
            .jobs
            .iter()
            .filter(|job| job.waiting().is_none() && super::forecast::is_of(job, array))
            .count();
        if running >= most as usize {
            return Some(format!("at most {most} tasks of its array run at once, and {running} do"));
        }
    }
    None
}

/// Those before a job that may take the same places.
fn ahead(snapshot: &Snapshot, forecast: &Forecast, at: usize) -> Vec<usize> {
    let own = allowed(snapshot, &snapshot.jobs[at]);
    let places = |job: &Job| match &job.request {
        Request::Nodes(_) => allowed(snapshot, job),
        Request::Quota(ways) => {
            let mut uses = vec![false; own.len()];
            ways.iter().flatten().for_each(|(place, _)| uses[*place] = true);
            uses
        }
    };
    let own = places(&snapshot.jobs[at]);
    let meets = |other: &usize| places(&snapshot.jobs[*other]).iter().zip(&own).any(|(a, b)| *a && *b);
    let before =
        forecast.starts.iter().take_while(|start| start.job != at).filter(|start| start.never.is_none());
    before.map(|start| start.job).filter(meets).collect()
}

fn may_wait(snapshot: &Snapshot, forecast: &Forecast, at: usize) -> bool {
    forecast.plan.of(at).is_none_or(|(start, _)| *start > snapshot.now)
}

fn before(snapshot: &Snapshot, ahead: &[usize]) -> String {
    match ahead {
        [] => String::new(),
        [one] => format!("; {} comes first", snapshot.jobs[*one].label()),
        [one, rest @ ..] => format!("; {} and {} more come first", snapshot.jobs[*one].label(), rest.len()),
    }
}

fn told(waiting: &Waiting) -> String {
    let said = if waiting.message.is_empty() { &waiting.reason } else { &waiting.message };
    if matches!(said.as_str(), "" | "None" | "Pending") {
        String::new()
    } else {
        format!("; its scheduler says: {said}")
    }
}

fn reserved(snapshot: &Snapshot, job: &Job) -> String {
    let own = job.waiting().and_then(|waiting| waiting.reservation.clone());
    let others = snapshot
        .closures
        .iter()
        .filter(|closure| Some(&closure.name) != own.as_ref() && closure.until > snapshot.now);
    let named: Vec<String> = others
        .map(|closure| {
            format!(
                "{} ({} from {} to {})",
                closure.name,
                places(closure.places.len()),
                clock(snapshot.now, closure.from),
                clock(snapshot.now, closure.until)
            )
        })
        .collect();
    format!(
        "there is room for it now, but not until its limit is over: there is the reservation {}",
        named.join(", ")
    )
}

/// The kind of which there is too little: that of which, alone, the fewest of the job would fit.
fn lack(snapshot: &Snapshot, now: &Timeline, job: &Job, allowed: &[bool]) -> Lack {
    let total = job.total(snapshot);
    let mut free = vec![0.0; snapshot.kinds.len()];
    let open = places_of(snapshot, job, allowed);
    for place in &open {
        let here = now.free(*place, snapshot.now, snapshot.now + 1.0);
        for (sum, amount) in free.iter_mut().zip(here) {
            // In quotas the least of queue and cohort counts, on nodes what they have together.
            *sum = if matches!(job.request, Request::Nodes(_)) { *sum + amount } else { amount };
        }
    }
    if let Request::Quota(_) = job.request {
        free = open.iter().fold(vec![f64::INFINITY; free.len()], |least: Amounts, place| {
            let here = now.free(*place, snapshot.now, snapshot.now + 1.0);
            least.iter().zip(here).map(|(least, here)| least.min(here)).collect()
        });
    }
    let share = |kind: usize| match &job.request {
        Request::Nodes(tasks) => {
            f64::from(fitting(tasks, snapshot, now, &open, Some(kind))) / f64::from(tasks.count.max(1))
        }
        Request::Quota(_) => free[kind] / total[kind],
    };
    let asked = (0..total.len()).filter(|kind| total[*kind] > 0.0);
    let kind = asked.min_by(|a, b| share(*a).total_cmp(&share(*b))).unwrap_or(0);
    let mut holders: Vec<(usize, f64)> = Vec::new();
    for (at, other) in snapshot.jobs.iter().enumerate() {
        let here = other.holds().into_iter().flatten().filter(|(place, _)| open.contains(place));
        // A place of a cohort counts what its queues' places count too.
        let most = here.map(|(place, amounts)| (snapshot.places[*place].shared, amounts[kind]));
        let (shared, own): (Vec<_>, Vec<_>) = most.partition(|(shared, _)| *shared);
        let own = own.iter().map(|(_, amount)| amount).sum::<f64>();
        let amount = shared.iter().map(|(_, amount)| *amount).fold(own, f64::max);
        if amount > 0.0 {
            holders.push((at, amount));
        }
    }
    holders.sort_by(|a, b| b.1.total_cmp(&a.1));
    Lack { kind: snapshot.kinds[kind].clone(), needed: total[kind], free: free[kind].max(0.0), holders }
}

/// Where a job may run: its nodes, or the places of its first way.
fn places_of(snapshot: &Snapshot, job: &Job, allowed: &[bool]) -> Vec<usize> {
    match &job.request {
        Request::Nodes(tasks) => {
            let asked_for = |place: &usize| !asks_for_all(tasks) || tasks.required.contains(place);
            (0..snapshot.places.len()).filter(|place| allowed[*place]).filter(asked_for).collect()
        }
        Request::Quota(ways) => ways.iter().take(1).flatten().map(|(place, _)| *place).collect(),
    }
}

/// Whether a job names all the nodes that it may have.
fn asks_for_all(tasks: &super::Tasks) -> bool {
    !tasks.required.is_empty() && tasks.required.len() >= tasks.fewest as usize
}

/// How many tasks fit now, by all kinds or by one alone.
fn fitting(
    tasks: &super::Tasks,
    snapshot: &Snapshot,
    now: &Timeline,
    places: &[usize],
    only: Option<usize>,
) -> u32 {
    let fit = |place: &usize| {
        let mut free = now.free(*place, snapshot.now, snapshot.now + 1.0);
        if tasks.exclusive && free != snapshot.places[*place].capacity {
            return 0;
        }
        if let Some(only) = only {
            (0..free.len()).filter(|kind| *kind != only).for_each(|kind| free[kind] = f64::INFINITY);
        }
        fit_on(tasks, &free).min(tasks.count)
    };
    places.iter().map(fit).sum()
}

fn lacks(snapshot: &Snapshot, now: &Timeline, job: &Job, allowed: &[bool], lack: &Lack) -> String {
    let held: Vec<String> =
        lack.holders.iter().take(NAMED).map(|(at, amount)| holder(snapshot, *at, *amount)).collect();
    let more = lack.holders.len().saturating_sub(NAMED);
    let held = match (held.is_empty(), more) {
        (true, _) => String::new(),
        (_, 0) => format!("; held by {}", held.join(", ")),
        (_, more) => format!("; held by {} and {more} more", held.join(", ")),
    };
    match &job.request {
        Request::Quota(_) => {
            let kind = snapshot.kinds.iter().position(|kind| *kind == lack.kind).unwrap_or(0);
            let free = |place: &usize| now.free(*place, snapshot.now, snapshot.now + 1.0)[kind].max(0.0);
            let places = places_of(snapshot, job, allowed);
            let scarce = places.iter().filter(|place| free(place) <= lack.free);
            let places: Vec<&str> =
                scarce.map(|place| snapshot.places[*place].name.as_str()).take(NAMED).collect();
            format!(
                "it needs {} of {}, and {} is free in the quota {}{held}",
                number(lack.needed),
                lack.kind,
                number(lack.free),
                places.join(" and ")
            )
        }
        Request::Nodes(tasks) => {
            let open = places_of(snapshot, job, allowed);
            let with_room =
                open.iter().filter(|place| fitting(tasks, snapshot, now, &[**place], None) > 0).count();
            let shut = snapshot
                .places
                .iter()
                .filter(|place| {
                    place.closed.is_some() && job.queues.iter().any(|queue| place.queues.contains(queue))
                })
                .count();
            let shut = if shut > 0 { format!(", {} closed", places(shut)) } else { String::new() };
            let needs = match (tasks.fewest, tasks.exclusive) {
                (1, false) => format!("{} of {}", number(lack.needed), lack.kind),
                (nodes, true) => format!("{} for itself", places(nodes as usize)),
                (nodes, false) => {
                    format!("{} of {} on {}", number(lack.needed), lack.kind, places(nodes as usize))
                }
            };
            let on = if asks_for_all(tasks) {
                let names: Vec<&str> =
                    open.iter().map(|place| snapshot.places[*place].name.as_str()).collect();
                format!("{}, which it asks for", names.join(" "))
            } else {
                let queue = &snapshot.queues[job.queues[0]].name;
                format!("the {} of {} {queue}", places(open.len()), word(snapshot))
            };
            let free = format!("{} of {} is free on {on}", number(lack.free), lack.kind);
            let room = if tasks.fewest > 1 || lack.free >= lack.needed {
                format!(", room for it on {}", places(with_room))
            } else {
                String::new()
            };
            format!("it needs {needs}, and {free}{room}{shut}{held}")
        }
    }
}

fn holder(snapshot: &Snapshot, at: usize, amount: f64) -> String {
    let job = &snapshot.jobs[at];
    let until = match (&job.standing, job.limit) {
        (Standing::Running { since, .. }, Some(limit)) => {
            format!(" until {} at the latest", clock(snapshot.now, since + limit))
        }
        _ => String::new(),
    };
    let of = if job.user.is_empty() { String::new() } else { format!(" of {}", job.user) };
    format!("{}{of} ({}{until})", job.label(), number(amount))
}

fn places(count: usize) -> String {
    if count == 1 { "1 node".into() } else { format!("{count} nodes") }
}

/// An amount without needless digits.
pub fn number(amount: f64) -> String {
    if amount.is_infinite() {
        return "any amount".into();
    }
    let rounded = (amount * 100.0).round() / 100.0;
    format!("{rounded}")
}

/// A time by UTC, with its day where that is not the day of now.
pub fn clock(now: f64, time: f64) -> String {
    let day = |time: f64| (time / 86_400.0).floor();
    let written = calendar::written(time);
    match written.split_once(' ') {
        Some((_, of_day)) if day(now) == day(time) => of_day.to_owned(),
        _ => written,
    }
}

/// A span of time in the largest unit that says it well.
pub fn span(seconds: f64) -> String {
    match seconds {
        short if short < 90.0 => format!("{short:.0} s"),
        some if some < 5400.0 => format!("{:.0} min", some / 60.0),
        long if long < 172_800.0 => format!("{:.1} h", long / 3600.0),
        days => format!("{:.1} days", days / 86_400.0),
    }
}
