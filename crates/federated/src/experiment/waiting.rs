//! F5: virtual time to a loss. A hundred devices of exponential speeds, lasting and by the round: rounds that wait for all,
//! for a quorum, and none at all.

use syncline_data::synthetic::separable;
use syncline_experiment::{Curve, Outcome, Rule, Size, median};
use syncline_learn::Softmax;

use crate::{Deal, Devices, Error, Factor, Federation, Report, Result, Select, Settings, Strategy};

const CLIENTS: usize = 100;
const AT_WORK: usize = 20;
/// The loss that is enough, from ln 10 = 2.30.
const ENOUGH: f64 = 0.8;
/// More updates than any of them needs.
const MOST: u64 = 5000;

/// What is compared.
fn ways() -> Vec<(&'static str, Settings)> {
    let base = Settings {
        selection: Select::Count(AT_WORK),
        devices: Devices { speeds: Factor::Exponential, jitter: Factor::Exponential, ..Devices::default() },
        rate: 0.05,
        rounds: MOST,
        target_loss: Some(ENOUGH),
        ..Settings::default()
    };
    vec![
        ("rounds of all 20", base.clone()),
        ("rounds of the first 16 of 20", Settings { quorum: Some(16), ..base.clone() }),
        ("rounds of the first 10 of 20", Settings { quorum: Some(10), ..base.clone() }),
        ("FedBuff, every 10", Settings { strategy: Strategy::Buffered, buffer: Some(10), ..base.clone() }),
        ("FedBuff, every 5", Settings { strategy: Strategy::Buffered, buffer: Some(5), ..base.clone() }),
        ("FedAsync", Settings { strategy: Strategy::Async, evaluate_every: 10, ..base }),
    ]
}

fn run(settings: Settings, seed: u64, threads: usize) -> Result<Report> {
    let data = separable(5000, 20, 10, seed);
    let settings = Settings { seed, threads, ..settings };
    let run =
        Federation::dealt(Softmax::new(20, 10), data, CLIENTS, Deal::Dirichlet { alpha: 0.5 }, settings)?;
    let report = run.simulate()?.report;
    match report.ended_early {
        Some(_) => Ok(report),
        None => Err(Error::Data(format!("a loss of {ENOUGH} was not reached in {MOST} updates"))),
    }
}

/// The time of each way.
pub(super) fn times(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut curves, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut are_same = true;
    for (name, settings) in ways() {
        tell(name);
        let runs = (1..=size.seeds)
            .map(|seed| run(settings.clone(), seed, size.threads))
            .collect::<Result<Vec<Report>>>()?;
        let again = run(settings, 1, 1)?;
        are_same &= again.rounds == runs[0].rounds && again.totals == runs[0].totals;
        let times: Vec<f64> = runs.iter().map(|run| run.totals.duration_s).collect();
        let of = |figure: fn(&Report) -> f64| median(&runs.iter().map(figure).collect::<Vec<f64>>());
        rows.push(vec![
            name.to_owned(),
            format!("{:.2}", median(&times)),
            format!("{:.0}", of(|run| run.rounds.len() as f64)),
            format!("{:.0}", of(|run| run.totals.counted as f64)),
            format!("{:.0}", of(|run| run.totals.late as f64)),
            format!(
                "{:.0} %",
                of(|run| {
                    let totals = &run.totals;
                    100.0 * totals.waited_client_seconds
                        / (totals.waited_client_seconds + totals.worked_client_seconds)
                })
            ),
        ]);
        let points = runs[0].rounds.iter().filter_map(|round| Some([round.end_s, round.loss?]));
        curves.push(Curve { name: name.to_owned(), points: points.collect() });
        all.push((name, times));
    }
    let faster = |a: usize, b: usize| all[a].1.iter().zip(&all[b].1).filter(|(a, b)| a < b).count();
    let seeds = size.seeds as usize;
    let rule = |a: usize, b: usize| {
        let count = faster(a, b);
        Rule::new(
            format!("{} is faster than {} in every seed ({count} of {seeds})", all[a].0, all[b].0),
            count == seeds,
        )
    };
    let rules = vec![
        rule(3, 0),
        rule(4, 0),
        Rule::new("the same seed gives the same report, on one thread as on several", are_same),
    ];
    Ok(Outcome {
        title: format!(
            "F5: virtual time to a loss of {ENOUGH}, {CLIENTS} clients of exponential speeds, {seeds} seeds"
        ),
        columns: ["way", "time, s", "updates", "answers", "late", "waiting"].map(str::to_owned).to_vec(),
        rows,
        axes: ["virtual seconds".to_owned(), "loss, seed 1".to_owned()],
        curves,
        rules,
    })
}
