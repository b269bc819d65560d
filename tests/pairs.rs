//! Mode x frequency x servers x standbys x place x compression x partition, pair by pair: every two values that make sense together are in one run
//! that trains at least, and every two that make none are refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;

use support::{csv, fails, json, samples};

/// Not as many for all workers: the last one has a round less under contiguous parts.
const ROWS: u64 = 225;
const EPOCHS: u64 = 4;

/// What is combined. An empty value is the default.
const FACTORS: [&[&str]; 7] = [
    &[
        "--sync bsp",
        "--sync asp",
        "--sync ssp:1",
        "--sync backup:1",
        "--sync quorum:2,5s",
        "--sync repetition:1",
        "--sync local:3",
        "--sync diloco:3",
        "--sync hogwild",
        "--sync allreduce",
        "--sync allreduce:tree",
        "--sync hierarchical:2",
        "--sync hierarchical:2,3",
    ],
    &["", "--every batches:2", "--every epoch"],
    &["", "--servers 1", "--servers 2", "--servers 3"],
    &["", "--replicas 1 --on-worker-loss restart"],
    &["--on threads", "--on processes", "--on sim --network 1Gbit/50us --compute exp:1ms"],
    &["", "--compress bf16", "--compress int8", "--compress push=topk:0.2,pull=f16"],
    &[
        "--partition contiguous",
        "--partition round-robin",
        "--partition random",
        "--partition weight:2,1,1,1",
        "--partition weight:measured",
        "--partition stratified",
        "--partition overlap-reshuffle",
    ],
];

/// What is said to two values that make no sense together.
fn refusal(one: &str, other: &str) -> Option<&'static str> {
    let (one, other) = (one.trim_start_matches("--"), other.trim_start_matches("--"));
    let is = |sync: &[&str]| sync.iter().any(|name| one.starts_with(&format!("sync {name}")));
    if one.starts_with("replicas") && other == "on threads" {
        return Some("those on threads cannot");
    }
    if is(&["hogwild", "allreduce", "hierarchical"]) && other.starts_with("replicas") {
        // Of the two reasons the place, which is threads where none is named, is told first.
        return Some("those on threads cannot");
    }
    if is(&["hogwild"]) && other == "on processes" {
        return Some("share memory");
    }
    if is(&["hogwild"]) && other.starts_with("compress") {
        return Some("nothing travels");
    }
    if is(&["allreduce", "hierarchical"]) && other.starts_with("servers") {
        return Some("leave --servers out");
    }
    if is(&["allreduce", "hierarchical"]) && other.starts_with("compress") {
        return Some("leave --compress out");
    }
    if is(&["local", "diloco"]) && other.starts_with("every") {
        return Some("leave --every out");
    }
    if is(&["backup", "quorum", "repetition"]) && ["servers 2", "servers 3"].contains(&other) {
        return Some("one server must decide");
    }
    if is(&["asp", "ssp", "backup", "quorum", "hogwild"]) && other == "partition weight:measured" {
        return Some("come to the end of an epoch at different times");
    }
    if is(&["repetition"]) && other.starts_with("partition weight") {
        return Some("the workers of a group do the same");
    }
    None
}

/// Two values: the factor and the place of each, the smaller factor first.
type Pair = ((usize, usize), (usize, usize));

fn pairs() -> BTreeSet<Pair> {
    let values =
        || (0..FACTORS.len()).flat_map(|factor| (0..FACTORS[factor].len()).map(move |at| (factor, at)));
    values()
        .flat_map(|one| values().filter(move |other| one.0 < other.0).map(move |other| (one, other)))
        .collect()
}

fn refused((one, other): Pair) -> Option<&'static str> {
    refusal(FACTORS[one.0][one.1], FACTORS[other.0][other.1])
}

/// The pairs that a value makes with those that are chosen already.
fn with(chosen: &[Option<usize>], factor: usize, at: usize) -> impl Iterator<Item = Pair> {
    let others = chosen.iter().enumerate().filter_map(move |(other, value)| Some((other, (*value)?)));
    others.filter(move |other| other.0 != factor).map(move |other| {
        let own = (factor, at);
        if other < own { (other, own) } else { (own, other) }
    })
}

/// Runs that have every pair which is not refused; each takes in as many that are still missing as it can, value after value.
fn runs() -> Vec<Vec<usize>> {
    let mut missing: BTreeSet<Pair> = pairs().into_iter().filter(|pair| refused(*pair).is_none()).collect();
    let mut runs = Vec::new();
    while let Some(&(one, other)) = missing.first() {
        let mut chosen = vec![None; FACTORS.len()];
        (chosen[one.0], chosen[other.0]) = (Some(one.1), Some(other.1));
        for (factor, values) in FACTORS.iter().enumerate() {
            if chosen[factor].is_none() {
                let fits = |at: &usize| with(&chosen, factor, *at).all(|pair| refused(pair).is_none());
                let gain =
                    |at: &usize| with(&chosen, factor, *at).filter(|pair| missing.contains(pair)).count();
                let best = (0..values.len()).filter(fits).rev().max_by_key(gain);
                chosen[factor] = Some(best.unwrap());
            }
        }
        for factor in 0..FACTORS.len() {
            let own: Vec<Pair> = with(&chosen, factor, chosen[factor].unwrap()).collect();
            own.iter().for_each(|pair| _ = missing.remove(pair));
        }
        runs.push(chosen.into_iter().flatten().collect());
    }
    runs
}

#[test]
fn every_pair_that_makes_sense_trains() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), ROWS as usize);
    let runs = runs();
    assert!((50..90).contains(&runs.len()), "{} runs", runs.len());
    for chosen in runs {
        let options: Vec<_> = FACTORS.iter().zip(&chosen).map(|(values, &at)| values[at]).collect();
        let options = options.join(" ");
        let report = json(&format!(
            "train {} --validation 0 --model mlp:8 --optimizer sgd --lr 0.02 --schedule constant --batch 8 --workers 4 \
             --epochs {EPOCHS} {options}",
            data.display()
        ));
        let epochs = report["epochs"].as_array().unwrap();
        let loss = |epoch: usize| epochs[epoch]["train_loss"].as_f64().unwrap();
        assert_eq!(epochs.len() as u64, EPOCHS, "{options}");
        assert!(
            loss(EPOCHS as usize - 1) < loss(0),
            "{options}: {} and {}",
            loss(0),
            loss(EPOCHS as usize - 1)
        );
        if options.contains("backup") || options.contains("quorum") || options.contains("repetition") {
            continue;
        }
        let copies = if options.contains("overlap") { 4 } else { 1 };
        assert_eq!(samples(&report), copies * ROWS * EPOCHS, "{options}: each row once an epoch");
    }
}

#[test]
fn every_pair_that_makes_none_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), ROWS as usize);
    let mut seen = 0;
    for (one, other) in pairs() {
        if let Some(said) = refused((one, other)) {
            let options = format!("{} {}", FACTORS[one.0][one.1], FACTORS[other.0][other.1]);
            fails(&format!("train {} --workers 4 {options}", data.display()), 2, &[said]);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} pairs");
}
