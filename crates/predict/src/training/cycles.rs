//! A trace as the rounds of its workers: pull, compute and push, without the wait at the gate and for the servers.
//!
//! Between threads the worker that closes a round folds it itself, so that its push holds the servers' work; with
//! asynchronous pushes workers queue for the servers. Both are taken out of the workers' time, because the servers are
//! simulated beside them: what is left is what a worker does by itself.

use std::collections::{BTreeMap, BTreeSet};

use syncline_round::Policy;
use syncline_trace::{Attended, MachineLoad, Phase, Run, Span};

use super::busy::Busy;
use super::coded::{BetweenProducts, PRODUCTS, Products};
use super::cut::complete;
use super::machine::Machine;
use super::setup::Setup;
use crate::{Error, Interval, JobProfile};

/// One worker's work in one round, in seconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cycle {
    /// The worker.
    pub worker: u32,
    /// Its clock.
    pub round: u64,
    /// When the gate let it go.
    pub start_s: f64,
    /// When its gradient was taken.
    pub end_s: f64,
    /// Time of it that belongs to the servers, in seconds.
    pub served_s: f64,
    /// Seconds of the pull, without the servers' time.
    pub pull_s: f64,
    /// Seconds in which the gradient was computed.
    pub compute_s: f64,
    /// Seconds of the push, without the servers' time.
    pub push_s: f64,
    /// Samples that the gradient stands on.
    pub samples: u64,
    /// Bytes pulled and pushed.
    pub bytes: u64,
    /// Bytes pushed.
    pub pushed_bytes: u64,
}

impl Cycle {
    /// A round of which nothing but its computation is known.
    pub fn new(worker: u32, round: u64, start_s: f64, end_s: f64) -> Self {
        let compute_s = end_s - start_s;
        let (served_s, pull_s, push_s) = (0.0, 0.0, 0.0);
        Self {
            worker,
            round,
            start_s,
            end_s,
            served_s,
            pull_s,
            compute_s,
            push_s,
            samples: 0,
            bytes: 0,
            pushed_bytes: 0,
        }
    }

    /// How long the worker was busy by itself.
    pub fn work_s(&self) -> f64 {
        self.pull_s + self.compute_s + self.push_s
    }

    /// What it did besides computing: pull and push.
    pub fn exchange_s(&self) -> f64 {
        self.pull_s + self.push_s
    }

    fn take(&mut self, span: &Span, busy: &Busy) {
        let (start_s, end_s) = seconds(span);
        self.start_s = self.start_s.min(start_s);
        self.end_s = self.end_s.max(end_s);
        self.bytes = self.bytes.saturating_add(span.bytes);
        match span.phase {
            Phase::Compute => {
                self.compute_s += end_s - start_s;
                self.samples = self.samples.saturating_add(span.records);
            }
            phase => {
                let served_s = busy.within(start_s, end_s);
                self.served_s += served_s;
                if phase == Phase::Push {
                    self.pushed_bytes = self.pushed_bytes.saturating_add(span.bytes);
                }
                let own = if phase == Phase::Pull { &mut self.pull_s } else { &mut self.push_s };
                *own += (end_s - start_s - served_s).max(0.0);
            }
        }
    }
}

fn seconds(span: &Span) -> (f64, f64) {
    (span.start_ns as f64 * 1e-9, span.end_ns as f64 * 1e-9)
}

/// All cycles of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Cycles {
    /// Each worker's cycles in the order of their rounds.
    of_worker: Vec<Vec<Cycle>>,
    /// When gradients were folded, and how many at once, in order.
    folds: Vec<(f64, usize)>,
    /// Mean time that the servers spend on one update, seconds, all servers together.
    update_s: f64,
    /// Gradients in an update.
    per_update: usize,
    /// Seconds from when a gate opened until a held worker went on, in ascending order.
    wakes_s: Vec<f64>,
    /// How many workers computed at once, while any did.
    concurrency: f64,
    /// When held-out rows were evaluated, which is not part of any round.
    evaluating: Busy,
    /// What else used the machine, where that is known.
    load: Option<MachineLoad>,
    /// Where workers were told to stop, the share of each one's rounds that last longer than any that was seen to its end.
    unseen: Vec<f64>,
    /// What lies between products, where workers held coded blocks: then rounds are products.
    products: Option<BetweenProducts>,
    setup: Setup,
    machine: Option<Machine>,
}

