//! The orderings and reductions that hold between the models, whatever the parameters.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use syncline_queueing::models::{
    Backlog, ForkJoin, Hybrid, KOfN, MultiStage, OneBarrier, PartialMapping, SingleQueue, SplitMerge,
    TinyTasks, TwoBarrier,
};
use syncline_queueing::sim::{Passage, Plan, System, simulate, stream};
use syncline_queueing::{Distribution, Error, Exceedance, Kind, Model, OrderStatistic, Workload};

fn markov(lam: f64, mu: f64) -> Workload {
    Workload::markov(lam, mu).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 1e-8
}

fn best(model: &dyn Model) -> f64 {
    model.mean().unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn waiting_for_each_other_costs(s in 2usize..24, share in 0.05f64..0.95) {
        // Same work on the same workers, one task each: fewer barriers, less time.
        let lam = share * SplitMerge::new(markov(1.0, 1.0), s).unwrap().largest_rate().unwrap().value;
        let workload = markov(lam, 1.0);
        let merge = best(&SplitMerge::new(workload.clone(), s).unwrap());
        let two = best(&TwoBarrier::new(workload.clone(), s, s).unwrap());
        let one = best(&OneBarrier::new(workload.clone(), s, s).unwrap());
        let pool = best(&SingleQueue::new(workload.clone(), s, s).unwrap());
        prop_assert!(close(merge, two) && close(two, one), "{merge} {two} {one}");
        prop_assert!(one >= pool * (1.0 - 1e-9), "{one} {pool}");
        let lower = ForkJoin::new(workload, s).unwrap().means().unwrap();
        let upper = lower.iter().find(|e| e.kind == Kind::UpperBound).unwrap().value;
        prop_assert!(upper >= pool * (1.0 - 1e-9), "fork-join is at least the pool: {upper} {pool}");
    }

    #[test]
    fn narrower_jobs_under_barriers_are_ordered(s in 2usize..24, width in 1usize..12, share in 0.05f64..0.9) {
        prop_assume!(width <= s);
        let stable = TwoBarrier::new(markov(1.0, 1.0), s, width).unwrap().largest_rate().unwrap().value;
        let one = OneBarrier::new(markov(share * stable, 1.0), s, width).unwrap();
        let pool = SingleQueue::new(markov(share * stable, 1.0), s, width).unwrap();
        prop_assert!(stable <= one.largest_rate().unwrap().value * (1.0 + 1e-12));
        prop_assert!(one.largest_rate().unwrap().value <= pool.largest_rate().unwrap().value * (1.0 + 1e-12));
        prop_assert!(best(&one) >= best(&pool) * (1.0 - 1e-9));
        // M/G/c by its variability is good to 1 %.
        let two = best(&TwoBarrier::new(markov(share * stable, 1.0), s, width).unwrap());
        prop_assert!(two >= 0.99 * best(&one), "{two} {}", best(&one));
    }

    #[test]
    fn one_task_is_the_plain_queue(s in 1usize..40, rho in 0.05f64..0.98, mu in 0.1f64..10.0) {
        let single = markov(rho * mu, mu);
        let mm1 = 1.0 / (mu * (1.0 - rho));
        prop_assert!(close(best(&SplitMerge::new(single.clone(), 1).unwrap()), mm1));
        prop_assert!(close(best(&ForkJoin::new(single.clone(), 1).unwrap()), mm1));
        prop_assert!(close(best(&KOfN::new(single.clone(), 1, 1).unwrap()), mm1));
        prop_assert!(close(best(&MultiStage::new(single.clone(), 1, 1).unwrap()), mm1));
        prop_assert!(close(best(&PartialMapping::new(single.clone(), 1, 1).unwrap()), mm1));
        prop_assert!(close(best(&TinyTasks::new(single, 1, 1).unwrap()), mm1));
        // k = 1 on s workers: M/M/s by three routes.
        let pool = markov(rho * mu * s as f64, mu);
        let chain = best(&SingleQueue::new(pool.clone(), s, 1).unwrap());
        prop_assert!(close(chain, best(&OneBarrier::new(pool.clone(), s, 1).unwrap())));
        prop_assert!(close(chain, best(&TwoBarrier::new(pool, s, 1).unwrap())));
    }

    #[test]
    fn needing_every_task_reduces(k in 1usize..30, share in 0.1f64..0.9, eps in 1e-6f64..0.5) {
        let eps = Exceedance::new(eps).unwrap();
        let workload = markov(share / syncline_queueing::harmonic(k), 1.0);
        let (all, first) = (SplitMerge::new(workload.clone(), k).unwrap(), SplitMerge::first_of(workload.clone(), k, k).unwrap());
        prop_assert_eq!(best(&all), best(&first));
        prop_assert!(close(TinyTasks::new(workload.clone(), k, k).unwrap().quantile(eps).unwrap().value, all.quantile(eps).unwrap().value));
        let fork = ForkJoin::new(workload.clone(), k).unwrap().quantiles(eps).unwrap();
        let fork_first = ForkJoin::first_of(workload, k, k).unwrap().quantiles(eps).unwrap();
        prop_assert_eq!(fork, fork_first);
    }

    #[test]
    fn hybrids_lie_between_their_ends(s in 2usize..60, k in 1usize..30, p in 0.0f64..1.0) {
        prop_assume!(k <= s);
        let rate = |p| Hybrid::uniform(markov(0.1, 1.0), s, k..=k, p).unwrap().largest_rate().unwrap().value;
        let barrier = OneBarrier::new(markov(0.1, 1.0), s, k).unwrap().largest_rate().unwrap().value;
        let pool = SingleQueue::new(markov(0.1, 1.0), s, k).unwrap().largest_rate().unwrap().value;
        prop_assert!(close(rate(0.0), pool) && close(rate(1.0), barrier));
        prop_assert!(rate(p) >= barrier * (1.0 - 1e-12) && rate(p) <= pool * (1.0 + 1e-12));
    }

    #[test]
    fn redundancy_raises_the_job_rate(k in 1usize..5, extra in 0usize..6, l in 1usize..5) {
        prop_assume!(l <= k);
        let s = k + extra;
        let one = Backlog::new(s, k, l, 1.0).unwrap().largest_rate().value;
        let two = TwoBarrier::first_of(markov(0.1, 1.0), s, k, l).unwrap().largest_rate().unwrap().value;
        prop_assert!(one >= two * (1.0 - 1e-9), "1-barrier {one}, 2-barrier {two}");
        if l == k {
            let exact = OneBarrier::new(markov(0.1, 1.0), s, k).unwrap().largest_rate().unwrap().value;
            prop_assert!(close(one, exact));
        } else {
            prop_assert!(one > Backlog::new(s, k, l + 1, 1.0).unwrap().largest_rate().value);
        }
    }

    #[test]
    fn quantiles_rise_as_eps_falls(k in 1usize..20, share in 0.1f64..0.95, eps in 1e-7f64..0.4) {
        let workload = markov(share / syncline_queueing::harmonic(k), 1.0);
        let models: [Box<dyn Model>; 4] = [
            Box::new(SplitMerge::new(workload.clone(), k).unwrap()),
            Box::new(ForkJoin::new(workload.clone(), k).unwrap()),
            Box::new(SingleQueue::new(workload.clone(), k, k).unwrap()),
            Box::new(OneBarrier::new(workload, k, k).unwrap()),
        ];
        let (wide, narrow) = (Exceedance::new(eps).unwrap(), Exceedance::new(eps / 2.0).unwrap());
        for model in &models {
            for (a, b) in model.quantiles(wide).unwrap().iter().zip(model.quantiles(narrow).unwrap()) {
                prop_assert!(a.value < b.value, "{}: {a:?} {b:?}", model.name());
            }
        }
        // A bound never falls below the exact value.
        let merge = models[0].quantiles(wide).unwrap();
        prop_assert!(merge[0].value <= merge[1].value);
    }

    #[test]
    fn order_statistics_rise_with_l_and_average_to_the_mean(n in 1usize..40, shape in 0.3f64..6.0) {
        let size = Distribution::gamma(shape, shape).unwrap();
        let means: Vec<f64> = (1..=n).map(|l| OrderStatistic::new(&size, l, n).unwrap().mean().unwrap()).collect();
        prop_assert!(means.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!((means.iter().sum::<f64>() / n as f64 - 1.0).abs() < 1e-7);
    }

    /// Fork-join is never ahead of a pool on the same jobs, split-merge never ahead of fork-join: path by path.
    #[test]
    fn systems_are_ordered_job_by_job(k in 1usize..12, lam in 0.05f64..2.0, seed in any::<u64>()) {
        let workload = markov(lam, 1.0);
        let merge = SplitMerge::new(workload.clone(), k).unwrap();
        let fork = ForkJoin::new(workload.clone(), k).unwrap();
        let mut systems = [merge.system(), fork.system()];
        let mut random = stream(seed, 0);
        let mut now = 0.0;
        for _ in 0..200 {
            now += workload.size.draw(&mut random) / lam;
            let mut sizes = vec![0.0; k];
            workload.size.fill(&mut random, &mut sizes);
            let [merge, fork]: [Passage; 2] = systems.each_mut().map(|s: &mut Box<dyn System>| s.admit(now, &sizes, &mut random));
            prop_assert!(merge.departed >= fork.departed - 1e-9 && fork.started >= now && merge.started >= now);
        }
    }
}

#[test]
fn simulated_quantiles_stay_below_their_bounds() -> Result<(), Error> {
    let workload = markov(0.5, 1.0);
    let models: [Box<dyn Model>; 4] = [
        Box::new(ForkJoin::new(workload.clone(), 10)?),
        Box::new(SingleQueue::new(workload.clone(), 10, 10)?),
        Box::new(OneBarrier::new(workload.clone(), 10, 5)?),
        Box::new(MultiStage::new(workload, 2, 10)?),
    ];
    let levels = [Exceedance::new(1e-2)?, Exceedance::new(1e-3)?];
    for model in &models {
        let plan = Plan { jobs: 400_000, quantiles: levels.to_vec(), ..Plan::default() };
        let report = simulate(&**model, &plan)?;
        for (eps, simulated) in &report.quantiles {
            for bound in model.quantiles(*eps)? {
                let low = simulated.value - 3.0 * simulated.error;
                assert!(bound.value >= low, "{} at {}: {bound:?} {simulated:?}", model.name(), eps.get());
            }
        }
    }
    Ok(())
}
