//! The best schedule of one job at posted prices (algorithm 2 of PD-ORS).
//!
//! Slots couple only through the work done, so one forward table gives the cheapest cost of every completion
//! slot:
//!
//! ```text
//! Theta(t, V) = min over 0 <= v <= V of theta(t, v) + Theta(t - 1, V - v)
//! payoff(t)   = u(t - a) - Theta(t, all work)
//! ```
//!
//! On machines of different speed a gang is as fast as its slowest machine, so each speed is a case of its own: the
//! machines that are at least that fast, as if all were just that fast.
//!
//! The paper's table has an entry a sample, which is millions; here work is counted in quanta. By default a
//! quantum is a fraction of what the job can do in one slot, so a job that runs flat out wastes nothing.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};

use super::{
    LateShare, Ledger, Market, Offer,
    market::Host,
    relaxation,
    rounding::{self, Rounding},
    shelf::Shape,
};
use crate::{
    lp::{LpSolver, Microlp},
    model::{Cluster, Job, MachineId, Placement, Resources},
};

/// How the work of a job is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quanta {
    /// So many quanta in what the job does in one slot at full size, as far as the cluster holds it.
    PerSlot(u32),
    /// So many quanta in the whole job.
    PerJob(u32),
}

/// How the external case is solved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum External {
    /// Cheapest machines first.
    Greedy,
    /// Linear program and randomised rounding, compared with greedy; the cheaper is kept.
    Rounded(Rounding),
}

/// Whether one-machine placements are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locality {
    /// Both the internal and the external case.
    Aware,
    /// Only the external case.
    Blind,
}

/// The open choices of the algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannerOptions {
    /// The grain of the dynamic program.
    pub quanta: Quanta,
    /// The external case.
    pub external: External,
    /// The internal case.
    pub locality: Locality,
    /// Which late completions the price bounds count.
    pub late: LateShare,
    /// Where the random numbers of the rounding start.
    pub seed: u64,
}

impl Default for PlannerOptions {
    fn default() -> Self {
        Self {
            quanta: Quanta::PerSlot(8),
            external: External::Rounded(Rounding::default()),
            locality: Locality::Aware,
            late: LateShare::default(),
            seed: 1,
        }
    }
}

/// A complete schedule of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What runs in which slot, in order of slots, none empty.
    pub slots: Vec<(usize, Placement)>,
    /// The last slot in use.
    pub completion: usize,
    /// The price cost Theta.
    pub cost: f64,
    /// When its work is done, in seconds.
    pub finish: f64,
    /// The utility of completing then.
    pub utility: f64,
}

impl Plan {
    /// Leaves out the slots after those that do `work` samples, and says when it completes and what that is worth.
    /// False, and nothing changed, if it does not do so much.
    pub fn settle(&mut self, cluster: &Cluster, job: &Job, grid: &super::SlotGrid, work: f64) -> bool {
        let mut left = work;
        for (index, (slot, placement)) in self.slots.iter().enumerate() {
            let rate = cluster.rate(job, placement);
            let time = left / rate;
            left -= rate * grid.slot;
            if left <= job.workload * 1e-9 {
                (self.completion, self.finish) = (*slot, grid.begin(*slot) + time.min(grid.slot));
                self.utility = job.utility.at(grid.elapsed_hours(job.arrival, *slot, self.finish));
                self.slots.truncate(index + 1);
                return true;
            }
        }
        false
    }

    /// The job's gain lambda: what is left of its utility after paying.
    pub fn payoff(&self) -> f64 {
        self.utility - self.cost
    }
}

/// What completing in one slot would bring and cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alternative {
    /// The completion slot.
    pub completion: usize,
    /// Utility then.
    pub utility: f64,
    /// Least price cost; infinite if the work does not fit before.
    pub cost: f64,
}

/// Workers of the internal and of the external case.
type Gangs = (Option<u32>, Option<u32>);

/// The search for one job from a slot on.
pub struct Search<'a> {
    cluster: &'a Cluster,
    ledger: &'a Ledger,
    options: &'a PlannerOptions,
    solver: &'a dyn LpSolver,
    /// Machines before this take workers, from `servers_from` on servers.
    workers_before: usize,
    servers_from: usize,
}

impl<'a> Search<'a> {
    /// A search where any machine takes both roles.
    pub fn new(cluster: &'a Cluster, ledger: &'a Ledger, options: &'a PlannerOptions) -> Self {
        Self { cluster, ledger, options, solver: &Microlp, workers_before: usize::MAX, servers_from: 0 }
    }

    /// With machines split into workers' (the first `workers`) and servers' (the rest), as in OASiS.
    pub fn split(mut self, workers: usize) -> Self {
        self.workers_before = workers;
        self.servers_from = workers;
        self
    }

    /// With another solver.
    pub fn solver(mut self, solver: &'a dyn LpSolver) -> Self {
        self.solver = solver;
        self
    }

