//! What a user can get wrong is refused with an error that names it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_queueing::models::{ForkJoin, Hybrid, KOfN, OneBarrier, SingleQueue, SplitMerge, TinyTasks};
use syncline_queueing::sim::{Plan, StaleLoop, simulate};
use syncline_queueing::{Arrivals, Distribution, Empirical, Error, Exceedance, Model, PhaseType, Workload};

fn workload() -> Workload {
    Workload::markov(0.5, 1.0).unwrap()
}

fn is_parameter<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Parameter { .. }))
}

#[test]
fn no_tasks_no_workers_too_many_needed() {
    assert!(is_parameter(SplitMerge::new(workload(), 0)));
    assert!(is_parameter(ForkJoin::first_of(workload(), 3, 2)));
    assert!(is_parameter(ForkJoin::first_of(workload(), 0, 2)));
    assert!(is_parameter(KOfN::new(workload(), 11, 10)));
    assert!(is_parameter(SingleQueue::new(workload(), 0, 1)));
    assert!(is_parameter(TinyTasks::new(workload(), 10, 9)));
    assert!(is_parameter(OneBarrier::new(workload(), 4, 5)));
    assert!(is_parameter(Hybrid::uniform(workload(), 4, 1..=2, 1.5)));
    assert!(is_parameter(StaleLoop::new(0, 1)));
}

#[test]
fn rates_and_shapes_must_be_positive_and_finite() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(is_parameter(Workload::markov(bad, 1.0)));
        assert!(is_parameter(Workload::markov(1.0, bad)));
        assert!(is_parameter(Arrivals::deterministic(bad)));
        assert!(is_parameter(Distribution::weibull(bad, 1.0)));
        assert!(is_parameter(Distribution::constant(bad)));
        assert!(is_parameter(PhaseType::hypoexponential(&[1.0, bad])));
    }
    assert!(is_parameter(Distribution::uniform(2.0, 1.0)));
    assert!(is_parameter(Distribution::hyper_exponential(&[(0.5, 1.0)])));
}

#[test]
fn eps_lies_strictly_between_zero_and_one() {
    for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
        assert!(is_parameter(Exceedance::new(bad)));
    }
}

#[test]
fn an_unstable_system_says_by_how_much() {
    let model = SplitMerge::new(workload(), 10).unwrap();
    let eps = Exceedance::new(0.01).unwrap();
    for error in [
        model.mean().unwrap_err(),
        model.quantile(eps).unwrap_err(),
        simulate(&model, &Plan::default()).unwrap_err(),
    ] {
        let Error::Unstable { rate, largest } = error else { panic!("{error}") };
        assert!(rate == 0.5 && (largest - 0.341417).abs() < 1e-6);
        assert!(error.to_string().contains("utilisation 1.4645"), "{error}");
    }
    // Exactly at the limit is unstable too.
    let edge = ForkJoin::new(Workload::markov(1.0, 1.0).unwrap(), 4).unwrap();
    assert!(matches!(edge.mean(), Err(Error::Unstable { .. })));
}

#[test]
fn heavy_tails_have_no_exponential_bound() {
    for text in ["lognormal:0,1", "pareto:2.5,1", "weibull:0.5,1"] {
        let size: Distribution = text.parse().unwrap();
        let arrivals = Arrivals::poisson(0.1 / size.mean()).unwrap();
        let model = ForkJoin::new(Workload::new(arrivals, size), 4).unwrap();
        let error = model.quantile(Exceedance::new(0.01).unwrap()).unwrap_err();
        assert!(matches!(error, Error::HeavyTail { .. }), "{text}: {error}");
    }
    let endless: Distribution = "pareto:1.5,1".parse().unwrap();
    let model = SplitMerge::new(Workload::new(Arrivals::poisson(0.01).unwrap(), endless), 4).unwrap();
    assert!(matches!(model.mean(), Err(Error::InfiniteMoment { order: 2, .. })));
    let without_mean: Distribution = "pareto:0.9,1".parse().unwrap();
    let model = ForkJoin::new(Workload::new(Arrivals::poisson(0.01).unwrap(), without_mean), 4).unwrap();
    assert!(matches!(model.mean(), Err(Error::InfiniteMoment { order: 1, .. })));
}

#[test]
fn traces_must_carry_the_question() {
    assert!(matches!(Empirical::new(vec![]), Err(Error::TooFewSamples { have: 0, .. })));
    assert!(matches!(Arrivals::replay(vec![]), Err(Error::TooFewSamples { have: 0, .. })));
    assert!(is_parameter(Empirical::new(vec![1.0, -1.0])));
    let few = Distribution::empirical(Empirical::new(vec![1.0; 10]).unwrap());
    let model = ForkJoin::new(Workload::new(Arrivals::poisson(0.1).unwrap(), few), 2).unwrap();
    assert!(matches!(
        model.quantile(Exceedance::new(0.1).unwrap()),
        Err(Error::TooFewSamples { have: 10, .. })
    ));
    let plan = Plan { jobs: 1000, quantiles: vec![Exceedance::new(1e-4).unwrap()], ..Plan::default() };
    let model = ForkJoin::new(workload(), 2).unwrap();
    assert!(matches!(simulate(&model, &plan), Err(Error::TooFewSamples { .. })));
}

#[test]
fn texts_that_are_no_distribution_are_refused_with_the_forms_there_are() {
    for text in ["", "exp", "exp:x", "exp:1,2", "gauss:1,2", "erlang:1.5,2"] {
        let error = text.parse::<Distribution>().unwrap_err();
        assert!(matches!(error, Error::Parse { .. } | Error::Parameter { .. }), "{text}: {error}");
    }
    assert!("gauss:1,2".parse::<Distribution>().unwrap_err().to_string().contains("erlang:m,rate"));
}

#[test]
fn a_question_too_large_for_a_formula_is_answered_by_less_or_refused() {
    let eps = Exceedance::new(1e-3).unwrap();
    let small = |lam| Workload::markov(lam, 1.0).unwrap();
    // A million phases: the bound alone.
    assert_eq!(SplitMerge::new(small(0.01), 1_000_000).unwrap().quantiles(eps).unwrap().len(), 1);
    assert_eq!(TinyTasks::new(small(1e-4), 1000, 1_000_000).unwrap().quantiles(eps).unwrap().len(), 1);
    assert!(ForkJoin::new(small(0.01), 1_000_000).unwrap().mean().is_ok());
    let pool = SingleQueue::new(small(0.05), 100_000, 1_000_000).unwrap();
    assert!(matches!(pool.mean(), Err(Error::NoFormula { .. })));
    assert_eq!(pool.quantiles(eps).unwrap().len(), 1);
    // Chains of queues are cut where 1e-20 of the weight is left, so that they are not asked for less.
    let rare = Exceedance::new(1e-300).unwrap();
    assert_eq!(SingleQueue::new(small(0.5), 4, 4).unwrap().quantiles(rare).unwrap().len(), 1);
}
