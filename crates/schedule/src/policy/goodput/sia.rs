//! Sia: goodput over types of devices, by a program of configurations (Jayaram Subramanya et al., SOSP 2023).
//!
//! A configuration is a number of workers on one type of devices: powers of two up to a whole machine, then whole machines. With
//! G_ij the goodput of job i in configuration j over its least, times its fewest workers, r_ij what a restart leaves of it
//! ([`kept`]; 1 for the present configuration), and at most one configuration a job within each type's room,
//!
//! ```text
//! min  sum_i ( sum_j x_ij (r_ij G_ij)^p  +  lambda (1 - sum_j x_ij) )        p = -1/2, lambda = 1.1
//! ```
//!
//! so that a job which waits is the dearest. The authors solve the integer program; here up to [`MOST`] jobs have its linear relaxation,
//! in which no more jobs are split than there are scarce resources, and these are made whole; what is left, and longer queues, are dealt
//! out by the gain per share of a type. Whoever keeps its configuration keeps its place; others are placed on the fewest machines,
//! the largest first, and may get a smaller configuration where the room is in pieces.

use super::{fill, kept, place, wake};
use crate::{
    event::{Decision, Event},
    lp::{LinearProgram, LpSolver, Microlp, Sense},
    model::{DeviceId, KINDS, Placement, Resources},
    policy::{Allocation, Policy},
    state::{JobState, State, Status},
};

/// Jobs up to which the linear program is solved: about a tenth of a second.
const MOST: usize = 200;
/// The power of fairness.
const POWER: f64 = -0.5;
/// What a job without a configuration costs.
const WAITING: f64 = 1.1;

/// The policy; it needs no memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sia;

/// A number of workers on one type.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Configuration {
    workers: u32,
    device: usize,
    /// What it costs less than waiting.
    worth: f64,
}

/// A job with its configurations, those of the least worth first.
struct Choice<'a> {
    state: &'a JobState,
    configurations: Vec<Configuration>,
    /// The index of the one that it gets.
    chosen: Option<usize>,
}

impl Choice<'_> {
    fn demand(&self, at: usize) -> Resources {
        self.state.job.demand(self.configurations[at].workers)
    }
}

impl<'a> Choice<'a> {
    fn new(state: &State, job: &'a JobState) -> Self {
        let present = present(state, job);
        let mut found: Vec<(u32, usize, f64)> = Vec::new();
        for device in 0..state.cluster.devices().len() {
            let (alone, hosted) = room(state, job, device);
            let speed = job.job.speed_on(DeviceId(device as u16));
            for workers in sizes(job, alone, hosted, present) {
                let inside = workers <= alone;
                let gbps = if inside { job.job.internal_gbps } else { job.job.external_gbps };
                found.push((workers, device, speed * job.job.rate(workers, gbps)));
            }
        }
        found.retain(|(.., goodput)| *goodput > 0.0);
        let least = found.iter().map(|(.., goodput)| *goodput).fold(f64::INFINITY, f64::min);
        let fewest = f64::from(job.job.workers.min);
        // Who is on several types has no configuration to keep.
        let part = if present.is_some() { kept(state, job) } else { 1.0 };
        let mut configurations: Vec<Configuration> = found
            .into_iter()
            .map(|(workers, device, goodput)| {
                let part = if present == Some((workers, device)) { 1.0 } else { part };
                let cost = (part * fewest * goodput / least).powf(POWER);
                Configuration { workers, device, worth: WAITING - cost }
            })
            .collect();
        // Who has just started and must restart has nothing of another configuration.
        configurations.retain(|one| one.worth > 0.0 || present == Some((one.workers, one.device)));
        configurations.sort_by(|a, b| a.worth.total_cmp(&b.worth));
        Self { state: job, configurations, chosen: None }
    }
}