    /// The plan with the greatest payoff for `work` samples from slot `from` on, whatever its sign; none if
    /// the work does not fit into the horizon.
    pub fn best(&self, job: &Job, work: f64, from: usize) -> Option<Plan> {
        let table = self.table(job, work, from);
        let best = table.alternatives().filter(|choice| choice.cost.is_finite());
        let best = best.max_by(|a, b| (a.utility - a.cost).total_cmp(&(b.utility - b.cost)))?;
        Some(table.backtrack(best, work))
    }

    /// Utility and cost of every completion slot.
    pub fn alternatives(&self, job: &Job, work: f64, from: usize) -> Vec<Alternative> {
        self.table(job, work, from).alternatives().collect()
    }

    /// The market of one slot, on the machines where the job may run.
    pub fn market<'b>(&self, job: &'b Job, slot: usize) -> Market<'b> {
        self.market_of(job, slot, &self.shape(job, None))
    }

    fn shape(&self, job: &Job, speed: Option<f64>) -> Shape {
        Shape::of(self.cluster, job, (self.workers_before, self.servers_from), speed)
    }

    /// The same, of a shape's speed.
    fn market_of<'b>(&self, job: &'b Job, slot: usize, shape: &Shape) -> Market<'b> {
        let look = |machine: MachineId| {
            let open = !shape.is_choosy() || self.cluster.allows(job, machine);
            let free = if open { *self.ledger.free(slot, machine) } else { Resources::default() };
            let roles = (self.workers_before, self.servers_from);
            let mut host = Host::of(job, machine, (&free, self.ledger.prices(slot, machine)), roles)?;
            let speed = job.speed_on(self.cluster.machines()[machine.index()].device);
            if shape.speed.is_some_and(|least| speed < least) {
                host.workers_fit = 0;
            }
            Some(host)
        };
        Market::of(job, self.ledger.stock(shape, slot, look))
    }

    fn table<'b>(&'b self, job: &'b Job, work: f64, from: usize) -> Table<'b> {
        let grid = *self.ledger.grid();
        let speeds = self.cluster.speeds(job);
        let best = speeds.first().copied().unwrap_or(1.0);
        let external = job.external_cost() / grid.slot / best;
        let end = grid.slots.min(from.saturating_add(MOST_AHEAD));
        let quantum = match self.options.quanta {
            // On slow networks one machine alone does many slots' worth: there the whole job sets the grain.
            Quanta::PerSlot(count) => {
                let most = self.cluster.how_many(job, &job.bundle()).clamp(1, job.workers.max);
                let per_slot = f64::from(most) / external / f64::from(count);
                let slots = end.saturating_sub(from).max(1) as f64;
                per_slot.max(work / (f64::from(count) * slots))
            }
            Quanta::PerJob(count) => work / f64::from(count),
        };
        let total = (work / quantum - 1e-9).ceil().max(1.0) as usize;
        let quantum = quantum.min(work);
        let mut table = Table::new(self.cluster, job, from, grid, (total, quantum));
        let of_speed = |speed: &f64| (*speed, self.shape(job, (speeds != [1.0]).then_some(*speed)));
        let shapes: Vec<(f64, Shape)> = speeds.iter().map(of_speed).collect();
        for slot in from..end {
            let at = |(speed, shape): &(f64, Shape)| {
                self.offers(&self.market_of(job, slot, shape), slot, quantum, total, *speed)
            };
            table.push(shapes.iter().map(at).reduce(cheaper).unwrap_or_default());
        }
        table
    }

    /// The cheapest way to do 1, 2, ... quanta in `slot` on machines of one speed, until nothing fits.
    fn offers(&self, market: &Market, slot: usize, quantum: f64, most: usize, speed: f64) -> Vec<Offer> {
        let job = market.job;
        let slots_per_sample = |cost: f64| cost / self.ledger.grid().slot / speed;
        let internal = slots_per_sample(job.internal_cost());
        let external = slots_per_sample(job.external_cost());
        let workers = |quanta: usize, cost: f64| {
            let needed = (quanta as f64 * quantum * cost - 1e-9).ceil() as u32;
            Some(needed.max(job.workers.min)).filter(|&needed| needed <= job.workers.max)
        };
        let (mut inside, mut outside) = (self.options.locality == Locality::Aware, true);
        let mut offers = Vec::new();
        let mut last: Option<(Gangs, Offer)> = None;
        for quanta in 1..=most {
            let near = workers(quanta, internal).filter(|_| inside);
            let far = workers(quanta, external).filter(|_| outside);
            // Small jobs: many quanta need the same workers.
            if let Some((key, offer)) = &last
                && *key == (near, far)
            {
                offers.push(offer.clone());
                continue;
            }
            let near_offer = near.and_then(|workers| market.internal(workers));
            inside = near_offer.is_some();
            let far_offer = far.and_then(|workers| self.spread(market, slot, workers, near_offer.as_ref()));
            // Feasibility is monotone: what does not fit now does not fit with more work.
            outside = far_offer.is_some() || (near_offer.is_some() && far.is_some());
            let cheapest =
                [near_offer, far_offer].into_iter().flatten().min_by(|a, b| a.cost.total_cmp(&b.cost));
            let Some(offer) = cheapest else { break };
            last = Some(((near, far), offer.clone()));
            offers.push(offer);
        }
        offers
    }

    /// The external case; none if it does not fit or cannot beat `rival`.
    fn spread(&self, market: &Market, slot: usize, workers: u32, rival: Option<&Offer>) -> Option<Offer> {
        let bound = market.lower_bound(workers)?;
        if rival.is_some_and(|rival| rival.cost <= bound) {
            return None;
        }
        let greedy = market.greedy(workers);
        let External::Rounded(rounding) = &self.options.external else { return greedy };
        // Rounding cannot beat a greedy placement that meets the lower bound.
        if greedy.as_ref().is_some_and(|greedy| greedy.cost <= bound * (1.0 + 1e-9)) {
            return greedy;
        }
        // A solver's numerical failure leaves the greedy placement, which is always valid.
        let rounded = relaxation::relax(market, workers, self.solver).ok().flatten().and_then(|relaxed| {
            let key = self.options.seed
                ^ (u64::from(market.job.id.0) << 40)
                ^ ((slot as u64) << 20)
                ^ u64::from(workers);
            rounding::round(market, &relaxed, workers, rounding, &mut ChaCha8Rng::seed_from_u64(key))
        });
        [greedy, rounded].into_iter().flatten().min_by(|a, b| a.cost.total_cmp(&b.cost))
    }
}

