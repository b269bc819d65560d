//! The report of flight recorder dumps: who keeps whom waiting, and a timeline of the last operations.

use std::collections::BTreeMap;

use super::dump::{Dump, State};
use super::hang::hangs;
use crate::analysis::timeline::{Stretch, TimelineBuilder};
use crate::report::Report;
use crate::source::Damage;

/// The report of a run's dumps, one a rank.
pub(crate) fn report(dumps: &[Dump], source: String, damage: Damage) -> Report {
    let entries = || dumps.iter().flat_map(|dump| &dump.entries);
    let origin = entries().map(|entry| entry.created).min().unwrap_or(0);
    let end = entries().map(|entry| entry.completed.unwrap_or(0).max(entry.created)).max().unwrap_or(origin);
    let ms = |ns: u64| ns.saturating_sub(origin) as f64 / 1e6;
    let mut timeline = TimelineBuilder::default();
    let mut within = 0.0;
    for dump in dumps {
        let lane = format!("rank/{}", dump.rank);
        let mut reached = 0.0_f64;
        let mut own: Vec<_> = dump.entries.iter().collect();
        own.sort_by_key(|entry| entry.created);
        for entry in own {
            let from = ms(entry.created);
            let to = if entry.state == State::Completed {
                ms(entry.completed.unwrap_or(entry.created))
            } else {
                ms(end)
            };
            let kind = if entry.state == State::Completed { "collective" } else { "wait" };
            let label = format!("{} #{} of group {}", entry.operation, entry.sequence, entry.group);
            let to = to.max(from);
            timeline.bar(Stretch { lane: &lane, label: &label, kind, from, to, critical: false });
            within += (to - from.max(reached)).max(0.0);
            reached = reached.max(to);
        }
    }
    let wall = ms(end);
    let share = if wall > 0.0 { within / (wall * dumps.len() as f64) } else { 0.0 };
    let shares = BTreeMap::from([("collective".to_owned(), share), ("unknown".to_owned(), 1.0 - share)]);
    let found = hangs(dumps);
    let mut verdict: Vec<String> = found.iter().take(12).map(|hang| hang.sentence.clone()).collect();
    if found.is_empty() {
        verdict.push(
            "Every operation that the given ranks called was completed on all of them: nothing hangs here."
                .to_owned(),
        );
    }
    if !damage.is_none() {
        verdict.push(format!("Not everything could be read: {}.", damage.notes.join("; ")));
    }
    Report {
        source,
        system: "flight recorder".to_owned(),
        version: dumps.first().map_or_else(String::new, |dump| dump.version.clone()),
        name: "PyTorch flight recorder".to_owned(),
        id: format!("{} ranks, {} operations", dumps.len(), entries().count()),
        complete: true,
        damage,
        verdict,
        jobs: 1,
        tasks: entries().count() as u64,
        wall_ms: wall,
        in_jobs_ms: wall,
        executors: dumps.len() as u64,
        cores: dumps.len() as u64,
        shares,
        hangs: found,
        timeline: timeline.finish(wall),
        ..Report::default()
    }
}
