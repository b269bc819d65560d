//! F4: fifteen clients who are alike, of whom some send what they should not, against folds.

use syncline_data::{Dataset, Dense, Features, Targets};
use syncline_experiment::{Curve, Outcome, Rule, Size, mean};

use super::softmax;
use crate::synthetic::{self, CLASSES, FEATURES, Unlike};
use crate::{Error, Federation, FoldName, Liars, Lie, Result, Settings};

const CLIENTS: usize = 15;
const MOST_LIARS: usize = 4;
const ROUNDS: u64 = 50;

const LIES: [(&str, Lie); 3] = [
    ("-10 times its change", Lie::Scale(-10.0)),
    ("noise", Lie::Noise(1.0)),
    ("a constant", Lie::Constant(1.0)),
];

/// The folds that stand `liars` of them.
fn folds(liars: usize) -> Vec<(&'static str, FoldName)> {
    let mut list = vec![
        ("mean", FoldName::Mean),
        ("median", FoldName::Median),
        ("trimmed:0.3", FoldName::Trimmed { share: 0.3 }),
        ("Krum", FoldName::Krum { liars, keep: 1 }),
        ("Multi-Krum", FoldName::Krum { liars, keep: CLIENTS - liars }),
    ];
    if 4 * liars + 3 <= CLIENTS {
        list.push(("Bulyan", FoldName::Bulyan { liars }));
    }
    list
}

/// Rows of all clients, those of each, and rows that nobody trains on. The devices of the generator have one law but very unequal
/// numbers of rows, which the mean heeds and other folds do not; so their rows are dealt out evenly.
fn clients(seed: u64) -> Result<(Dataset, Vec<Vec<u32>>, Dataset)> {
    // One device more, whose rows judge.
    let mut devices = synthetic::devices(CLIENTS + 1, Unlike::Iid, seed)?;
    let judge = devices.pop().unwrap_or(synthetic::Device { features: Vec::new(), labels: Vec::new() });
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for device in devices {
        labels.extend(device.labels);
        features.extend(device.features);
    }
    let each = (labels.len() / CLIENTS) as u32;
    let rows = (0..CLIENTS as u32).map(|client| (client * each..(client + 1) * each).collect()).collect();
    Ok((dataset(features, &labels)?, rows, dataset(judge.features, &judge.labels)?))
}

fn dataset(features: Vec<f32>, labels: &[u8]) -> Result<Dataset> {
    let failed = |error: syncline_data::Error| Error::Data(error.to_string());
    let labels = labels.iter().map(|label| u32::from(*label)).collect();
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    let dense = Dense::new(features, FEATURES).map_err(failed)?;
    Dataset::new(Features::Dense(dense), Targets::Class { labels, names }).map_err(failed)
}

/// Accuracy on the judging rows; a model that is none any more has that of chance.
fn accuracy(fold: FoldName, liars: Option<Liars>, seed: u64, threads: usize) -> Result<f64> {
    let (data, rows, judge) = clients(seed)?;
    let settings = Settings {
        rounds: ROUNDS,
        epochs: 5,
        batch: Some(10),
        rate: 0.01,
        evaluate_every: ROUNDS,
        fold,
        liars,
        seed,
        threads,
        ..Settings::default()
    };
    let run = Federation::new(softmax(), data, rows, settings)?.validation(judge).simulate();
    match run {
        Ok(trained) => {
            let last = trained.report.rounds.iter().rev().find_map(|round| round.accuracy);
            Ok(last.unwrap_or(1.0 / CLASSES as f64))
        }
        Err(Error::Diverged { .. }) => Ok(1.0 / CLASSES as f64),
        Err(error) => Err(error),
    }
}

/// Accuracy of every fold against every lie.
pub(super) fn folds_against_lies(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let mean_of = |fold: FoldName, liars: Option<Liars>| -> Result<f64> {
        let list = (1..=size.seeds).map(|seed| accuracy(fold, liars, seed, size.threads));
        Ok(mean(&list.collect::<Result<Vec<f64>>>()?))
    };
    let names: Vec<&str> = folds(0).iter().map(|(name, _)| *name).collect();
    tell("nobody lies");
    let honest = folds(0).into_iter().map(|(_, fold)| mean_of(fold, None)).collect::<Result<Vec<f64>>>()?;
    let (mut rows, mut rules) = (Vec::new(), Vec::new());
    let mut curves: Vec<Curve> = names
        .iter()
        .zip(&honest)
        .map(|(name, accuracy)| Curve { name: (*name).to_owned(), points: vec![[0.0, *accuracy]] })
        .collect();
    let cell = |value: Option<&f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    rows.push(
        ["nobody lies".to_owned(), "0".to_owned()]
            .into_iter()
            .chain(honest.iter().map(|value| cell(Some(value))))
            .collect(),
    );
    let mut worst_loss = 0.0f64;
    for (attack, (said, lie)) in LIES.into_iter().enumerate() {
        for count in 1..=MOST_LIARS {
            tell(&format!("{count} send {said}"));
            let mut row = vec![said.to_owned(), count.to_string()];
            let found = folds(count)
                .into_iter()
                .map(|(_, fold)| mean_of(fold, Some(Liars { count, lie })))
                .collect::<Result<Vec<f64>>>()?;
            row.extend((0..names.len()).map(|at| cell(found.get(at))));
            rows.push(row);
            for (at, value) in found.iter().enumerate() {
                if at > 0 {
                    worst_loss = worst_loss.max(honest[at] - value);
                }
                if attack == 0 {
                    curves[at].points.push([count as f64, *value]);
                }
            }
            if attack == 0 && count == 1 {
                let lost = honest[0] - found[0];
                rules.push(Rule::new(
                    format!("one client that sends {said} costs the mean more than 0.15 ({lost:.2})"),
                    lost > 0.15,
                ));
            }
        }
    }
    rules.push(Rule::new(
        format!("no lie costs the other folds more than 0.04 against nobody lying ({worst_loss:.3} at most)"),
        worst_loss <= 0.04,
    ));
    Ok(Outcome {
        title: format!(
            "F4: accuracy of {CLIENTS} clients, some of whom lie, after {ROUNDS} rounds, {} seeds",
            size.seeds
        ),
        columns: ["lie", "liars"].into_iter().chain(names).map(str::to_owned).collect(),
        rows,
        axes: [format!("clients that send {}", LIES[0].0), "accuracy on held-out rows".to_owned()],
        curves,
        rules,
    })
}
