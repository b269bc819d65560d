//! One admission explained: the prices, the alternatives, and what would have had to be different.

use serde::Serialize;
use syncline_terminal::unit::plural;

use crate::{
    model::{Cluster, Job, Placement, Utility},
    pricing::{Alternative, Ledger, Plan, PlannerOptions, Search},
};

/// What completing in one slot would bring and cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The completion slot.
    #[serde(rename = "completion_slot")]
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
    #[serde(rename = "completion_slot")]
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

impl Explanation {
    /// Of a job that no policy is asked about, because a rule of the cluster or of the job itself holds it back.
    pub fn held(job: &Job, why: &str) -> Self {
        Self {
            job: if job.name.is_empty() { job.id.to_string() } else { job.name.clone() },
            admitted: false,
            utility: 0.0,
            cost: 0.0,
            completion: None,
            finish: None,
            steps: Vec::new(),
            choices: Vec::new(),
            needed_factor: None,
            reason: format!("it is held back: {why}"),
        }
    }
}

/// What is asked: where the work that a job has left could run, at the prices of a ledger.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The machines.
    pub cluster: &'a Cluster,
    /// What is reserved, and its prices; nothing of the job's own.
    pub ledger: &'a Ledger,
    /// How the planner plans.
    pub options: &'a PlannerOptions,
    /// The job.
    pub job: &'a Job,
    /// Samples that it still has to process.
    pub work: f64,
    /// The first slot in which it may run.
    pub from: usize,
}

impl Question<'_> {
    /// Explains an admission by price: the best schedule must be worth more than it costs.
    pub fn at_a_price(&self) -> Explanation {
        let search = self.search();
        let alternatives = search.alternatives(self.job, self.work, self.from);
        let plan = search.best(self.job, self.work, self.from);
        let admitted = plan.as_ref().is_some_and(|plan| plan.payoff() > 0.0);
        let needed = alternatives.iter().map(needed_factor).fold(f64::INFINITY, f64::min);
        let reason = match &plan {
            Some(plan) if admitted => format!(
                "utility {:.2} exceeds the price {:.2} by {:.2}; no other completion slot leaves more",
                plan.utility,
                plan.cost,
                plan.payoff()
            ),
            Some(plan) if plan.utility == 0.0 && needed.is_infinite() => {
                format!("no schedule ends in time to be worth anything; {}", self.earliest())
            }
            Some(plan) => format!(
                "its best schedule brings {:.2} but costs {:.2} at the present prices; with {:.2} times its utility it would be admitted",
                plan.utility, plan.cost, needed
            ),
            None => self.no_room(),
        };
        Explanation {
            needed_factor: (!admitted && needed.is_finite()).then_some(needed),
            ..self.answer(&search, plan, &alternatives, admitted, reason)
        }
    }

    /// Explains what `syncline` makes of the job beside the plans of so many others: a plan is made for whatever fits,
    /// without a price.
    pub fn beside(&self, others: usize, plan: Option<Plan>) -> Explanation {
        let search = self.search();
        let alternatives = search.alternatives(self.job, self.work, self.from);
        let beside = match others {
            0 => "no other job has a plan".to_owned(),
            1 => "beside the plan of one other job".to_owned(),
            others => format!("beside the plans of {others} other jobs"),
        };
        let reason = match &plan {
            Some(plan) => format!(
                "it has a plan that is done {:.2} h after its arrival and brings {:.2} ({beside}); plans are revised in every slot",
                (plan.finish - self.job.arrival) / 3600.0,
                plan.utility
            ),
            None => self.no_room(),
        };
        let admitted = plan.is_some();
        self.answer(&search, plan, &alternatives, admitted, reason)
    }

    fn search(&self) -> Search<'_> {
        Search::new(self.cluster, self.ledger, self.options)
    }

    fn answer(
        &self,
        search: &Search,
        plan: Option<Plan>,
        alternatives: &[Alternative],
        admitted: bool,
        reason: String,
    ) -> Explanation {
        let job = self.job;
        Explanation {
            job: if job.name.is_empty() { job.id.to_string() } else { job.name.clone() },
            admitted,
            utility: plan.as_ref().map_or(0.0, |plan| plan.utility),
            cost: plan.as_ref().map_or(0.0, |plan| plan.cost),
            completion: plan.as_ref().map(|plan| plan.completion),
            finish: plan.as_ref().map(|plan| plan.finish),
            reason,
            choices: alternatives.iter().map(Choice::of).collect(),
            needed_factor: None,
            steps: plan.map(|plan| steps(search, job, &plan)).unwrap_or_default(),
        }
    }

    /// Why nothing fits: what the empty cluster would make of it tells whether reservations are to blame.
    fn no_room(&self) -> String {
        let alone = self.earliest();
        if self.on_empty_cluster().is_none() {
            format!("{alone}, so no utility would admit it")
        } else {
            let left = self.slots_left();
            format!(
                "{alone}, of the {left} that remain, but what is planned for others leaves too little room"
            )
        }
    }

    /// What the job would take on the empty cluster.
    fn earliest(&self) -> String {
        match self.on_empty_cluster() {
            Some(plan) => format!(
                "on the empty cluster it would need {} and end {:.2} h after its arrival",
                plural((plan.completion + 1 - self.from) as u64, "slot"),
                (plan.finish - self.job.arrival) / 3600.0
            ),
            None => format!(
                "even on the empty cluster its work does not fit into the {} that remain",
                plural(self.slots_left() as u64, "slot")
            ),
        }
    }

    fn slots_left(&self) -> usize {
        self.ledger.grid().slots.saturating_sub(self.from)
    }

    /// The earliest schedule on the empty cluster.
    fn on_empty_cluster(&self) -> Option<Plan> {
        let free = Ledger::new(self.cluster, *self.ledger.grid(), *self.ledger.function());
        // Worth falls steeply with time here, so the best schedule is the earliest.
        let utility = Utility::Linear { value: 1e9, zero_at: 1e6 };
        let hurried = Job { utility, ..self.job.clone() };
        Search::new(self.cluster, &free, self.options).best(&hurried, self.work, self.from)
    }
}

impl Choice {
    fn of(alternative: &Alternative) -> Self {
        Self {
            completion: alternative.completion,
            utility: alternative.utility,
            cost: alternative.cost.is_finite().then_some(alternative.cost),
        }
    }
}

/// By how much a choice's utility would have to grow to pay its price.
fn needed_factor(choice: &Alternative) -> f64 {
    if choice.utility > 0.0 { choice.cost / choice.utility } else { f64::INFINITY }
}

fn steps(search: &Search, job: &Job, plan: &Plan) -> Vec<Step> {
    let step = |(slot, placement): &(usize, Placement)| {
        let market = search.market(job, *slot);
        let open: Vec<_> = market.hosts().iter().filter(|host| host.workers_fit > 0).collect();
        let mean = open.iter().map(|host| host.worker_price).sum::<f64>() / open.len().max(1) as f64;
        let paid: f64 = placement
            .shares()
            .iter()
            .filter_map(|share| {
                market.hosts().iter().find(|host| host.machine == share.machine).map(|host| (share, host))
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
