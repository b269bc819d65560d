//! The event-driven pool against what is known exactly: priorities, breakdowns, unequal workers, restarts.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_queueing::models::{ForkJoin, SingleQueue};
use syncline_queueing::sim::events::{Failures, Loss, Pool, Preemption, Queues, simulate_pool};
use syncline_queueing::sim::{Interval, Plan, Report};
use syncline_queueing::{Arrivals, Distribution, Error, Exceedance, Model, Workload};

const JOBS: u64 = 150_000;

fn run(pool: &Pool, workload: &Workload) -> Report {
    simulate_pool(pool, workload, &Plan { jobs: JOBS, ..Plan::default() }, &|_| {}).unwrap()
}

fn agree(what: &str, simulated: Interval, exact: f64) {
    let errors = (simulated.value - exact).abs() / simulated.error;
    assert!(errors < 4.5, "{what}: {simulated:?} against {exact}, {errors:.1} errors");
}

fn poisson(rate: f64, size: &str) -> Workload {
    Workload::new(Arrivals::poisson(rate).unwrap(), size.parse().unwrap())
}

fn one_worker() -> Pool {
    Pool::new(vec![1.0], 1).unwrap()
}

/// Cobham: W_c = (lam E[S^2] / 2) / ((1 - sigma_{c-1}) (1 - sigma_c)), sigma_c the load of the classes up to c.
#[test]
fn waits_under_priority_without_preemption_are_cobhams() -> Result<(), Error> {
    let shares = [0.2, 0.5, 0.3];
    for size in ["exp:1", "erlang:3,3", "const:1"] {
        let workload = poisson(0.8, size);
        let report = run(&one_worker().with_classes(shares.to_vec())?, &workload);
        let residual = 0.8 * workload.size.moment(2) / 2.0;
        let mut before = 0.0;
        for (class, share) in shares.iter().enumerate() {
            let after = before + 0.8 * share;
            agree(size, report.classes[class].wait, residual / ((1.0 - before) * (1.0 - after)));
            before = after;
        }
    }
    Ok(())
}

/// T_c = E[S] / (1 - sigma_{c-1}) + (sum over classes up to c of lam_i E[S^2] / 2) / ((1 - sigma_{c-1}) (1 - sigma_c)).
#[test]
fn sojourns_under_preemptive_resume_are_the_known_ones() -> Result<(), Error> {
    for size in ["exp:1", "uniform:0.5,1.5"] {
        let workload = poisson(0.8, size);
        let pool = one_worker().with_classes(vec![0.4, 0.6])?.with_preemption(Preemption::Resume);
        let report = run(&pool, &workload);
        let half = workload.size.moment(2) / 2.0;
        agree(size, report.classes[0].mean, 1.0 + 0.32 * half / 0.68);
        agree(size, report.classes[1].mean, 1.0 / 0.68 + 0.8 * half / (0.68 * 0.2));
    }
    Ok(())
}

/// A restarted task of constant size x is hit by urgent arrivals of rate l until it gets through undisturbed: with
/// busy periods of mean b between, it needs (e^(l x) - 1) (1/l + b) from its first start.
#[test]
fn preemptive_restart_begins_again() -> Result<(), Error> {
    let (rate, urgent, size) = (0.02, 0.99, 1.0);
    let workload = poisson(rate * 15.0, "const:1");
    let pool = one_worker().with_classes(vec![urgent, 1.0 - urgent])?.with_preemption(Preemption::Restart);
    let report = run(&pool, &workload);
    let l = rate * 15.0 * urgent;
    let busy = size / (1.0 - l * size);
    let service = ((l * size).exp() - 1.0) * (1.0 / l + busy);
    let simulated = report.classes[1];
    // Few tasks of the second class meet each other: the difference of sojourn and wait is the service.
    agree(
        "restart",
        Interval { value: simulated.mean.value - simulated.wait.value, ..simulated.mean },
        service,
    );
    Ok(())
}

