//! One admission explained: the prices, the alternatives, and what would have had to be different.

use serde::Serialize;

use crate::{
    model::{Cluster, Job, Placement, Utility},
    pricing::{Alternative, Ledger, Plan, PlannerOptions, Search},
    state::{JobState, State},
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
    /// When its work is done, in seconds.
    #[serde(rename = "finish_seconds")]
    pub finish: Option<f64>,
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

/// Explains what `ledger` makes of `work` samples of `job` from slot `from` on, when it must pay its price.
pub fn explain(
    cluster: &Cluster,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &Job,
    work: f64,
    from: usize,
) -> Explanation {
    let search = Search::new(cluster, ledger, options);
    let alternatives = search.alternatives(job, work, from);
    let plan = search.best(job, work, from);
    let admitted = plan.as_ref().is_some_and(|plan| plan.payoff() > 0.0);
    let factor = |cost: f64, utility: f64| if utility > 0.0 { cost / utility } else { f64::INFINITY };
    let needed =
        alternatives.iter().map(|choice| factor(choice.cost, choice.utility)).fold(f64::INFINITY, f64::min);
    let reason = match &plan {
        Some(plan) if admitted => format!(
            "utility {:.2} exceeds the price {:.2} by {:.2}; no other completion slot leaves more",
            plan.utility,
            plan.cost,
            plan.payoff()
        ),
        Some(plan) if plan.utility == 0.0 && needed.is_infinite() => format!(
            "no schedule ends in time to be worth anything; {}",
            earliest(cluster, ledger, options, job, work, from)
        ),
        Some(plan) => format!(
            "its best schedule brings {:.2} but costs {:.2} at the present prices; with {:.2} times its utility it would be admitted",
            plan.utility, plan.cost, needed
        ),
        None => no_room(cluster, ledger, options, job, work, from),
    };
    Explanation {
        needed_factor: (!admitted && needed.is_finite()).then_some(needed),
        ..of(&search, job, plan, &alternatives, admitted, reason)
    }
}

/// Explains what `syncline` makes of a job beside the plans of `others`, in whose `ledger` the job is not: a plan is made
/// for whatever fits, without a price.
pub fn elastic(
    state: &State,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &JobState,
    plan: Option<Plan>,
    others: usize,
    from: usize,
) -> Explanation {
    let (cluster, work) = (&state.cluster, job.believed_left());
    let search = Search::new(cluster, ledger, options);
    let alternatives = search.alternatives(&job.job, work, from);
    let beside = match others {
        0 => "no other job has a plan".to_owned(),
        1 => "beside the plan of one other job".to_owned(),
        others => format!("beside the plans of {others} other jobs"),
    };
    let reason = match &plan {
        Some(plan) => format!(
            "it has a plan that is done {:.2} h after its arrival and brings {:.2} ({beside}); plans are revised in every slot",
            (plan.finish - job.job.arrival) / 3600.0,
            plan.utility
        ),
        None => no_room(cluster, ledger, options, &job.job, work, from),
    };
    let admitted = plan.is_some();
    of(&search, &job.job, plan, &alternatives, admitted, reason)
}

fn of(
    search: &Search,
    job: &Job,
    plan: Option<Plan>,
    alternatives: &[Alternative],
    admitted: bool,
    reason: String,
) -> Explanation {
    let choice = |choice: &Alternative| Choice {
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
        finish: plan.as_ref().map(|plan| plan.finish),
        reason,
        choices: alternatives.iter().map(choice).collect(),
        needed_factor: None,
        steps: plan.map(|plan| steps(search, job, &plan)).unwrap_or_default(),
    }
}

/// Why nothing fits: what the empty cluster would make of it tells whether reservations are to blame.
fn no_room(
    cluster: &Cluster,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &Job,
    work: f64,
    from: usize,
) -> String {
    let left = ledger.grid().slots.saturating_sub(from);
    let alone = earliest(cluster, ledger, options, job, work, from);
    if empty(cluster, ledger, options, job, work, from).is_none() {
        format!("{alone}, so no utility would admit it")
    } else {
        format!("{alone}, of the {left} that remain, but what is planned for others leaves too little room")
    }
}

/// What the job would take on the empty cluster.
fn earliest(
    cluster: &Cluster,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &Job,
    work: f64,
    from: usize,
) -> String {
    let grid = ledger.grid();
    match empty(cluster, ledger, options, job, work, from) {
        Some(plan) => format!(
            "on the empty cluster it would need {} slots and end {:.2} h after its arrival",
            plan.completion + 1 - from,
            (plan.finish - job.arrival) / 3600.0
        ),
        None => format!(
            "even on the empty cluster its work does not fit into the {} slots that remain",
            grid.slots.saturating_sub(from)
        ),
    }
}

/// The earliest schedule on the empty cluster.
fn empty(
    cluster: &Cluster,
    ledger: &Ledger,
    options: &PlannerOptions,
    job: &Job,
    work: f64,
    from: usize,
) -> Option<Plan> {
    let free = Ledger::new(cluster, *ledger.grid(), *ledger.function());
    // Worth falls steeply with time here, so the best schedule is the earliest.
    let utility = Utility::Linear { value: 1e9, zero_at: 1e6 };
    let hurried = Job { utility, ..job.clone() };
    Search::new(cluster, &free, options).best(&hurried, work, from)
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