impl Cycles {
    /// Cycles from anywhere, every gradient folded as it came; `workers` are numbered from 0.
    ///
    /// # Errors
    /// [`Error::NoRounds`] if some worker has none.
    pub fn new(workers: usize, cycles: Vec<Cycle>) -> Result<Self, Error> {
        let mut of_worker = vec![Vec::new(); workers];
        for cycle in cycles {
            if let Some(list) = of_worker.get_mut(cycle.worker as usize) {
                list.push(cycle);
            }
        }
        if workers == 0 || of_worker.iter().any(Vec::is_empty) {
            return Err(Error::NoRounds { run: String::new() });
        }
        of_worker.iter_mut().for_each(|list| list.sort_by_key(|cycle| cycle.round));
        let mut folds: Vec<_> = of_worker.iter().flatten().map(|cycle| (cycle.end_s, 1)).collect();
        folds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let setup = Setup { workers, servers: 1, sync: "asp".to_owned(), ..Setup::default() };
        Ok(Self {
            of_worker,
            folds,
            update_s: 0.0,
            per_update: 1,
            wakes_s: Vec::new(),
            concurrency: 1.0,
            evaluating: Busy::default(),
            load: None,
            unseen: Vec::new(),
            products: None,
            setup,
            machine: None,
        })
    }

    /// The cycles of a training run's trace.
    ///
    /// # Errors
    /// [`Error::NoRounds`] if it is not one, [`Error::CannotTell`] where workers did the work of several.
    pub fn of(run: &Run) -> Result<Self, Error> {
        let policy = run.info.sync.parse::<Policy>().ok();
        if let Some(products) = policy.map_or(Ok(None), |policy| Products::of(run, policy))? {
            return Self::of_products(run, products);
        }
        let served = |span: &&Span| matches!(span.phase, Phase::Apply | Phase::Fold);
        let busy = Busy::new(run.spans.iter().filter(served).map(seconds));
        let mut cycles = BTreeMap::<(u32, u64), Cycle>::new();
        for span in &run.spans {
            if matches!(span.phase, Phase::Pull | Phase::Compute | Phase::Push) {
                let start_s = seconds(span).0;
                let fresh = Cycle { compute_s: 0.0, ..Cycle::new(span.node, span.round, start_s, start_s) };
                cycles.entry((span.node, span.round)).or_insert(fresh).take(span, &busy);
            }
        }
        // A pull without a push is of a run that was cut, or of the round after the last.
        cycles.retain(|_, cycle| cycle.compute_s > 0.0);
        // Nodes are numbered over all of the program; workers by their place among those that computed.
        let mut nodes: Vec<u32> = cycles.keys().map(|key| key.0).collect();
        nodes.dedup();
        let named = |_| Error::NoRounds { run: run.info.run.clone() };
        let rank = |node: u32| nodes.partition_point(|&other| other < node) as u32;
        // Who has computed and pushed nothing was told to stop.
        let pushes = run.spans.iter().filter(|span| span.phase == Phase::Push);
        let pushed: BTreeSet<(u32, u64)> = pushes.map(|span| (span.node, span.round)).collect();
        let is_cut: Vec<bool> = cycles.keys().map(|key| !pushed.contains(key)).collect();
        let mut cycles: Vec<Cycle> =
            cycles.into_values().map(|cycle| Cycle { worker: rank(cycle.worker), ..cycle }).collect();
        let stops = policy.is_some_and(Policy::stops_the_late);
        let unseen =
            if stops && is_cut.contains(&true) { complete(&mut cycles, &is_cut) } else { Vec::new() };
        let found = Self { unseen, ..Self::new(nodes.len(), cycles).map_err(named)? };
        let of_phase = |phase: Phase| run.spans.iter().filter(move |span| span.phase == phase).map(seconds);
        let computing: f64 = of_phase(Phase::Compute).map(|(start, end)| end - start).sum();
        let any = Busy::new(of_phase(Phase::Compute)).total();
        let told = run.info.training();
        let shared = |stretch: &Attended| stretch.workers.len() < nodes.len();
        if told.attendance.iter().any(shared) {
            let why = "some workers did the work of several, whose times are not those of workers that have one core each: trace a \
                       run in which all are there to the end";
            return Err(Error::CannotTell { why: why.to_owned() });
        }
        let setup = Setup { workers: nodes.len(), ..Setup::of(run, &told) };
        let found = Self {
            concurrency: if any > 0.0 { computing / any } else { 1.0 },
            evaluating: Busy::new(of_phase(Phase::Evaluate)),
            machine: Machine::of(&told),
            load: told.load,
            setup,
            ..found
        };
        Ok(found.with_servers(run, told.cores))
    }