/// The workers of a running job and the type that they are on; none if it waits or is on several.
fn present(state: &State, job: &JobState) -> Option<(u32, usize)> {
    let of = |placement: &Placement| {
        let machines = state.cluster.machines();
        let mut types =
            placement.shares().iter().map(|share| usize::from(machines[share.machine.index()].device.0));
        let first = types.next()?;
        types.all(|other| other == first).then_some((placement.workers(), first))
    };
    if job.status == Status::Running { of(&job.placement) } else { None }
}

/// The most workers of a job on one machine of a type, and on all of them.
fn room(state: &State, job: &JobState, device: usize) -> (u32, u32) {
    let mut most = (0, 0u32);
    for id in state.cluster.ids() {
        let machine = &state.cluster.machines()[id.index()];
        if usize::from(machine.device.0) == device && state.is_up(id) && state.cluster.allows(&job.job, id) {
            let alone = job.job.most_on(&machine.capacity);
            most = (most.0.max(alone), most.1.saturating_add(machine.capacity.how_many(&job.job.bundle())));
        }
    }
    most
}

/// Powers of two up to a machine, then whole machines (up to sixteen; then twice as many each time), the ends of the range, and
/// what it has now.
fn sizes(job: &JobState, alone: u32, hosted: u32, present: Option<(u32, usize)>) -> Vec<u32> {
    let range = job.job.workers;
    let mut sizes: Vec<u32> = vec![range.min, range.max];
    sizes.extend((0..31).map(|power| 1 << power).take_while(|size| *size <= alone));
    let alone = alone.max(1);
    sizes.extend((1..=16).filter_map(|machines| alone.checked_mul(machines)));
    sizes.extend((5..31).filter_map(|power| alone.checked_mul(1 << power)));
    sizes.extend(present.map(|(workers, _)| workers));
    sizes.retain(|size| (range.min..=range.max.min(hosted)).contains(size));
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// What each type has in all.
fn types(state: &State) -> Vec<Resources> {
    let mut types = vec![Resources::default(); state.cluster.devices().len()];
    for (machine, capacity) in state.cluster.machines().iter().zip(state.capacities()) {
        types[usize::from(machine.device.0)].add(&capacity, 1.0);
    }
    types
}

/// Gives jobs configurations by the linear relaxation: those that it gives whole, and of those that it splits the largest part
/// that fits.
fn relax(choices: &mut [Choice], free: &mut [Resources]) {
    let mut program = LinearProgram::default();
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); free.len() * KINDS];
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for choice in choices.iter() {
        let mut own = Vec::new();
        for (at, one) in choice.configurations.iter().enumerate() {
            let column = program.real(-one.worth, 1.0);
            for (kind, need) in
                choice.demand(at).as_array().iter().enumerate().filter(|(_, need)| **need > 0.0)
            {
                rows[one.device * KINDS + kind].push((column, *need));
            }
            own.push(column);
        }
        if !own.is_empty() {
            program.row(own.iter().map(|column| (*column, 1.0)).collect(), Sense::Le, 1.0);
        }
        columns.push(own);
    }
    for (at, terms) in rows.into_iter().enumerate().filter(|(_, terms)| !terms.is_empty()) {
        program.row(terms, Sense::Le, free[at / KINDS].as_array()[at % KINDS]);
    }
    // A solver that gives up leaves all to the gain per share.
    let Ok(Some(solution)) = Microlp.solve(&program) else { return };
    let mut parts: Vec<(f64, usize, usize)> = Vec::new();
    for (job, own) in columns.iter().enumerate() {
        let own = own.iter().enumerate().map(|(at, column)| (solution.values[*column], job, at));
        parts.extend(own.filter(|(part, ..)| *part > 1e-6));
    }
    // Whole ones first; of equal parts the first to arrive.
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, job, at) in parts {
        choose(&mut choices[job], at, free);
    }
}