/// M/M/1 whose server is up a share a = r / (f + r) of the time, exponential up and down times, work resumed:
/// E[N] = (lam / a + lam^2 f / r^2) / (mu - lam / a) + f a lam / r^2, by generating functions (White and Christie 1958).
#[test]
fn breakdowns_of_a_single_server() -> Result<(), Error> {
    let (lam, mu, f, r) = (0.5f64, 1.0, 0.1, 0.4);
    let a = r / (f + r);
    let number = (lam / a + lam * lam * f / (r * r)) / (mu - lam / a) + f * a * lam / (r * r);
    let pool = one_worker().with_failures(Failures::new(1.0 / f, 1.0 / r, Loss::Nothing)?);
    agree("breakdowns", run(&pool, &Workload::markov(lam, mu)?).mean, number / lam);
    Ok(())
}

/// A task of size x that a failure of rate f throws back takes (e^(f x) - 1)(1/f + 1/r); with n checkpoints n times
/// that of x/n.
#[test]
fn what_a_failure_costs_a_task() -> Result<(), Error> {
    let (f, r) = (0.5f64, 2.0);
    let through = |x: f64| ((f * x).exp() - 1.0) * (1.0 / f + 1.0 / r);
    // Between two jobs a worker fails hundreds of times, so that a few thousand jobs are many events.
    let workload = poisson(0.001, "const:2");
    let plan = Plan { jobs: 8_000, ..Plan::default() };
    let cases = [
        (Loss::Everything, through(2.0)),
        (Loss::SinceCheckpoint(0.5), 4.0 * through(0.5)),
        (Loss::Nothing, 2.5),
    ];
    for (loss, service) in cases {
        let pool = one_worker().with_failures(Failures::new(1.0 / f, 1.0 / r, loss)?);
        let report = simulate_pool(&pool, &workload, &plan, &|_| {})?;
        let in_service = Interval { value: report.mean.value - report.wait.value, ..report.mean };
        agree(&format!("{loss:?}"), in_service, service);
        // A job that comes while the worker is down waits for the repair; jobs seldom meet.
        let (repair, wait) = (f / (f + r) / r, report.wait.value);
        assert!((0.9 * repair..1.4 * repair).contains(&wait), "{loss:?}: {wait} against {repair}");
    }
    Ok(())
}

/// Two exponential workers, the faster one taken first: balance equations of (n), n = 1 split by which one works.
#[test]
fn the_faster_of_two_workers_is_taken_first() -> Result<(), Error> {
    let (lam, fast, slow) = (1.2f64, 1.5, 0.5);
    // States 0, 1 on the fast one, 1 on the slow one, 2, 3, ...; p0 = 1. Cut below 2: lam (pf + ps) = (fast + slow) p2.
    // pf: (lam + fast) pf = lam p0 + slow p2;  ps: (lam + slow) ps = fast p2;  cut below 1: lam p0 = fast pf + slow ps.
    let both = fast + slow;
    let per_p2 = fast / (lam + slow);
    // lam (pf + per_p2 p2) = both p2  =>  pf = p2 (both / lam - per_p2)
    let pf_per_p2 = both / lam - per_p2;
    let p2 = lam / (fast * pf_per_p2 + slow * per_p2);
    let rho = lam / both;
    let one = p2 * (pf_per_p2 + per_p2);
    let total = 1.0 + one + p2 / (1.0 - rho);
    let number = (one + p2 * (2.0 / (1.0 - rho) + rho / (1.0 - rho).powi(2))) / total;
    let report = run(&Pool::new(vec![slow, fast], 1)?, &Workload::markov(lam, 1.0)?);
    agree("fast and slow", report.mean, number / lam);
    Ok(())
}

#[test]
fn equal_workers_that_never_fail_are_the_recursions() -> Result<(), Error> {
    let workload = Workload::markov(0.9, 1.0)?;
    let pool = run(&Pool::new(vec![1.0; 4], 2)?, &workload);
    agree("single queue", pool.mean, SingleQueue::new(workload.clone(), 4, 2)?.mean()?.value);
    agree("its wait", pool.wait, SingleQueue::new(workload, 4, 2)?.waits()?[0].value);
    let workload = Workload::markov(0.5, 1.0)?;
    let own = Pool::new(vec![1.0; 2], 2)?.with_queues(Queues::PerWorker)?;
    agree("fork-join", run(&own, &workload).mean, ForkJoin::new(workload, 2)?.mean()?.value);
    Ok(())
}