/// How many slots ahead a schedule may reach: three weeks of hours, which is longer than nearly every job of the traces.
/// The table grows with its square.
const MOST_AHEAD: usize = 504;

/// The cheaper offer for every number of quanta.
fn cheaper(mut some: Vec<Offer>, others: Vec<Offer>) -> Vec<Offer> {
    for (index, other) in others.into_iter().enumerate() {
        match some.get_mut(index) {
            Some(one) if other.cost < one.cost => *one = other,
            Some(_) => {}
            None => some.push(other),
        }
    }
    some
}

/// The forward table: cost of having done `V` quanta by the end of each slot, and how many were done in it.
struct Table<'a> {
    cluster: &'a Cluster,
    job: &'a Job,
    from: usize,
    grid: super::SlotGrid,
    /// Quanta in all the work, and the samples of one.
    total: usize,
    quantum: f64,
    offers: Vec<Vec<Offer>>,
    cost: Vec<Vec<f64>>,
    done: Vec<Vec<u32>>,
}

impl<'a> Table<'a> {
    fn new(
        cluster: &'a Cluster,
        job: &'a Job,
        from: usize,
        grid: super::SlotGrid,
        (total, quantum): (usize, f64),
    ) -> Self {
        let (offers, cost, done) = (Vec::new(), Vec::new(), Vec::new());
        Self { cluster, job, from, grid, total, quantum, offers, cost, done }
    }

    fn push(&mut self, offers: Vec<Offer>) {
        let mut before = vec![f64::INFINITY; self.total + 1];
        before[0] = 0.0;
        let before = self.cost.last().unwrap_or(&before);
        let mut cost = before.clone();
        let mut done = vec![0; self.total + 1];
        for work in 1..=self.total {
            for (index, offer) in offers.iter().enumerate().take(work) {
                let with = before[work - index - 1] + offer.cost;
                if with < cost[work] {
                    cost[work] = with;
                    done[work] = index as u32 + 1;
                }
            }
        }
        self.offers.push(offers);
        self.cost.push(cost);
        self.done.push(done);
    }

    fn alternatives(&self) -> impl Iterator<Item = Alternative> {
        let mut finish = f64::INFINITY;
        self.cost.iter().enumerate().map(move |(index, cost)| {
            let completion = self.from + index;
            // A slot in which nothing is done leaves the schedule of the slot before.
            finish = self.finish(index).unwrap_or(finish);
            let elapsed = self.grid.elapsed_hours(self.job.arrival, completion, finish);
            let utility = if finish.is_finite() { self.job.utility.at(elapsed) } else { 0.0 };
            Alternative { completion, utility, cost: cost[self.total] }
        })
    }

    /// When the last quanta of a schedule that completes in a slot are done, at the latest; none if none are done there.
    fn finish(&self, index: usize) -> Option<f64> {
        let quanta = self.done[index][self.total] as usize;
        let offer = self.offers[index].get(quanta.checked_sub(1)?)?;
        let time = quanta as f64 * self.quantum / self.cluster.rate(self.job, &offer.placement);
        Some(self.grid.begin(self.from + index) + time.min(self.grid.slot))
    }

    fn backtrack(&self, choice: Alternative, work: f64) -> Plan {
        let mut slots = Vec::new();
        let mut left = self.total;
        for index in (0..=choice.completion - self.from).rev() {
            let done = self.done[index][left] as usize;
            if done > 0 {
                slots.push((self.from + index, self.offers[index][done - 1].placement.clone()));
                left -= done;
            }
        }
        slots.reverse();
        let mut plan = Plan {
            slots,
            completion: choice.completion,
            cost: choice.cost,
            finish: self.grid.begin(choice.completion + 1),
            utility: choice.utility,
        };
        // Workers are rounded up and one-machine placements may run faster than assumed: slots after the work is done
        // are dropped.
        plan.settle(self.cluster, self.job, &self.grid, work);
        plan
    }
}
