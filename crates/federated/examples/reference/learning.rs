//! Folds, server and client rules, selection, compression, gossip.

use rand::RngExt;
use syncline_federated::compress::{Qsgd, TopK};
use syncline_federated::drift::{Quadratic, Strategy, fixed_point};
use syncline_federated::fold::{Answer, Bulyan, Fold, Krum, Mean, Median, Trimmed};
use syncline_federated::gossip::Topology;
use syncline_federated::server::{Async, Buffer, Rule, ServerState};
use syncline_federated::{Local, LocalRule, Selection, select, synthetic};

use crate::effort::Effort;
use crate::ours::{Ours, text, unknown_metric};
use crate::row::{Row, number};
use crate::sample::{Statistic, simulate, smallest};

/// None for a model of another room.
pub fn evaluate(row: &Row, effort: Effort) -> Option<Result<Ours, String>> {
    Some(match row.model.as_str() {
        model if model.starts_with("fold ") => fold(row),
        model if model.starts_with("server ") => server(row),
        model if model.starts_with("fixed point, ") => drift(row),
        "round, fedavg" => one_round(row),
        "fedasync" | "fedbuff" => asynchronous(row),
        "quorum" | "over-selection" | "quorum gate, exponential clients" | "uniform selection" => {
            selection(row, effort)
        }
        "qsgd" => qsgd(row, effort),
        "top-k with error feedback" => top_k(row),
        "gossip" => gossip(row),
        "fedprox synthetic, sizes" => sizes(row),
        _ => return None,
    })
}

fn fold(row: &Row) -> Result<Ours, String> {
    let vectors = row.text("clients")?.split(';').map(|of| of.split(',').map(number).collect());
    let vectors = vectors.collect::<Result<Vec<Vec<f64>>, String>>()?;
    let samples = row.list("samples").unwrap_or_else(|_| vec![1.0; vectors.len()]);
    if samples.len() != vectors.len() {
        return Err(format!("{} clients, {} numbers of samples", vectors.len(), samples.len()));
    }
    let answers: Vec<Answer> = vectors
        .into_iter()
        .zip(samples)
        .enumerate()
        .map(|(client, (values, samples))| Answer { client, samples, values })
        .collect();
    let folded = match row.model.as_str() {
        "fold mean" => Mean.fold(&answers),
        "fold median" => Median.fold(&answers),
        "fold trimmed" => Trimmed::new(row.number("beta")?).map_err(text)?.fold(&answers),
        "fold krum" => Krum::new(row.count("f")?).fold(&answers),
        "fold multi-krum" => Krum::multi(row.count("f")?, row.count("keep")?).map_err(text)?.fold(&answers),
        "fold bulyan" => Bulyan::new(row.count("f")?).fold(&answers),
        model => return Err(format!("model '{model}' is not known")),
    };
    let values = folded.map_err(text)?.values;
    let index = row.metric.strip_prefix("x_").and_then(|index| index.parse::<usize>().ok());
    match index.and_then(|index| values.get(index)) {
        Some(value) => Ok(Ours::exact(*value)),
        None => unknown_metric(row),
    }
}

fn server(row: &Row) -> Result<Ours, String> {
    let rate = row.number("eta")?;
    let mut rule = match row.model.as_str() {
        "server avgm" => Rule::AvgM { rate, momentum: row.number("beta")? },
        "server adagrad" => Rule::adagrad(rate),
        "server adam" => Rule::adam(rate),
        "server yogi" => Rule::yogi(rate),
        model => return Err(format!("model '{model}' is not known")),
    };
    if let Rule::Adagrad(of) | Rule::Adam(of, _) | Rule::Yogi(of) = &mut rule {
        (of.beta1, of.tau) = (row.number("beta1")?, row.number("tau")?);
        of.beta2 = row.number("beta2").unwrap_or(of.beta2);
    }
    let mut state = ServerState::new(rule, vec![0.0]).map_err(text)?;
    for change in row.list("changes")? {
        state.apply(&[change]).map_err(text)?;
    }
    Ok(Ours::exact(state.model()[0]))
}

