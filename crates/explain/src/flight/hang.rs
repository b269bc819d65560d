//! Which rank is missing at which operation.
//!
//! The members of a group run its operations in one order and number them. The first number that is not completed everywhere is
//! where the group stands: members that never called it keep the others waiting; members that called something else there, or with
//! other sizes, are out of step; if all called it the same way, who has not begun it is held up on its device. A member that
//! itself stands in another group is a victim of that group.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::dump::{Dump, Entry, State};

/// Where a group stands, and because of whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hang {
    /// The group's name and description.
    pub group: String,
    /// The operation: `all_reduce`.
    pub operation: String,
    /// Its number in the group.
    pub sequence: u64,
    /// The sizes of its tensors, as most members gave them.
    pub sizes: String,
    /// The program's line that called it, if the dumps say so.
    pub called_from: String,
    /// Ranks that are in it and wait.
    pub waiting: Vec<u64>,
    /// Ranks that never called it.
    pub missing: Vec<u64>,
    /// Ranks that called something else, or with other sizes: the rank and what it called.
    pub out_of_step: Vec<(u64, String)>,
    /// Ranks that have called it but whose device has not begun it.
    pub not_begun: Vec<u64>,
    /// Ranks of the group of which no dump was given.
    pub without_dump: Vec<u64>,
    /// The same in words.
    pub sentence: String,
}

/// The groups that stand, those whose culprits stand nowhere else first.
pub(super) fn hangs(dumps: &[Dump]) -> Vec<Hang> {
    let mut hangs: Vec<Hang> = names(dumps).iter().filter_map(|name| hang(dumps, name)).collect();
    hangs.extend(dumps.iter().flat_map(|dump| pairs(dumps, dump)));
    let stands: Vec<BTreeSet<u64>> =
        hangs.iter().map(|hang| hang.waiting.iter().copied().collect()).collect();
    let is_victim = |at: usize, hang: &Hang| {
        let culprits = hang.missing.iter().chain(&hang.not_begun);
        let elsewhere =
            |rank: &u64| stands.iter().enumerate().any(|(other, ranks)| other != at && ranks.contains(rank));
        hang.out_of_step.is_empty()
            && hang.without_dump.is_empty()
            && culprits.clone().count() > 0
            && culprits.clone().all(elsewhere)
    };
    let victims: Vec<bool> = hangs.iter().enumerate().map(|(at, hang)| is_victim(at, hang)).collect();
    // Where every culprit stands in another group, the groups wait for each other.
    let is_circle = victims.iter().all(|is_victim| *is_victim);
    for (hang, is_victim) in hangs.iter_mut().zip(&victims) {
        let of_whom = match (is_victim, is_circle) {
            (true, true) => {
                " (that stands in another group: the groups wait for each other, called in different orders)"
            }
            (true, false) => " (that stands in another group)",
            (false, _) => "",
        };
        hang.sentence = sentence(hang, dumps, of_whom);
    }
    let mut order: Vec<usize> = (0..hangs.len()).collect();
    order.sort_by_key(|&at| victims[at]);
    order.into_iter().map(|at| hangs[at].clone()).collect()
}

fn names(dumps: &[Dump]) -> BTreeSet<String> {
    dumps.iter().flat_map(|dump| &dump.entries).map(|entry| entry.group.clone()).collect()
}

/// A rank's collectives of a group by their numbers.
fn collectives<'a>(dump: &'a Dump, group: &str) -> BTreeMap<u64, &'a Entry> {
    let own = dump.entries.iter().filter(|entry| entry.group == group && !entry.is_between_two);
    own.map(|entry| (entry.sequence, entry)).collect()
}

