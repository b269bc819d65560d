//! F1 and F2: FedProx' synthetic data. (Li et al., arXiv 1812.06127.) Softmax regression from zeros, 10 of 30 devices a
//! round, batches of 10, rate 0.01, 200 rounds; nine tenths of each device's rows train.

use std::sync::{Arc, Mutex, PoisonError};

use syncline_data::Dataset;
use syncline_experiment::{Curve, Outcome, Rule, Size, mean, median, with_error};
use syncline_learn::Model;

use super::softmax;
use crate::synthetic::Unlike;
use crate::{Federation, Generated, HeldOut, Partial, Result, Select, Settings, Source};

/// Rounds of a run.
const ROUNDS: u64 = 200;
/// Rounds at the end over which results are taken.
const LAST: usize = 10;

const DATA: [(&str, Unlike); 3] = [
    ("iid", Unlike::Iid),
    ("(0,0)", Unlike::By { alpha: 0.0, beta: 0.0 }),
    ("(1,1)", Unlike::By { alpha: 1.0, beta: 1.0 }),
];

/// What is done with stragglers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Drop,
    Keep,
    Pull,
}

/// What one run came to.
#[derive(Clone, Debug)]
struct Figures {
    /// On held-out rows, mean of the last rounds.
    accuracy: f64,
    /// On rows to train on, mean of the last rounds.
    loss: f64,
    /// Of the loss from one round to the next.
    largest_rise: f64,
    losses: Vec<f64>,
}

/// One run.
fn run(
    unlike: Unlike,
    stragglers: f64,
    method: Method,
    epochs: usize,
    seed: u64,
    threads: usize,
) -> Result<Figures> {
    let source = Source {
        inputs: Vec::new(),
        options: syncline_data::ReadOptions::default(),
        generated: Some(Generated::Devices(unlike)),
        clients: None,
        deal: None,
        held_out: HeldOut::Share(0.1),
        seed,
    };
    let clients = source.open()?;
    let held_out = clients.validation.clone();
    let settings = Settings {
        rounds: ROUNDS,
        selection: Select::Count(10),
        stragglers,
        partial: if method == Method::Drop && stragglers > 0.0 { Partial::Drop } else { Partial::Keep },
        epochs,
        batch: Some(10),
        rate: 0.01,
        mu: (method == Method::Pull).then_some(1.0),
        seed,
        threads,
        ..Settings::default()
    };
    let accuracies = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&accuracies);
    // Without held-out rows of its own the run tells the loss on the rows to train on.
    let run = Federation::new(softmax(), clients.data, clients.rows, settings)?.on_round(move |_, model| {
        let accuracy = held_out.as_ref().map_or(f64::NAN, |data| accuracy(model, data));
        told.lock().unwrap_or_else(PoisonError::into_inner).push(accuracy);
    });
    let report = run.simulate()?.report;
    let losses: Vec<f64> = report.rounds.iter().filter_map(|round| round.loss).collect();
    let accuracies = accuracies.lock().unwrap_or_else(PoisonError::into_inner);
    let rises = losses.windows(2).map(|pair| pair[1] - pair[0]);
    Ok(Figures {
        accuracy: mean(&accuracies[accuracies.len().saturating_sub(LAST)..]),
        loss: mean(&losses[losses.len().saturating_sub(LAST)..]),
        largest_rise: rises.fold(0.0, f64::max),
        losses,
    })
}

fn accuracy(model: &[f32], data: &Dataset) -> f64 {
    softmax().score(model, &data.batch(0..data.rows())).accuracy()
}

/// The runs of all seeds.
fn runs(unlike: Unlike, stragglers: f64, method: Method, epochs: usize, size: Size) -> Result<Vec<Figures>> {
    (1..=size.seeds).map(|seed| run(unlike, stragglers, method, epochs, seed, size.threads)).collect()
}

fn of(runs: &[Figures], figure: fn(&Figures) -> f64) -> Vec<f64> {
    runs.iter().map(figure).collect()
}

fn in_every_seed(a: &[Figures], b: &[Figures], figure: fn(&Figures) -> f64) -> bool {
    a.iter().zip(b).all(|(a, b)| figure(a) < figure(b))
}

