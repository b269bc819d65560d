//! Rows about systems to which jobs arrive: the model's name picks a model and one of its formulas, the metric what
//! is read off both formula and simulation.

use syncline_queueing::models::{
    Backlog, ForkJoin, Hybrid, KOfN, MultiStage, OneBarrier, PartialMapping, Redundancy, SingleQueue,
    SplitMerge, TinyTasks, TwoBarrier,
};
use syncline_queueing::sim::BarrierSystem;
use syncline_queueing::{Arrivals, Error, Estimate, Kind, Model, Workload};

use crate::case::{Case, Reading, Simulation, Start, Traffic};
use crate::row::Row;

/// The arrival rate, if the row states one.
pub fn rate(row: &Row) -> Result<Option<f64>, String> {
    for name in ["lam", "rho", "lam/server"] {
        if let Some(value) = row.optional(name)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Answers at the row's rate, or at a load of the largest stable rate.
pub fn case(row: &Row, load: Option<f64>) -> Result<Case, String> {
    let text = |error: Error| error.to_string();
    if row.model == "(s,k,l) 1-barrier CTMC" {
        return backlog(row).map_err(|e| e.to_string());
    }
    let (method, build) = system(row)?;
    let size = row.size()?;
    // A load is turned into a rate by asking the idle system for its largest one.
    let idle = Workload::new(Arrivals::poisson(1e-9).map_err(text)?, size.clone());
    let largest =
        || Ok::<f64, String>(build(idle.clone()).map_err(text)?.largest_rate().map_err(text)?.value);
    let (rho, each) = (load.or(row.optional("rho")?), row.optional("lam/server")?);
    let lam = match (row.optional("lam")?, rho, each) {
        (Some(lam), _, _) => lam,
        (_, Some(rho), _) => rho * largest()?,
        (_, _, Some(each)) => each * row.count(&["k", "n"])? as f64,
        _ => 1e-9, // only for lambda_max, which does not depend on it
    };
    let arrivals = if row.deterministic { Arrivals::deterministic(lam) } else { Arrivals::poisson(lam) };
    let workload = Workload::new(arrivals.map_err(text)?, size);
    let model = build(workload.clone()).map_err(text)?;
    let (estimate, reading) = read(row, &*model, method)?;
    let traffic = match reading {
        Reading::Throughput => Traffic::Backlogged(workload.size.clone()),
        _ => Traffic::Arriving(workload.arrivals.clone(), workload.size.clone()),
    };
    // A closed form that is exact for this very workload, such as k = 2 fork-join, makes its row an exact one.
    let truth = (reading_is_mean(reading)).then(|| model.mean().ok()).flatten();
    let is_exact = estimate.kind == Kind::Exact
        || truth.is_some_and(|truth| {
            truth.kind == Kind::Exact && (truth.value / estimate.value - 1.0).abs() < 1e-9
        });
    let key = format!("{:?}{traffic:?}{:?}", model.name(), shape(row));
    let start: Start = Box::new(move || model.system());
    let remark = load.map_or(String::new(), |load| format!("lam not stated: asked at load {load}"));
    // Moments drawn by Monte Carlo are good to about 0.1 %; ours are integrals.
    let formula_error = if row.model.contains("MC moments") { 1e-3 * estimate.value } else { 0.0 };
    let simulation = Simulation::System { key, start, traffic: Box::new(traffic), reading };
    Ok(Case { formula: estimate.value, formula_error, is_exact, simulation, remark })
}

fn reading_is_mean(reading: Reading) -> bool {
    matches!(reading, Reading::Mean)
}

/// Everything that tells one simulated system from another beside its traffic.
fn shape(row: &Row) -> String {
    let whole = |name: &str| row.optional(name).ok().flatten();
    let names = ["k", "n", "s", "l", "h", "d", "p"].map(whole);
    format!("{names:?}{:?}", row.widths)
}

type Build = Box<dyn Fn(Workload) -> Result<Box<dyn Model>, Error>>;

fn boxed<M: Model + 'static>(model: Result<M, Error>) -> Result<Box<dyn Model>, Error> {
    model.map(|model| Box::new(model) as Box<dyn Model>)
}

/// The formula's name in our lists, and how the model is made from a workload.
fn system(row: &Row) -> Result<(&'static str, Build), String> {
    let tasks = || row.count(&["k"]);
    let workers = || row.count(&["s", "k"]);
    let name = row.model.as_str();
    Ok(match name {
        _ if name.starts_with("FJ ") => {
            let k = tasks()?;
            (fork_join_formula(name)?, Box::new(move |w| boxed(ForkJoin::new(w, k))))
        }
        "(k,l) FJ no purge bound" => {
            let (k, l) = (tasks()?, row.count(&["l"])?);
            ("exponential bound", Box::new(move |w| boxed(ForkJoin::first_of(w, l, k))))
        }
        "(n,k) Joshi lower" | "(n,k) Joshi upper (SM)" => {
            let (n, k) = (row.count(&["n"])?, tasks()?);
            let method = if name.contains("lower") { "staged lower bound" } else { "split-merge" };
            (method, Box::new(move |w| boxed(KOfN::new(w, k, n))))
        }
        _ if name.starts_with("SM ") => {
            let k = tasks()?;
            let l = if row.optional("l")?.is_some() { row.count(&["l"])? } else { k };
            (split_merge_formula(name)?, Box::new(move |w| boxed(SplitMerge::first_of(w, l, k))))
        }
        _ if name.starts_with("tiny SM ") => {
            let (s, k) = (workers()?, tasks()?);
            (split_merge_formula(name)?, Box::new(move |w| boxed(TinyTasks::new(w, s, k))))
        }
        "SQFJ exact" | "SQFJ exp. bound" => {
            let (s, k) = (workers()?, tasks()?);
            let method = if name == "SQFJ exact" { "" } else { "exponential bound" };
            (method, Box::new(move |w| boxed(SingleQueue::new(w, s, k))))
        }
        "1-barrier exact" | "1-barrier bound (conv.)" | "1-barrier stability" => {
            let (s, k) = (workers()?, tasks()?);
            let method = if name.contains("bound") { "convolution bound" } else { "" };
            (method, Box::new(move |w| boxed(OneBarrier::new(w, s, k))))
        }
        "2-barrier M/G/c approx" | "2-barrier stability" | "(s,k,l) 2-barrier" => {
            let (s, k) = (workers()?, tasks()?);
            let l = if row.optional("l")?.is_some() { row.count(&["l"])? } else { k };
            ("", Box::new(move |w| boxed(TwoBarrier::first_of(w, s, k, l))))
        }
        _ if name.starts_with("hybrid ") || name == "1-barrier heterogeneous k" => hybrid(row)?,
        "multi-stage h*Nelson-Tantawi" => {
            let (h, k) = (row.count(&["h"])?, tasks()?);
            ("", Box::new(move |w| boxed(MultiStage::new(w, h, k))))
        }
        "multi-stage bound" => {
            let (h, k) = (row.count(&["h"])?, tasks()?);
            ("exponential bound", Box::new(move |w| boxed(MultiStage::new(w, h, k))))
        }
        "partial mapping, independence bound" => {
            let (n, k) = (row.count(&["n"])?, tasks()?);
            ("", Box::new(move |w| boxed(PartialMapping::new(w, k, n))))
        }
        "redundancy-d exact" => {
            let (n, d) = (row.count(&["k", "n"])?, row.count(&["d"])?);
            ("", Box::new(move |w| boxed(Redundancy::new(w, d, n))))
        }
        _ => return Err(format!("no model is called '{name}'")),
    })
}

fn hybrid(row: &Row) -> Result<(&'static str, Build), String> {
    let s = row.count(&["s"])?;
    let (low, high) = match row.widths {
        Some(widths) => widths,
        None => (row.count(&["k"])?, row.count(&["k"])?),
    };
    let barrier = row.optional("p")?.unwrap_or(1.0);
    Ok(("", Box::new(move |w| boxed(Hybrid::uniform(w, s, low..=high, barrier)))))
}

fn fork_join_formula(name: &str) -> Result<&'static str, String> {
    Ok(match name.trim_start_matches("FJ ") {
        "Nelson-Tantawi" => "Nelson-Tantawi",
        "Varma-Makowski" => "Varma-Makowski",
        "Varki" => "Varki",
        "upper bound (indep)" => "independent branches",
        "lower bound (D/M/1)" => "D/M/1 branches",
        "D/M exact via independence" | "D/M exact quantile" => "independent D/M/1 branches",
        "association bound" => "association",
        "tail bound" | "exp. bound, general tasks" => "exponential bound",
        general if general.starts_with("general fit") => "general fit",
        _ => return Err(format!("no formula of fork-join is called '{name}'")),
    })
}