fn hang(dumps: &[Dump], group: &str) -> Option<Hang> {
    let told: BTreeSet<u64> =
        dumps.iter().filter_map(|dump| dump.groups.get(group)).flatten().copied().collect();
    let by_rank: BTreeMap<u64, BTreeMap<u64, &Entry>> =
        dumps.iter().map(|dump| (dump.rank, collectives(dump, group))).collect();
    let is_member = |rank: &u64| told.contains(rank) || by_rank.get(rank).is_some_and(|own| !own.is_empty());
    let members: Vec<u64> = by_rank.keys().copied().filter(is_member).collect();
    // The first number that somebody called and that is not done everywhere.
    let open = by_rank.values().flat_map(|own| own.values()).filter(|entry| entry.state != State::Completed);
    let sequence = open.map(|entry| entry.sequence).min()?;
    let there: Vec<(u64, &Entry)> =
        members.iter().filter_map(|rank| Some((*rank, *by_rank[rank].get(&sequence)?))).collect();
    // A ring forgets its oldest entries: who is further on has called it.
    let is_past = |rank: &u64| by_rank[rank].keys().next_back().is_some_and(|&last| last > sequence);
    let missing =
        members.iter().copied().filter(|rank| !by_rank[rank].contains_key(&sequence) && !is_past(rank));
    let call = |entry: &Entry| (entry.operation.clone(), entry.sizes.clone());
    let mut calls: BTreeMap<(String, String), usize> = BTreeMap::new();
    there.iter().for_each(|(_, entry)| *calls.entry(call(entry)).or_default() += 1);
    // Scatters and gathers of uneven parts have other sizes on every rank: there only the operation must agree.
    let sizes_differ = ["scatter", "gather", "all_to_all", "alltoall"];
    let (common, _) = calls.iter().max_by_key(|(_, count)| **count)?;
    let is_same = |entry: &Entry| {
        let is_uneven = sizes_differ.iter().any(|name| entry.operation.contains(name));
        entry.operation == common.0 && (is_uneven || entry.sizes == common.1)
    };
    let out_of_step: Vec<(u64, String)> = there
        .iter()
        .filter(|(_, entry)| !is_same(entry))
        .map(|(rank, entry)| (*rank, format!("{} of {}", entry.operation, entry.sizes)))
        .collect();
    let first = there.iter().find(|(_, entry)| is_same(entry))?.1;
    let begun = there.iter().any(|(_, entry)| entry.state >= State::Started);
    let in_state = |state: State| {
        let all = there.iter().filter(move |(_, entry)| is_same(entry) && entry.state == state);
        all.map(|(rank, _)| *rank).collect::<Vec<u64>>()
    };
    let missing: Vec<u64> = missing.collect();
    let all_came = missing.is_empty() && out_of_step.is_empty();
    let not_begun = if begun && all_came { in_state(State::Scheduled) } else { Vec::new() };
    let mut waiting = in_state(State::Started);
    if not_begun.is_empty() {
        waiting.extend(in_state(State::Scheduled));
    }
    waiting.sort_unstable();
    let without_dump = told.iter().copied().filter(|rank| !by_rank.contains_key(rank)).collect();
    Some(Hang {
        group: titled(first),
        operation: first.operation.clone(),
        sequence,
        sizes: first.sizes.clone(),
        called_from: first.called_from.clone(),
        waiting,
        missing,
        out_of_step,
        not_begun,
        without_dump,
        sentence: String::new(),
    })
}

fn titled(entry: &Entry) -> String {
    match entry.description.as_str() {
        "" | "undefined" => entry.group.clone(),
        description => format!("{} ({description})", entry.group),
    }
}

