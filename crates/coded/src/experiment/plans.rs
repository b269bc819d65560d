//! C3: the planner is given the task times of an uncoded run and says which k is best; then every k is run.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use syncline_experiment::{Curve, Outcome, Rule, Size};

use super::titles;
use crate::planner::{Advice, from_times};
use crate::{Code, Mds, Result};

const WORKERS: usize = 10;
/// Rounds of the uncoded run that is planned from, and of each run that is measured.
const SEEN: usize = 200;
const MEASURED: usize = 4000;

/// What the whole job takes on one worker.
#[derive(Clone, Copy)]
enum Law {
    Exponential(f64),
    Lognormal(f64),
    Constant,
}

const LAWS: [(&str, Law); 5] = [
    ("1 + Exp(0.5)", Law::Exponential(0.5)),
    ("1 + Exp(1)", Law::Exponential(1.0)),
    ("1 + Exp(4)", Law::Exponential(4.0)),
    ("lognormal, sigma 1", Law::Lognormal(1.0)),
    ("1", Law::Constant),
];

impl Law {
    fn draw(self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Self::Exponential(mu) => 1.0 - (1.0 - rng.random::<f64>()).ln() / mu,
            Self::Lognormal(sigma) => (sigma * rng.sample::<f64, _>(StandardNormal)).exp(),
            // Times that are measured are never quite equal.
            Self::Constant => 1.0 + 1e-6 * rng.random::<f64>(),
        }
    }
}

/// Mean time of a round until an (n, k) code can be decoded.
fn measured(law: Law, needed: usize, seed: u64) -> Result<f64> {
    let code = Mds::systematic(WORKERS, needed, 1)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut sum = 0.0;
    for _ in 0..MEASURED {
        let mut order: Vec<(f64, usize)> = (0..WORKERS).map(|worker| (law.draw(&mut rng), worker)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut heard = Vec::new();
        for (time, worker) in order {
            heard.push(worker);
            if code.decodable(&heard) {
                sum += time / needed as f64;
                break;
            }
        }
    }
    Ok(sum / MEASURED as f64)
}

/// Plan and measurement of every law.
pub(super) fn plans(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut rules, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    for (name, law) in LAWS {
        tell(name);
        let times: Vec<f64> = (1..=WORKERS).map(|needed| measured(law, needed, 77)).collect::<Result<_>>()?;
        let best = (1..=WORKERS).fold(1, |best, k| if times[k - 1] < times[best - 1] { k } else { best });
        let (mut hits, mut planned, mut advised) = (0, Vec::new(), 0);
        for seed in 1..=size.seeds {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let seen: Vec<f64> = (0..SEEN * WORKERS).map(|_| law.draw(&mut rng)).collect();
            let plan = from_times(&seen, WORKERS, |_| 0.0, seed)?;
            let is_near = plan.best.abs_diff(best) <= 1 || times[plan.best - 1] <= 1.03 * times[best - 1];
            hits += u64::from(is_near);
            advised += u64::from(matches!(plan.advice, Advice::Code { .. }));
            planned.push(plan.best.to_string());
            if seed == 1 {
                let points = plan.choices.iter().map(|choice| [choice.needed as f64, choice.mean]);
                curves.push(Curve { name: format!("{name}, planned"), points: points.collect() });
            }
        }
        planned.dedup();
        rows.push(vec![
            name.to_owned(),
            planned.join(", "),
            best.to_string(),
            format!("{:.4}", times[best - 1]),
            format!("{:.3}", times[WORKERS - 1] / times[best - 1]),
            format!("{advised} of {}", size.seeds),
        ]);
        rules.push(Rule::new(
            format!("{name}: the planned k is within 1 of the best measured, or within 3 % of its time ({hits} of {} seeds)", size.seeds),
            hits == size.seeds,
        ));
        if matches!(law, Law::Constant) {
            rules.push(Rule::new("equal times: the advice is not to code", advised == 0));
        }
    }
    Ok(Outcome {
        title: format!(
            "C3: the planner after {SEEN} uncoded rounds of {WORKERS} workers, against {MEASURED} measured rounds of every k"
        ),
        columns: titles(&["job", "planned k", "best k", "its time", "of waiting for all", "advised to code"]),
        rows,
        axes: ["answers waited for, k".to_owned(), "mean time of a round, seed 1".to_owned()],
        curves,
        rules,
    })
}