#[test]
fn a_speed_is_a_scale_of_time() -> Result<(), Error> {
    let (slow, fast) = (Pool::new(vec![1.0; 3], 3)?, Pool::new(vec![4.0; 3], 3)?);
    let (a, b) = (run(&slow, &Workload::markov(0.5, 1.0)?), run(&fast, &Workload::markov(2.0, 1.0)?));
    assert!((a.mean.value / (4.0 * b.mean.value) - 1.0).abs() < 1e-9, "{:?} {:?}", a.mean, b.mean);
    Ok(())
}

#[test]
fn quantiles_and_threads_are_as_for_the_recursions() -> Result<(), Error> {
    let pool = Pool::new(vec![1.0], 1)?;
    let workload = Workload::markov(0.5, 1.0)?;
    let plan = |threads| Plan {
        jobs: JOBS,
        threads,
        quantiles: vec![Exceedance::new(0.1).unwrap()],
        ..Plan::default()
    };
    let report = simulate_pool(&pool, &workload, &plan(1), &|_| {})?;
    assert_eq!(report, simulate_pool(&pool, &workload, &plan(3), &|_| {})?);
    agree("M/M/1", report.quantiles[0].1, 10f64.ln() / 0.5);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> Result<(), Error> {
    let parameter = |result: Result<Pool, Error>| matches!(result, Err(Error::Parameter { .. }));
    assert!(parameter(Pool::new(vec![], 1)) && parameter(Pool::new(vec![1.0, -1.0], 1)));
    assert!(parameter(Pool::new(vec![f64::NAN], 1)) && parameter(Pool::new(vec![1.0], 0)));
    assert!(parameter(one_worker().with_classes(vec![0.5, 0.4])));
    assert!(parameter(Pool::new(vec![1.0; 2], 3)?.with_queues(Queues::PerWorker)));
    assert!(matches!(Failures::new(0.0, 1.0, Loss::Nothing), Err(Error::Parameter { .. })));
    assert!(matches!(Failures::new(1.0, 1.0, Loss::SinceCheckpoint(0.0)), Err(Error::Parameter { .. })));
    let plan = Plan { jobs: 10_000, ..Plan::default() };
    let down = one_worker().with_failures(Failures::new(1.0, 1.0, Loss::Nothing)?);
    let unstable = simulate_pool(&down, &Workload::markov(0.6, 1.0)?, &plan, &|_| {});
    assert!(matches!(unstable, Err(Error::Unstable { largest, .. }) if largest == 0.5));
    // e^50 failures would have to pass before a task gets through: an error instead of a wait for it.
    let hopeless = one_worker().with_failures(Failures::new(1.0, 1.0, Loss::Everything)?);
    let size = Distribution::constant(50.0)?;
    let workload = Workload::new(Arrivals::poisson(0.001)?, size);
    assert!(matches!(simulate_pool(&hopeless, &workload, &plan, &|_| {}), Err(Error::Parameter { .. })));
    Ok(())
}

/// A task of length 2 that begins again after each failure, on average every 2, keeps its worker for 2.5 (e - 1) = 4.3:
/// too long for arrivals every 3.3, though the worker is up for long enough if nothing were lost.
#[test]
fn work_that_is_lost_counts_towards_instability() -> Result<(), Error> {
    let pool = one_worker().with_failures(Failures::new(2.0, 0.5, Loss::Everything)?);
    let workload = poisson(0.3, "const:2");
    let result = simulate_pool(&pool, &workload, &Plan { jobs: JOBS, ..Plan::default() }, &|_| {});
    assert!(matches!(result, Err(Error::Unstable { .. })), "{result:?}");
    Ok(())
}

#[test]
fn a_class_too_rare_for_some_replications_has_a_mean_over_the_others() -> Result<(), Error> {
    let rare = 1.0 / JOBS as f64;
    let report = run(&one_worker().with_classes(vec![rare, 1.0 - rare])?, &poisson(0.5, "exp:1"));
    let class = &report.classes[0];
    assert!(class.jobs == 0 || class.mean.value.is_finite(), "{class:?}");
    assert!(report.classes[1].mean.value.is_finite());
    assert!(one_worker().with_classes(vec![0.0, 1.0]).is_err(), "a class without jobs is none");
    Ok(())
}