/// Sends and receives whose other side was never called. Their names say the two ranks by their places in the group.
fn pairs(dumps: &[Dump], dump: &Dump) -> Vec<Hang> {
    let open = dump.entries.iter().filter(|entry| entry.is_between_two && entry.state != State::Completed);
    open.take(1)
        .filter_map(|entry| {
            let is_send = entry.operation.starts_with("send");
            let places: Vec<usize> = entry
                .operation
                .split(|character: char| !character.is_ascii_digit())
                .filter_map(|part| part.parse().ok())
                .collect();
            let other = *places.get(1)?;
            let ranks = dump.groups.get(&entry.group);
            let other = ranks.and_then(|ranks| ranks.get(other).copied()).unwrap_or(other as u64);
            let theirs = dumps.iter().find(|dump| dump.rank == other);
            let wanted = if is_send { "recv" } else { "send" };
            let has_called = theirs.is_some_and(|theirs| {
                theirs.entries.iter().any(|found| {
                    found.group == entry.group
                        && found.sequence == entry.sequence
                        && found.operation.starts_with(wanted)
                })
            });
            (!has_called).then(|| Hang {
                group: titled(entry),
                operation: entry.operation.clone(),
                sequence: entry.sequence,
                sizes: entry.sizes.clone(),
                called_from: entry.called_from.clone(),
                waiting: vec![dump.rank],
                missing: if theirs.is_some() { vec![other] } else { Vec::new() },
                without_dump: if theirs.is_none() { vec![other] } else { Vec::new() },
                ..Hang::default()
            })
        })
        .collect()
}

/// `rank 3`, `ranks 0, 1 and 5 more`.
fn ranks(all: &[u64]) -> String {
    let shown: Vec<String> = all.iter().take(8).map(u64::to_string).collect();
    let more = if all.len() > 8 { format!(" and {} more", all.len() - 8) } else { String::new() };
    format!("{} {}{more}", if all.len() == 1 { "rank" } else { "ranks" }, shown.join(", "))
}

fn sentence(hang: &Hang, dumps: &[Dump], of_whom: &str) -> String {
    let verb = if hang.waiting.len() == 1 { "waits" } else { "wait" };
    let from = if hang.called_from.is_empty() {
        String::new()
    } else {
        format!(", called from {}", hang.called_from)
    };
    let sizes = if hang.sizes.is_empty() { String::new() } else { format!(" of {}", hang.sizes) };
    let mut text = match hang.waiting.as_slice() {
        [] => format!("{} #{} of group {} does not end", hang.operation, hang.sequence, hang.group),
        waiting => format!(
            "{} {verb} in {} #{}{sizes} of group {}{from}",
            ranks(waiting),
            hang.operation,
            hang.sequence,
            hang.group
        ),
    };
    if !hang.missing.is_empty() {
        text += &format!(": {} never called it", ranks(&hang.missing));
        text += &hang.missing.iter().take(2).map(|&rank| last_of(dumps, rank)).collect::<String>();
    }
    for (rank, what) in hang.out_of_step.iter().take(4) {
        text += &format!("; rank {rank} called {what} instead");
    }
    if !hang.not_begun.is_empty() {
        text += &format!(
            ": {} called it, but the device has not begun it, so something before it does not end",
            ranks(&hang.not_begun)
        );
    }
    if !hang.without_dump.is_empty() {
        text += &format!("; there is no dump of {}, which may have died", ranks(&hang.without_dump));
    }
    let nobody = hang.missing.is_empty() && hang.out_of_step.is_empty() && hang.not_begun.is_empty();
    if nobody && hang.without_dump.is_empty() {
        text += ": all of them called it the same way, so the library or the network is stuck";
    }
    text += of_whom;
    text[..1].to_uppercase() + &text[1..] + "."
}

/// What a rank did last.
fn last_of(dumps: &[Dump], rank: u64) -> String {
    let own = dumps.iter().find(|dump| dump.rank == rank);
    let last = own.and_then(|dump| dump.entries.iter().max_by_key(|entry| entry.created));
    last.map_or_else(String::new, |entry| {
        let state = match entry.state {
            State::Completed => "which ended",
            State::Started => "which it is in",
            State::Scheduled => "which its device has not begun",
        };
        let from =
            if entry.called_from.is_empty() { String::new() } else { format!(" from {}", entry.called_from) };
        format!(
            "; the last that rank {rank} called was {} #{} of group {}{from}, {state}",
            entry.operation,
            entry.sequence,
            titled(entry)
        )
    })
}