fn clients(row: &Row) -> Result<Vec<Quadratic>, String> {
    let (a, b) = (row.list("a")?, row.list("b")?);
    let (samples, steps) = (row.list("samples")?, row.list("steps")?);
    if [b.len(), samples.len(), steps.len()] != [a.len(); 3] {
        return Err("a, b, samples and steps are not as many".into());
    }
    Ok((0..a.len())
        .map(|k| Quadratic { curvature: a[k], optimum: b[k], samples: samples[k], steps: steps[k] as usize })
        .collect())
}

fn drift(row: &Row) -> Result<Ours, String> {
    let strategy = match row.model.as_str() {
        "fixed point, fedavg" => Strategy::Avg,
        "fixed point, fedprox" => Strategy::Prox(row.number("mu")?),
        "fixed point, fednova" => Strategy::Nova,
        "fixed point, scaffold" => Strategy::Scaffold,
        model => return Err(format!("model '{model}' is not known")),
    };
    Ok(Ours::exact(fixed_point(strategy, &clients(row)?, row.number("eta")?).map_err(text)?))
}

fn one_round(row: &Row) -> Result<Ours, String> {
    let rate = row.number("eta")?;
    let answer = |(client, of): (usize, &Quadratic)| {
        let local = Local::new(LocalRule::Plain, rate, of.steps).map_err(text)?;
        let values = local.run(&[0.0], |_, y| vec![of.gradient(y[0])]);
        Ok(Answer { client, samples: of.samples, values })
    };
    let answers = clients(row)?.iter().enumerate().map(answer).collect::<Result<Vec<_>, String>>()?;
    Ok(Ours::exact(Mean.fold(&answers).map_err(text)?.values[0]))
}

fn asynchronous(row: &Row) -> Result<Ours, String> {
    let staleness: Vec<u64> = row.list("staleness")?.iter().map(|s| *s as u64).collect();
    let mut model = [0.0];
    if row.model == "fedasync" {
        let rule = Async::new(row.number("alpha")?, row.number("power")?).map_err(text)?;
        for (answer, staleness) in row.list("models")?.iter().zip(staleness) {
            rule.apply(&mut model, &[*answer], staleness);
        }
    } else {
        let mut buffer = Buffer::new(row.count("buffer")?, row.number("eta")?, 1).map_err(text)?;
        for (change, staleness) in row.list("changes")?.iter().zip(staleness) {
            buffer.push(&mut model, &[*change], staleness);
        }
    }
    Ok(Ours::exact(model[0]))
}

fn selection(row: &Row, effort: Effort) -> Result<Ours, String> {
    match row.model.as_str() {
        "over-selection" => {
            let (quorum, dropout) = (row.count("quorum")?, row.number("dropout")?);
            let least = select::over_selection(quorum, dropout, row.number("confidence")?).map_err(text)?;
            Ok(Ours::exact(least as f64))
        }
        "quorum" => {
            let (selected, quorum, dropout) =
                (row.count("selected")?, row.count("quorum")?, row.number("dropout")?);
            let formula = select::quorum_probability(selected, quorum, dropout).map_err(text)?;
            let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
                let live = (0..selected).filter(|_| !rng.random_bool(dropout)).count();
                f64::from(u8::from(live >= quorum))
            });
            Ok(Ours::both(formula, simulation))
        }
        "uniform selection" => ever_seen(row, effort),
        _ => {
            let (selected, quorum, rate) =
                (row.count("selected")?, row.count("quorum")?, row.number("rate")?);
            let formula = select::quorum_time(selected, quorum, rate).map_err(text)?;
            let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
                smallest(rng, quorum, selected, |rng| -(-rng.random::<f64>()).ln_1p() / rate)
            });
            Ok(Ours::both(formula, simulation))
        }
    }
}

