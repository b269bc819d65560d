//! Rows about closed loops and single quantities: order statistics, overheads, makespans, stale iterations.

use syncline_queueing::overhead::Granularity;
use syncline_queueing::sim::{Interval, Overhead, Plan, Random, StaleLoop, System, TinyTasksSystem, stream};
use syncline_queueing::{Distribution, Empirical, Error, OrderStatistic, polling, training};

use crate::case::{Case, Simulation};
use crate::row::Row;

const REPLICATIONS: u64 = 16;
const DRAWS: usize = 2_000_000;
/// Tasks over all replications of a makespan of the usual length, and how many times longer ours are.
const MAKESPAN_TASKS: usize = 4_000_000;
const LENGTHENED: usize = 5;

/// The case if the row is of this sort.
pub fn case(row: &Row) -> Result<Option<Case>, String> {
    let name = row.model.as_str();
    match name {
        "SSP 2 workers exact" => stale(row),
        "l-of-n exp" => order_statistic(row),
        "min(U(0,T),Exp) overhead" => polling_overhead(row),
        "tiny mean makespan with overhead" => makespan(row),
        _ if name.starts_with("empirical l-of-n estimator") => empirical(row),
        _ => return Ok(None),
    }
    .map(Some)
}

fn exact(formula: f64, simulated: Interval) -> Case {
    let simulation = Simulation::Done { simulated, usual_error: simulated.error };
    Case { formula, formula_error: 0.0, is_exact: true, simulation, remark: String::new() }
}

fn stale(row: &Row) -> Result<Case, String> {
    let staleness = row.count(&["staleness", "st"])?;
    let size = row.size()?;
    let mu = size.exponential_rate().ok_or("the two-worker chain needs exponential tasks")?;
    let formula = training::two_stale_workers(staleness, mu).map_err(text)?.value;
    let plan = Plan { jobs: 10_000_000, ..Plan::default() };
    Ok(exact(formula, StaleLoop::iteration_time(2, staleness, &size, &plan).map_err(text)?))
}

fn order_statistic(row: &Row) -> Result<Case, String> {
    let (n, l, size) = (row.count(&["n"])?, row.count(&["l"])?, row.size()?);
    let formula = OrderStatistic::new(&size, l, n).and_then(|x| x.mean()).map_err(text)?;
    Ok(exact(formula, draws_of_order_statistic(&size, l, n)))
}

/// The row gives the number of samples in the model's name; whose 5000 samples they were it cannot say, so ours are
/// drawn from a seed and both estimates are taken with the error that such a sample has.
fn empirical(row: &Row) -> Result<Case, String> {
    let digits: String = row.model.chars().skip_while(|c| *c != '(').filter(char::is_ascii_digit).collect();
    let samples: usize = digits.parse().map_err(|_| "the number of samples is missing".to_owned())?;
    let (n, l, size) = (row.count(&["n"])?, row.count(&["l"])?, row.size()?);
    let estimates: Vec<f64> = (0..REPLICATIONS)
        .map(|i| {
            let mut drawn = vec![0.0; samples];
            size.fill(&mut stream(5, i), &mut drawn);
            let sample = Distribution::empirical(Empirical::new(drawn)?);
            OrderStatistic::new(&sample, l, n)?.mean()
        })
        .collect::<Result<_, Error>>()
        .map_err(text)?;
    let all = Interval::of(&estimates);
    // The file's estimate and ours each carry the spread of one sample.
    let formula_error = all.error * (REPLICATIONS as f64).sqrt() * 2f64.sqrt();
    let case = exact(estimates[0], draws_of_order_statistic(&size, l, n));
    Ok(Case { formula_error, is_exact: false, remark: "another sample than the file's".into(), ..case })
}

fn polling_overhead(row: &Row) -> Result<Case, String> {
    let (lam, period) = (row.number("lam")?, row.number("T")?);
    let formula = polling::mean_overhead(lam, period).map_err(text)?;
    let tick = Distribution::uniform(0.0, period).map_err(text)?;
    let event = Distribution::exponential(lam).map_err(text)?;
    let simulated = replicate(|random| {
        (0..DRAWS).map(|_| tick.draw(random).min(event.draw(random))).sum::<f64>() / DRAWS as f64
    });
    Ok(exact(formula, simulated))
}

/// One job on an empty system, again and again. A note k*=... is the optimal number of tasks, which must agree.
fn makespan(row: &Row) -> Result<Case, String> {
    let (s, k, work) = (row.count(&["s"])?, row.count(&["k"])?, row.number("L")?);
    let [task, job, departure] = ["o", "cj", "cp"].map(|name| row.optional(name).map(|v| v.unwrap_or(0.0)));
    let overhead = Overhead { task: task?, job: job?, departure: departure?, task_random: 0.0 };
    let job = Granularity::new(s, work, overhead).map_err(text)?;
    let optimum = job.optimal_tasks().ok();
    if let Some(stated) = row.note.strip_prefix("k*=")
        && stated.parse() != Ok(optimum.unwrap_or(0))
    {
        return Err(format!("the optimal number of tasks is {optimum:?}, not {stated}"));
    }
    let size = Distribution::exponential(k as f64 / work).map_err(text)?;
    let rounds = (LENGTHENED * MAKESPAN_TASKS / k / REPLICATIONS as usize).max(100);
    let simulated = replicate(|random| {
        let mut sizes = vec![0.0; k];
        let total: f64 = (0..rounds)
            .map(|_| {
                size.fill(random, &mut sizes);
                TinyTasksSystem::with_overhead(s, k, overhead).admit(0.0, &sizes, random).departed
            })
            .sum();
        total / rounds as f64
    });
    // The closed form takes the constant overhead in whole waves: within 0.1 %, so the file's simulation is the judge.
    let usual_error = simulated.error * (LENGTHENED as f64).sqrt();
    let simulation = Simulation::Done { simulated, usual_error };
    Ok(Case { is_exact: false, simulation, ..exact(job.makespan(k).map_err(text)?, simulated) })
}

fn draws_of_order_statistic(size: &Distribution, l: usize, n: usize) -> Interval {
    let rounds = (DRAWS / n).max(1000);
    replicate(|random| {
        let mut sizes = vec![0.0; n];
        let total: f64 = (0..rounds)
            .map(|_| {
                size.fill(random, &mut sizes);
                *sizes.select_nth_unstable_by(l - 1, f64::total_cmp).1
            })
            .sum();
        total / rounds as f64
    })
}

fn replicate(one: impl Fn(&mut Random) -> f64) -> Interval {
    Interval::of(&(0..REPLICATIONS).map(|i| one(&mut stream(1, i))).collect::<Vec<_>>())
}

fn text(error: Error) -> String {
    error.to_string()
}