fn split_merge_formula(name: &str) -> Result<&'static str, String> {
    Ok(match name.trim_start_matches("tiny ").trim_start_matches("SM ") {
        "exact M/G/1" | "general (M/G/1, MC moments)" => "M/G/1",
        "exact M/PH/1 quantile" | "exact quantile" => "M/PH/1",
        "exp. bound" => "exponential bound",
        _ => return Err(format!("no formula of split-merge is called '{name}'")),
    })
}

/// The estimate that the row means. An unstable formula is infinite, as the file writes it.
fn read(row: &Row, model: &dyn Model, method: &str) -> Result<(Estimate, Reading), String> {
    let (list, reading) = match row.metric.as_str() {
        "E[T]" => (model.means(), Reading::Mean),
        "E[W]" | "E[W first]" => (model.waits(), Reading::Wait),
        "tau" => {
            let eps = row.exceedance()?;
            (model.quantiles(eps), Reading::Quantile(eps))
        }
        "lambda_max" => (model.largest_rate().map(|rate| vec![rate]), Reading::Throughput),
        other => return Err(format!("'{other}' is no metric of {}", model.name())),
    };
    let infinite = Estimate::exact(f64::INFINITY, "unstable", "");
    let list = match list {
        Ok(list) => list,
        Err(Error::Unstable { .. }) => return Ok((Estimate { kind: Kind::UpperBound, ..infinite }, reading)),
        Err(error) => return Err(error.to_string()),
    };
    // The only formula for its quantity needs no name, nor does a special case that replaces it: (n, 1) is exact.
    let named = list.iter().find(|estimate| estimate.method == method);
    let chosen = match (method, named) {
        ("", _) => list.first(),
        // Split-merge bounds (n,k) only where it is stable itself.
        ("split-merge", None) if list.iter().all(|e| e.kind != Kind::Exact) => {
            return Ok((Estimate { kind: Kind::UpperBound, ..infinite }, reading));
        }
        (_, Some(named)) => Some(named),
        (_, None) if list.len() == 1 => list.first(),
        _ => None,
    };
    chosen
        .cloned()
        .map(|estimate| (estimate, reading))
        .ok_or_else(|| format!("{} has no '{method}' here", model.name()))
}

/// The chain of the backlogged (s, k, l) system; a row may state its number of states, which must agree too.
fn backlog(row: &Row) -> Result<Case, String> {
    if row.metric != "lambda_max" {
        return Err(format!("'{}' is no metric of the backlogged chain", row.metric));
    }
    let (s, k, l) = (row.count(&["s"])?, row.count(&["k"])?, row.count(&["l"])?);
    let size = row.size()?;
    let mu = size.exponential_rate().ok_or("the backlogged chain needs exponential tasks")?;
    let chain = Backlog::new(s, k, l, mu).map_err(|e| e.to_string())?;
    if row.optional("states")?.is_some_and(|states| states != chain.states() as f64) {
        return Err(format!("the chain has {} states", chain.states()));
    }
    let traffic = Box::new(Traffic::Backlogged(size));
    let start: Start = Box::new(move || Box::new(BarrierSystem::one(s, k, l)));
    let key = format!("1-barrier (s,k,l) {s} {k} {l} {mu}");
    let simulation = Simulation::System { key, start, traffic, reading: Reading::Throughput };
    let formula = chain.largest_rate().value;
    Ok(Case { formula, formula_error: 0.0, is_exact: true, simulation, remark: String::new() })
}