/// Gives a job a configuration in place of the one that it has, if there is room.
fn choose(choice: &mut Choice, at: usize, free: &mut [Resources]) -> bool {
    let device = choice.configurations[at].device;
    let mut room = free[device];
    let old = choice.chosen.map(|old| (choice.configurations[old].device, choice.demand(old)));
    if let Some((_, demand)) = old.as_ref().filter(|(old, _)| *old == device) {
        room.add(demand, 1.0);
    }
    let need = choice.demand(at);
    let better = choice.chosen.is_none_or(|old| at > old);
    if !better || !room.fits(&need) {
        return false;
    }
    if let Some((old, demand)) = old {
        free[old].add(&demand, 1.0);
    }
    free[device].add(&need, -1.0);
    choice.chosen = Some(at);
    true
}

/// Deals out what is left: the steps that gain most for their share of a type first.
fn improve(choices: &mut [Choice], free: &mut [Resources], whole: &[Resources]) {
    let rank = |choice: &Choice, at: usize| {
        let one = choice.configurations[at];
        let (worth, device) = (one.worth, one.device);
        let before = choice.chosen.map(|old| choice.configurations[old]);
        let gain = worth - before.map_or(0.0, |old| old.worth);
        let mut more = choice.demand(at);
        if let Some(old) = choice.chosen.filter(|old| choice.configurations[*old].device == device) {
            more.add(&choice.demand(old), -1.0);
        }
        gain / more.dominant_share(&whole[device]).max(1e-9)
    };
    let mut steps: Vec<(f64, usize, usize)> = Vec::new();
    for (job, choice) in choices.iter().enumerate() {
        let from = choice.chosen.map_or(0, |at| at + 1);
        steps.extend((from..choice.configurations.len()).map(|at| (rank(choice, at), job, at)));
    }
    steps.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, job, at) in steps {
        choose(&mut choices[job], at, free);
    }
}

/// Places the chosen configurations, or less where the room is in pieces, beside the jobs that stay.
fn settle(state: &State, stay: &[&JobState], choices: &[Choice]) -> Allocation {
    let mut allocation = Allocation::empty(state);
    for job in stay {
        allocation.place(&job.job, &job.placement);
    }
    let mut others: Vec<&Choice> = Vec::new();
    for choice in choices {
        let Some(one) = choice.chosen.map(|at| choice.configurations[at]) else { continue };
        let same = present(state, choice.state) == Some((one.workers, one.device));
        if same && allocation.fits(&choice.state.job, &choice.state.placement) {
            allocation.place(&choice.state.job, &choice.state.placement);
        } else {
            others.push(choice);
        }
    }
    let workers = |choice: &Choice| choice.chosen.map_or(0, |at| choice.configurations[at].workers);
    others.sort_by_key(|choice| std::cmp::Reverse(workers(choice)));
    for choice in others {
        let last = choice.chosen.map_or(0, |at| at + 1);
        let job = choice.state.job.as_ref();
        for one in choice.configurations[..last].iter().rev() {
            let machines = state.cluster.machines();
            let mut free = allocation.free_for(job).into_owned();
            let others = machines.iter().zip(&mut free);
            others
                .filter(|(machine, _)| usize::from(machine.device.0) != one.device)
                .for_each(|(_, free)| *free = Resources::default());
            if let Some(placement) = place(&free, job, one.workers) {
                allocation.place(job, &placement);
                break;
            }
        }
    }
    allocation
}

impl Policy for Sia {
    fn name(&self) -> &'static str {
        "sia"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        let whole = types(state);
        let mut free = whole.clone();
        // Who cannot be stopped is where it is, whatever the program says.
        let (stay, others): (Vec<&JobState>, Vec<&JobState>) = state.active().partition(|job| job.is_kept());
        for job in &stay {
            for share in job.placement.shares() {
                let device = state.cluster.machines()[share.machine.index()].device;
                free[usize::from(device.0)].add(&share.demand(&job.job), -1.0);
            }
        }
        let mut choices: Vec<Choice> = others.into_iter().map(|job| Choice::new(state, job)).collect();
        if choices.len() <= MOST {
            relax(&mut choices, &mut free);
        }
        improve(&mut choices, &mut free, &whole);
        let mut allocation = settle(state, &stay, &choices);
        fill(&mut allocation, state);
        let mut decisions = allocation.decisions(state);
        decisions.extend(wake(state));
        decisions
    }
}