/// F1: the table of FedProx.
pub(super) fn stragglers(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut rules, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    let cases = [(0, 0.0), (0, 0.9), (1, 0.9), (2, 0.0), (2, 0.9)];
    for (data, share) in cases {
        let (name, unlike) = DATA[data];
        let name = format!("{name}, {:.0} % slow", 100.0 * share);
        tell(&name);
        let dropped = if share > 0.0 { Some(runs(unlike, share, Method::Drop, 20, size)?) } else { None };
        let kept = runs(unlike, share, Method::Keep, 20, size)?;
        let pulled = runs(unlike, share, Method::Pull, 20, size)?;
        for (method, list) in
            [("drop", dropped.as_ref()), ("keep, mu 0", Some(&kept)), ("keep, mu 1", Some(&pulled))]
        {
            let Some(list) = list else { continue };
            rows.push(vec![
                name.clone(),
                method.to_owned(),
                with_error(&of(list, |run| run.accuracy)),
                format!("{:.3}", mean(&of(list, |run| run.loss))),
                format!("{:.2}", median(&of(list, |run| run.largest_rise))),
            ]);
            if data == 2 && share > 0.0 {
                let points = list[0].losses.iter().enumerate().map(|(at, loss)| [at as f64 + 1.0, *loss]);
                curves.push(Curve { name: method.to_owned(), points: points.collect() });
            }
        }
        if data == 0 {
            let worse = in_every_seed(&kept, &pulled, |run| run.loss);
            rules.push(Rule::new(format!("{name}: mu 1 has a larger loss than mu 0 in every seed"), worse));
        } else if let Some(dropped) = dropped {
            let below = in_every_seed(&pulled, &kept, |run| run.loss);
            rules.push(Rule::new(format!("{name}: mu 1 has a smaller loss than mu 0 in every seed"), below));
            let calmer = in_every_seed(&pulled, &kept, |run| run.largest_rise);
            rules.push(Rule::new(format!("{name}: its largest rise is smaller in every seed"), calmer));
            let (kept, dropped) = (mean(&of(&kept, |run| run.loss)), mean(&of(&dropped, |run| run.loss)));
            rules.push(Rule::new(
                format!("{name}: keeping has a smaller loss than dropping on average"),
                kept < dropped,
            ));
        }
    }
    Ok(Outcome {
        title: format!("F1: stragglers on FedProx' synthetic data, {} seeds", size.seeds),
        columns: ["data", "stragglers", "accuracy", "train loss", "largest rise"].map(str::to_owned).to_vec(),
        rows,
        axes: ["round".to_owned(), "train loss on (1,1), 90 % slow, seed 1".to_owned()],
        curves,
        rules,
    })
}

/// F2: more local epochs help where clients are alike and hurt where they are not.
pub(super) fn drift(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let epochs = [1, 5, 20];
    let (mut rows, mut rules, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    for (data, rises) in [(0, true), (2, false)] {
        let (name, unlike) = DATA[data];
        let mut all = Vec::new();
        for count in epochs {
            tell(&format!("{name}, {count} local epochs"));
            all.push(of(&runs(unlike, 0.0, Method::Keep, count, size)?, |run| run.accuracy));
        }
        rows.push(std::iter::once(name.to_owned()).chain(all.iter().map(|list| with_error(list))).collect());
        let points = epochs.iter().zip(&all).map(|(count, list)| [*count as f64, mean(list)]);
        curves.push(Curve { name: name.to_owned(), points: points.collect() });
        let in_order = |seed: usize| {
            all.windows(2)
                .all(|pair| if rises { pair[0][seed] < pair[1][seed] } else { pair[0][seed] > pair[1][seed] })
        };
        let seeds = (0..size.seeds as usize).filter(|seed| in_order(*seed)).count();
        let verb = if rises { "rises" } else { "falls" };
        rules.push(Rule::new(
            format!("{name}: accuracy {verb} with local epochs in every seed ({seeds} of {})", size.seeds),
            seeds == size.seeds as usize,
        ));
    }
    Ok(Outcome {
        title: format!("F2: accuracy after {ROUNDS} rounds against local epochs, {} seeds", size.seeds),
        columns: ["data", "E = 1", "E = 5", "E = 20"].map(str::to_owned).to_vec(),
        rows,
        axes: ["local epochs".to_owned(), "accuracy on held-out rows".to_owned()],
        curves,
        rules,
    })
}
