//! A trace as the rounds of its workers: pull, compute and push, without the wait at the gate.

use std::collections::BTreeMap;

use syncline_trace::{Phase, Run};

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
}

impl Cycle {
    /// How long the worker was busy.
    pub fn work_s(&self) -> f64 {
        self.end_s - self.start_s
    }
}

/// All cycles of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Cycles {
    workers: usize,
    samples_per_cycle: f64,
    /// Each worker's cycles in the order of their rounds.
    of_worker: Vec<Vec<Cycle>>,
    /// Mean time that the servers spend on one gradient.
    server_s: f64,
}

impl Cycles {
    /// Cycles from anywhere; `workers` are numbered from 0.
    ///
    /// # Errors
    /// [`Error::NoRounds`] if some worker has none.
    pub fn new(workers: usize, samples_per_cycle: f64, cycles: Vec<Cycle>) -> Result<Self, Error> {
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
        Ok(Self { workers, samples_per_cycle, of_worker, server_s: 0.0 })
    }

    /// The cycles of a training run's trace.
    ///
    /// # Errors
    /// [`Error::NoRounds`] if it is not one.
    pub fn of(run: &Run) -> Result<Self, Error> {
        let mut cycles = BTreeMap::<(u32, u64), Cycle>::new();
        let (mut samples, mut computed, mut server_ns) = (0, 0u64, 0);
        for span in &run.spans {
            match span.phase {
                Phase::Compute => {
                    samples += span.records;
                    computed += 1;
                }
                Phase::Pull | Phase::Push => {}
                Phase::Apply | Phase::Fold => {
                    server_ns += span.duration_ns();
                    continue;
                }
                _ => continue,
            }
            let (start_s, end_s) = (span.start_ns as f64 * 1e-9, span.end_ns as f64 * 1e-9);
            let fresh = Cycle { worker: span.node, round: span.round, start_s, end_s };
            let cycle = cycles.entry((span.node, span.round)).or_insert(fresh);
            cycle.start_s = cycle.start_s.min(start_s);
            cycle.end_s = cycle.end_s.max(end_s);
        }
        // Nodes are numbered over all of the program; workers by their place among those that computed.
        let mut nodes: Vec<u32> = cycles.keys().map(|key| key.0).collect();
        nodes.dedup();
        let named = |_| Error::NoRounds { run: run.info.run.clone() };
        let rank = |node: u32| nodes.partition_point(|&other| other < node) as u32;
        let cycles =
            cycles.into_values().map(|cycle| Cycle { worker: rank(cycle.worker), ..cycle }).collect();
        let per_cycle = samples as f64 / computed.max(1) as f64;
        let found = Self::new(nodes.len(), per_cycle, cycles).map_err(named)?;
        Ok(Self { server_s: server_ns as f64 * 1e-9 / computed.max(1) as f64, ..found })
    }

    /// The workers of the run.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Samples in one worker's batch.
    pub fn samples_per_cycle(&self) -> f64 {
        self.samples_per_cycle
    }

    /// Mean time of the servers per gradient.
    pub fn server_s(&self) -> f64 {
        self.server_s
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

    /// The measured time per round's worth of gradients: pushes until the first worker is through, because after that
    /// fewer workers run.
    pub fn measured(&self) -> Interval {
        const PARTS: usize = 10;
        let all = || self.of_worker.iter().flatten();
        let start = all().map(|cycle| cycle.start_s).fold(f64::INFINITY, f64::min);
        let last = |list: &Vec<Cycle>| list.iter().map(|cycle| cycle.end_s).fold(0.0, f64::max);
        let end = self.of_worker.iter().map(last).fold(f64::INFINITY, f64::min);
        let each = (end - start) / PARTS as f64;
        let parts: Vec<f64> = (0..PARTS)
            .map(|part| {
                let (from, to) = (start + part as f64 * each, start + (part + 1) as f64 * each);
                all().filter(|cycle| cycle.end_s > from && cycle.end_s <= to).count() as f64
            })
            .collect();
        let total: f64 = parts.iter().sum();
        let value = (end - start) * self.workers as f64 / total.max(1.0);
        // Relative error of the count from the spread of its parts.
        let mean = total / PARTS as f64;
        let spread =
            parts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (PARTS * (PARTS - 1)) as f64;
        Interval::around(value, 2.0 * value * spread.sqrt() / mean.max(1.0))
    }
}
