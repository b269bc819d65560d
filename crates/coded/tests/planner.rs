//! The planner: the best code where there is one, and "do not code" where there is none.

#![allow(clippy::unwrap_used, reason = "tests")]

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution as _, Exp};
use syncline_coded::planner::{Advice, Reading, from_distribution, from_times, slowness};
use syncline_coded::time::ShiftedExponential;
use syncline_queueing::Distribution;

fn shifted(shift: f64, rate: f64, count: usize, seed: u64) -> Vec<f64> {
    let (mut rng, law) = (Xoshiro256PlusPlus::seed_from_u64(seed), Exp::new(rate).unwrap());
    (0..count).map(|_| shift + law.sample(&mut rng)).collect()
}

#[test]
fn the_best_code_of_a_known_law_is_the_closed_form() {
    for (n, mu) in [(10, 1.0), (16, 0.5), (64, 2.0)] {
        let law = Distribution::shifted_exponential(1.0, mu).unwrap();
        let plan = from_distribution(&law, n, &|_| 0.0).unwrap();
        let best = ShiftedExponential::new(mu).unwrap().best(n).unwrap();
        assert_eq!((plan.best, plan.advice), (best.needed, Advice::Code { needed: best.needed }));
        assert!((plan.choices[best.needed - 1].mean / best.mean - 1.0).abs() < 1e-9);
        let quantile = ShiftedExponential::new(mu).unwrap().mds_quantile(n, best.needed, 0.95).unwrap();
        let planned = plan.choices[best.needed - 1].quantile95;
        assert!((planned / quantile - 1.0).abs() < 1e-7, "{planned} {quantile}");
    }
}

#[test]
fn times_of_a_shifted_exponential_are_recognised_and_planned() {
    let plan = from_times(&shifted(30.0, 1.0 / 30.0, 400, 2), 10, |_| 0.0, 1).unwrap();
    assert_eq!(plan.fit.unwrap().better, Reading::ShiftedExponential);
    assert!((6..=8).contains(&plan.best), "7 is best for mu = 1: {}", plan.best);
    let (low, high) = plan.gain_interval.unwrap();
    assert!(low < plan.gain && plan.gain < high && low > 1.1 && high < 1.6, "{low} {} {high}", plan.gain);
}

#[test]
fn light_tails_dear_decodes_and_doubt_are_told_not_to_code() {
    let refuses = |plan: syncline_coded::planner::Plan, says: &str| match plan.advice {
        Advice::DoNotCode { reason } => assert!(reason.contains(says), "{reason}"),
        Advice::Code { needed } => panic!("{needed}"),
    };
    // Constant times: any redundancy is lost work.
    let even = Distribution::uniform(0.99, 1.01).unwrap();
    refuses(from_distribution(&even, 10, &|_| 0.0).unwrap(), "too light");
    let heavy = Distribution::shifted_exponential(1.0, 1.0).unwrap();
    refuses(from_distribution(&heavy, 10, &|_| 1.0).unwrap(), "too light");
    assert!(matches!(from_distribution(&heavy, 10, &|_| 0.0).unwrap().advice, Advice::Code { .. }));
    // Four times prove nothing.
    refuses(from_times(&[10.0, 11.0, 16.0, 12.0], 16, |_| 0.0, 1).unwrap(), "could be anything");
}

#[test]
fn a_tail_without_a_mean_is_coded_around() {
    let pareto = Distribution::pareto(0.9, 1.0).unwrap();
    let plan = from_distribution(&pareto, 8, &|_| 0.0).unwrap();
    assert!(plan.choices[7].mean.is_infinite() && plan.best < 8 && plan.gain.is_infinite());
}

#[test]
fn a_slow_worker_is_told_from_slow_moments() {
    let noise: Vec<Vec<f64>> = (0..6).map(|worker| shifted(1.0, 2.0, 50, worker)).collect();
    let by_chance = slowness(&noise).unwrap();
    assert!(by_chance.between < 0.1 && !by_chance.leave_out(6), "{by_chance:?}");
    let mut slow = noise.clone();
    slow[4].iter_mut().for_each(|time| *time *= 4.0);
    let found = slowness(&slow).unwrap();
    assert!(found.slowest == 4 && found.leave_out(6) && (found.ratio - 4.0).abs() < 1.0, "{found:?}");
    assert!(slowness(&[vec![1.0, 2.0], vec![1.0]]).is_err());
}

#[test]
fn what_is_no_time_is_refused() {
    for times in [vec![], vec![1.0], vec![1.0, -2.0], vec![1.0, f64::NAN]] {
        assert!(from_times(&times, 4, |_| 0.0, 1).is_err());
    }
    assert!(from_times(&[1.0, 2.0, 4.0], 4, |_| f64::NAN, 1).is_err());
}