    /// The cycles of a run whose workers held coded blocks.
    fn of_products(run: &Run, products: Products) -> Result<Self, Error> {
        let Products { tasks, ends_s, unseen, between } = products;
        let (workers, told) = (run.info.workers as usize, run.info.training());
        let found = Self::new(workers, tasks).map_err(|_| Error::NoRounds { run: run.info.run.clone() })?;
        let setup = Setup { workers, rounds: ends_s.len() as u64, ..Setup::of(run, &told) };
        Ok(Self {
            folds: ends_s.into_iter().map(|end_s| (end_s, between.needed)).collect(),
            evaluating: Busy::new(run.spans.iter().filter(|span| span.phase == Phase::Evaluate).map(seconds)),
            load: told.load,
            unseen,
            products: Some(between),
            setup,
            ..found
        })
    }

    /// Adds what the servers' spans tell.
    fn with_servers(self, run: &Run, cores: Option<u64>) -> Self {
        let applied: Vec<&Span> = run.spans.iter().filter(|span| span.phase == Phase::Apply).collect();
        let Some(first) = applied.iter().map(|span| span.node).min() else { return self };
        let workers = self.of_worker.len();
        let policy = run.info.sync.parse::<Policy>().ok();
        let per_update = policy.map_or(1, |policy| policy.gradients(workers));
        // One that is folded stands for those of its group, as in a simulated run.
        let stand_for = per_update * policy.map_or(1, Policy::copies);
        // Every server sees the same rounds.
        let one = applied.iter().filter(|span| span.node == first);
        let mut folds: Vec<_> = one.map(|span| (seconds(span).1, stand_for)).collect();
        folds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = applied.iter().map(|span| span.duration_ns() as f64).sum();
        let update_s = total * 1e-9 / folds.len().max(1) as f64;
        // The gate of a round opens with the update that closes the one before.
        let opened: BTreeMap<u64, u64> = if per_update > 1 { last_ends(&applied) } else { BTreeMap::new() };
        let waits = run.spans.iter().filter(|span| span.phase == Phase::Wait);
        let woken = waits.filter_map(|span| span.end_ns.checked_sub(*opened.get(&span.round)?));
        let mut wakes_s: Vec<f64> = woken.map(|ns| ns as f64 * 1e-9).collect();
        wakes_s.sort_by(f64::total_cmp);
        // Where workers outnumber the cores, only as many as there are cores go on at once: the others wait for a core,
        // which the simulation lets them do itself.
        let at_once = cores.map_or(1.0, |cores| (cores as f64 / workers as f64).min(1.0));
        wakes_s.truncate((at_once * wakes_s.len() as f64).ceil() as usize);
        Self { folds, update_s, per_update, wakes_s, ..self }
    }

    /// What else used the machine, where that is known.
    pub(crate) fn load(&self) -> Option<MachineLoad> {
        self.load
    }

    /// Seconds from the first worker's start until the last one was through, without evaluations.
    pub fn run_s(&self) -> f64 {
        let all = || self.of_worker.iter().flatten();
        let start = all().map(|cycle| cycle.start_s).fold(f64::INFINITY, f64::min);
        let end = all().map(|cycle| cycle.end_s).fold(0.0, f64::max);
        (end - start - self.evaluating.within(start, end)).max(0.0)
    }

    pub(crate) fn products(&self) -> Option<BetweenProducts> {
        self.products
    }

