//! F6: what privacy costs. A thousand clients, each in a round by itself with probability 0.1, and as much noise as keeps
//! epsilon below a bound over all rounds. The classes overlap, so that no model is always right.

use syncline_data::synthetic::blobs;
use syncline_experiment::{Curve, Outcome, Rule, Size, mean, with_error};
use syncline_learn::Softmax;

use crate::{Deal, Federation, NoisePlace, Privacy, Report, Result, Select, Settings};

const CLIENTS: usize = 1000;
const ROUNDS: u64 = 30;
const DELTA: f64 = 1e-5;
const EPSILONS: [f64; 5] = [0.1, 0.25, 0.5, 1.0, 4.0];

/// Accuracies that differ by less are alike.
const ALIKE: f64 = 0.002;

fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(f64::NAN)
}

fn run(epsilon: Option<f64>, seed: u64, threads: usize) -> Result<Report> {
    let settings = Settings {
        rounds: ROUNDS,
        selection: Select::Poisson(0.1),
        rate: 0.2,
        batch: Some(10),
        evaluate_every: ROUNDS,
        seed,
        threads,
        ..Settings::default()
    };
    let privacy = match epsilon {
        None => None,
        Some(epsilon) => Some(Privacy {
            noise: settings.noise_for(epsilon, DELTA)?,
            clip: 0.5,
            adaptive: false,
            delta: DELTA,
            place: NoisePlace::Central,
            // An experiment that can be repeated, of rows that are nobody's.
            reproducible: true,
        }),
    };
    let (train, held_out) = blobs(20_000, 20, 10, seed)
        .split(0.2, seed)
        .map_err(|error| crate::Error::Data(error.to_string()))?;
    let settings = Settings { privacy, ..settings };
    let run = Federation::dealt(Softmax::new(20, 10), train, CLIENTS, Deal::Iid, settings)?;
    Ok(run.validation(held_out).simulate()?.report)
}

/// Accuracy at each epsilon.
pub(super) fn accuracies(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut means, mut curve, mut spent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut are_below = true;
    for epsilon in EPSILONS.map(Some).into_iter().chain([None]) {
        let name = epsilon.map_or_else(|| "no privacy".to_owned(), |epsilon| format!("{epsilon}"));
        tell(&format!("epsilon {name}"));
        let runs =
            (1..=size.seeds).map(|seed| run(epsilon, seed, size.threads)).collect::<Result<Vec<Report>>>()?;
        let accuracies: Vec<f64> =
            runs.iter().filter_map(|run| run.rounds.last().and_then(|round| round.accuracy)).collect();
        let privacy = runs[0].privacy.as_ref();
        are_below &= epsilon.is_none_or(|bound| privacy.is_some_and(|found| found.epsilon <= bound));
        rows.push(vec![
            name,
            privacy.map_or_else(|| "-".to_owned(), |found| format!("{:.3}", found.noise)),
            privacy.map_or_else(|| "-".to_owned(), |found| format!("{:.4}", found.epsilon)),
            with_error(&accuracies),
        ]);
        if let Some(epsilon) = epsilon {
            curve.push([epsilon, mean(&accuracies)]);
            let each = runs[0].rounds.iter().filter_map(|round| Some([round.round as f64, round.epsilon?]));
            spent.push((epsilon, each.collect::<Vec<[f64; 2]>>()));
        }
        means.push(mean(&accuracies));
    }
    let is_told = spent.iter().all(|(_, each)| {
        each.len() == ROUNDS as usize && each.windows(2).all(|pair| pair[0][1] < pair[1][1])
    });
    Ok(Outcome {
        title: format!(
            "F6: accuracy against epsilon at delta {DELTA:e}, {CLIENTS} clients, {ROUNDS} rounds, {} seeds",
            size.seeds
        ),
        columns: ["epsilon asked", "noise z", "epsilon spent", "accuracy"].map(str::to_owned).to_vec(),
        rows,
        axes: ["epsilon".to_owned(), "accuracy on held-out rows".to_owned()],
        curves: vec![Curve { name: "accuracy".to_owned(), points: curve }],
        rules: vec![
            Rule::new(
                format!("accuracy falls with epsilon, from {:.3} to {:.3}", last(&means), means[0]),
                means.windows(2).all(|pair| pair[0] < pair[1] + ALIKE)
                    && means[0] < last(&means) - 10.0 * ALIKE,
            ),
            Rule::new("epsilon spent stays below epsilon asked", are_below),
            Rule::new("epsilon is told after each round, and grows", is_told),
        ],
    })
}
