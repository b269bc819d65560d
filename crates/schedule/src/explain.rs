//! One admission explained: the prices, the alternatives, and what would have had to be different.

use serde::Serialize;

use crate::{
    model::{Cluster, Job, Placement},
    pricing::{Ledger, Plan, PlannerOptions, Search},
};

/// What completing in one slot would bring and cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The completion slot.
    pub completion: usize,
    /// Utility then.
    pub utility: f64,
    /// The least price cost; none if the work does not fit before.
    pub cost: Option<f64>,
}

/// What runs in one slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The slot.
    pub slot: usize,
    /// Where.
    pub placement: Placement,
    /// Whether everything is on one machine, at the internal bandwidth.
    pub internal: bool,
    /// The mean price of one worker over all machines in the slot, before this job.
    pub mean_worker_price: f64,
    /// The price of one worker on the machines that were chosen.
    pub paid_worker_price: f64,
}

/// Why a job was admitted or turned down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The job's name, or its number.
    pub job: String,
    /// Whether a schedule pays.
    pub admitted: bool,
    /// Utility of the best schedule.
    pub utility: f64,
    /// Its price.
    pub cost: f64,
    /// Its completion slot.
    pub completion: Option<usize>,
    /// The best schedule, whether it pays or not.
    pub steps: Vec<Step>,
    /// Every completion slot considered.
    pub choices: Vec<Choice>,
    /// By which factor the utility would have to grow for the job to be admitted; none if it is, or if
    /// nothing fits.
    pub needed_factor: Option<f64>,
    /// In words.
    pub reason: String,
}

/// Explains what `ledger` makes of `job` from slot `from` on.
pub fn explain(
    cluster: &Cluster,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &Job,
    from: usize,
) -> Explanation {
    let search = Search::new(cluster, ledger, options);
    let alternatives = search.alternatives(job, job.workload, from);
    let plan = search.best(job, job.workload, from);
    let admitted = plan.as_ref().is_some_and(|plan| plan.payoff() > 0.0);
    let factor = |cost: f64, utility: f64| if utility > 0.0 { cost / utility } else { f64::INFINITY };
    let needed =
        alternatives.iter().map(|choice| factor(choice.cost, choice.utility)).fold(f64::INFINITY, f64::min);
    let choice = |choice: &crate::pricing::Alternative| Choice {
        completion: choice.completion,
        utility: choice.utility,
        cost: choice.cost.is_finite().then_some(choice.cost),
    };
    Explanation {
        job: if job.name.is_empty() { job.id.to_string() } else { job.name.clone() },
        admitted,
        utility: plan.as_ref().map_or(0.0, |plan| plan.utility),
        cost: plan.as_ref().map_or(0.0, |plan| plan.cost),
        completion: plan.as_ref().map(|plan| plan.completion),
        reason: reason(job, ledger, plan.as_ref(), needed),
        choices: alternatives.iter().map(choice).collect(),
        needed_factor: (!admitted && needed.is_finite()).then_some(needed),
        steps: plan.map(|plan| steps(&search, job, &plan)).unwrap_or_default(),
    }
}

fn steps(search: &Search, job: &Job, plan: &Plan) -> Vec<Step> {
    let step = |(slot, placement): &(usize, Placement)| {
        let market = search.market(job, *slot);
        let open: Vec<_> = market.hosts.iter().filter(|host| host.workers_fit > 0).collect();
        let mean = open.iter().map(|host| host.worker_price).sum::<f64>() / open.len().max(1) as f64;
        let paid: f64 = placement
            .shares()
            .iter()
            .filter_map(|share| {
                market.hosts.iter().find(|host| host.machine == share.machine).map(|host| (share, host))
            })
            .map(|(share, host)| f64::from(share.workers) * host.worker_price)
            .sum();
        Step {
            slot: *slot,
            placement: placement.clone(),
            internal: placement.is_internal(),
            mean_worker_price: mean,
            paid_worker_price: paid / f64::from(placement.workers().max(1)),
        }
    };
    plan.slots.iter().map(step).collect()
}

fn reason(job: &Job, ledger: &Ledger, plan: Option<&Plan>, needed: f64) -> String {
    let grid = ledger.grid();
    match plan {
        Some(plan) if plan.payoff() > 0.0 => format!(
            "utility {:.2} exceeds the price {:.2} by {:.2}; no other completion slot leaves more",
            plan.utility,
            plan.cost,
            plan.payoff()
        ),
        Some(plan) => format!(
            "its best schedule brings {:.2} but costs {:.2} at the present prices; with {:.2} times its utility it would be admitted",
            plan.utility, plan.cost, needed
        ),
        None => {
            let left = grid.slots.saturating_sub(grid.slot_of(job.arrival));
            let alone = (job.shortest() / grid.slot).ceil();
            let needs = format!("with all its workers it would need {alone} of the {left} slots that remain");
            if alone > left as f64 {
                format!("{needs}, so no utility would admit it")
            } else {
                format!(
                    "{needs}, but earlier reservations leave room for too few, so no utility would admit it"
                )
            }
        }
    }
}