/// Clients ever selected, by formula and by our own selection.
fn ever_seen(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (clients, selected, rounds) = (row.count("clients")?, row.count("selected")?, row.count("rounds")?);
    let formula = select::ever_seen(clients, selected, rounds as u32).map_err(text)?;
    let there: Vec<(usize, f64)> = (0..clients).map(|client| (client, 1.0)).collect();
    let uniform = Selection::Uniform { share: 0.0, least: selected };
    let draws = effort.draws() / 100;
    let mut seen = Vec::with_capacity(draws);
    for seed in 0..draws as u64 {
        let mut ever = vec![false; clients];
        for round in 0..rounds as u64 {
            for client in uniform.choose(seed, round, &there).map_err(text)? {
                ever[client] = true;
            }
        }
        seen.push(ever.iter().filter(|seen| **seen).count() as f64);
    }
    Ok(Ours::both(formula, crate::sample::mean_and_error(&seen)))
}

fn qsgd(row: &Row, effort: Effort) -> Result<Ours, String> {
    let (qsgd, values) = (Qsgd::new(row.count("levels")? as u32).map_err(text)?, row.list("values")?);
    match row.metric.as_str() {
        "bound of squared error" => Ok(Ours::exact(qsgd.error_bound(&values))),
        "E of squared error" => {
            let simulation = simulate(Statistic::Mean, effort, &mut |rng| {
                let sent = qsgd.quantise(&values, rng).values();
                sent.iter().zip(&values).map(|(sent, value)| (sent - value).powi(2)).sum()
            });
            Ok(Ours::both(qsgd.expected_error(&values), simulation))
        }
        _ => unknown_metric(row),
    }
}

fn top_k(row: &Row) -> Result<Ours, String> {
    let (first, second) = (row.list("first")?, row.list("second")?);
    let mut sender = TopK::new(row.count("k")?, first.len()).map_err(text)?;
    let mut sent = 0.0;
    for change in [first, second] {
        sent += sender.send(&change).map_err(text)?.values.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    match row.metric.as_str() {
        "sum of what is sent" => Ok(Ours::exact(sent)),
        "squared norm of what remains" => Ok(Ours::exact(sender.kept().iter().map(|kept| kept * kept).sum())),
        _ => unknown_metric(row),
    }
}

fn gossip(row: &Row) -> Result<Ours, String> {
    let nodes = row.count("n")?;
    let topology = match row.text("graph")? {
        "ring" => Topology::Ring { nodes },
        "complete" => Topology::Complete { nodes },
        "torus" if nodes.isqrt().pow(2) == nodes => Topology::Torus { side: nodes.isqrt() },
        graph => return Err(format!("a graph '{graph}' of {nodes} nodes is not known")),
    };
    topology.check().map_err(text)?;
    match row.metric.as_str() {
        "second eigenvalue" => Ok(Ours::exact(topology.contraction())),
        "spread (max-min)" => {
            let start: Vec<f64> = (0..nodes).map(|i| i as f64).collect();
            let values = (0..row.count("steps")?).fold(start, |values, _| topology.average(&values));
            let (low, high) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
            Ok(Ours::exact(high - low))
        }
        _ => unknown_metric(row),
    }
}

/// A quantile of the sizes of devices: of the law, and of a million draws of our generator.
fn sizes(row: &Row) -> Result<Ours, String> {
    let quantile = row.number("quantile")?;
    let normal = statrs::distribution::Normal::new(4.0, 2.0).map_err(text)?;
    let formula = statrs::distribution::ContinuousCDF::inverse_cdf(&normal, quantile).exp().floor() + 50.0;
    let mut rng: rand::rngs::Xoshiro256PlusPlus = rand::SeedableRng::seed_from_u64(1);
    let draw = |_| synthetic::size(&mut rng) as f64;
    let mut drawn: Vec<f64> = (0..1_000_000).map(draw).collect();
    drawn.sort_by(f64::total_cmp);
    let value = drawn[(quantile * 1e6) as usize];
    let simulation = crate::row::Printed { value, error: 0.0 };
    Ok(Ours { slack: 2.0, ..Ours::both(formula, simulation) })
}