    pub(crate) fn unseen(&self) -> &[f64] {
        &self.unseen
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    pub(crate) fn concurrency(&self) -> f64 {
        self.concurrency
    }

    pub(crate) fn wakes_s(&self) -> &[f64] {
        &self.wakes_s
    }

    /// The workers of the run.
    pub fn workers(&self) -> usize {
        self.of_worker.len()
    }

    /// Samples in one worker's batch, on average.
    pub fn samples_per_cycle(&self) -> f64 {
        let all = || self.of_worker.iter().flatten();
        all().map(|cycle| cycle.samples as f64).sum::<f64>() / all().count().max(1) as f64
    }

    /// Mean time of the servers for one update, in seconds, one server's after the other's.
    pub(crate) fn update_s(&self) -> f64 {
        self.update_s
    }

    /// Gradients that an update folds.
    pub(crate) fn per_update(&self) -> usize {
        self.per_update
    }

    /// Seconds that each worker computed, round by round.
    pub fn computed_s(&self) -> Vec<Vec<f64>> {
        let of = |cycles: &Vec<Cycle>| cycles.iter().map(|cycle| cycle.compute_s).collect();
        self.of_worker.iter().map(of).collect()
    }

    pub(crate) fn of_worker(&self) -> &[Vec<Cycle>] {
        &self.of_worker
    }

    /// Splits the work into what a worker is and what a round adds.
    ///
    /// # Errors
    /// [`Error::TooShort`] if the run was.
    pub fn profile(&self) -> Result<JobProfile, Error> {
        JobProfile::fit(self)
    }

    /// The measured time per round's worth of gradients: folds until the first worker is through, because after that
    /// fewer workers run.
    pub fn measured(&self) -> Interval {
        const PARTS: usize = 10;
        let all = || self.of_worker.iter().flatten();
        let start = all().map(|cycle| cycle.start_s).fold(f64::INFINITY, f64::min);
        let last = |list: &Vec<Cycle>| list.iter().map(|cycle| cycle.end_s).fold(0.0, f64::max);
        let end = self.of_worker.iter().map(last).fold(f64::INFINITY, f64::min);
        let counted: Vec<_> = self.folds.iter().filter(|(at, _)| *at > start && *at <= end).collect();
        let total: usize = counted.iter().map(|(_, gradients)| gradients).sum();
        // Of products those of a step, of gradients as many as there are workers.
        let workers = match self.products {
            Some(between) => (PRODUCTS as usize * between.needed) as f64,
            None => self.workers() as f64,
        };
        let spent = |from: f64, to: f64| to - from - self.evaluating.within(from, to);
        let value = spent(start, end) * workers / total.max(1) as f64;
        // The relative error of the time from the spread of its parts, each of as many gradients.
        let mut from = start;
        let parts: Vec<f64> = counted
            .chunks(counted.len().div_ceil(PARTS).max(1))
            .filter_map(|part| {
                let gradients: usize = part.iter().map(|(_, gradients)| gradients).sum();
                let until = part.last()?.0;
                let each = spent(from, until) * workers / gradients as f64;
                from = until;
                Some(each)
            })
            .collect();
        let count = parts.len().max(2) as f64;
        let mean = parts.iter().sum::<f64>() / count;
        let spread = parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>() / (count * (count - 1.0));
        Interval::around(value, 2.0 * spread.sqrt())
    }
}

/// When the last server's update ended, by the round that it opens.
fn last_ends(applied: &[&Span]) -> BTreeMap<u64, u64> {
    let mut opened = BTreeMap::new();
    for span in applied {
        let at = opened.entry(span.round.saturating_add(1)).or_insert(0);
        *at = span.end_ns.max(*at);
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_opens_with_the_last_server() {
        let update = |server: u32, round: u64, end_ns: u64| Span {
            round,
            ..Span::new(server, Phase::Apply, 0, end_ns)
        };
        let spans = [update(0, 0, 50), update(1, 0, 40), update(0, 1, 60), update(1, 1, 90)];
        let all: Vec<&Span> = spans.iter().collect();
        assert_eq!(last_ends(&all), BTreeMap::from([(1, 50), (2, 90)]));
    }
}
