//! A pool in motion.
//!
//! EVENTS-1: a worker is idle only if no task waits that it may take. EVENTS-2: under preemption no task waits while a
//! less urgent one runs on a worker that it may take. Both hold after every event.

use std::collections::BTreeSet;

use rand::RngExt;

use super::agenda::{Agenda, Event};
use super::jobs::{Job, Jobs};
use super::pool::{Failures, Loss, Pool, Preemption, Queues};
use super::ready::{Ready, Task};
use crate::Workload;
use crate::arrivals::Source;
use crate::distribution::{Distribution, unit_exponential};
use crate::sim::Random;
use crate::sim::feed::{ClassSums, Passages, Passed};

/// So many events without a departure mean that there will be none: each task is lost before it ends.
const PATIENCE: u64 = 2_000_000;

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Busy { task: Task, since: f64 },
    Down,
}

#[derive(Debug, Clone, Copy)]
struct Worker {
    state: State,
    /// Counts the starts and interruptions, so that an old finish is known.
    epoch: u64,
}

/// One replication.
pub(super) struct PoolRun<'a> {
    pool: &'a Pool,
    source: Source<'a>,
    size: &'a Distribution,
    random: Random,
    agenda: Agenda,
    now: f64,
    workers: Vec<Worker>,
    idle: BTreeSet<usize>,
    ready: Ready,
    jobs: Jobs,
    sizes: Vec<f64>,
    tasks: u64,
    sums: Vec<ClassSums>,
    stuck: bool,
}

impl<'a> PoolRun<'a> {
    pub(super) fn new(pool: &'a Pool, workload: &'a Workload, mut random: Random) -> Self {
        let number = pool.speeds().len();
        let homes = if pool.queues() == Queues::Shared { 1 } else { number };
        let source = workload.arrivals.source(&mut random);
        let mut run = Self {
            pool,
            source,
            size: &workload.size,
            random,
            agenda: Agenda::default(),
            now: 0.0,
            workers: vec![Worker { state: State::Idle, epoch: 0 }; number],
            idle: (0..number).collect(),
            ready: Ready::new(homes, pool.shares().len()),
            jobs: Jobs::default(),
            sizes: vec![0.0; pool.tasks()],
            tasks: 0,
            sums: vec![ClassSums::default(); pool.shares().len()],
            stuck: false,
        };
        run.note_arrival();
        if let Some(failures) = pool.failures() {
            (0..number).for_each(|worker| run.note_failure(worker, failures));
        }
        run
    }

    fn note_arrival(&mut self) {
        let gap = self.source.gap(&mut self.random);
        self.agenda.note(self.now + gap, Event::Arrival);
    }

    fn note_failure(&mut self, worker: usize, failures: Failures) {
        let up = failures.mean_up() * unit_exponential(&mut self.random);
        self.agenda.note(self.now + up, Event::Failure { worker });
    }

    fn home(&self, worker: usize) -> usize {
        if self.pool.queues() == Queues::Shared { 0 } else { worker }
    }

    /// Lets one event happen; the job that departs with it, if one does.
    fn happen(&mut self, event: Event) -> Option<Job> {
        match event {
            Event::Arrival => {
                self.arrive();
                self.note_arrival();
            }
            Event::Finish { worker, epoch } if self.workers[worker].epoch == epoch => {
                return self.finish(worker);
            }
            Event::Finish { .. } => {}
            Event::Failure { worker } => self.fail(worker),
            Event::Repair { worker } => self.repair(worker),
        }
        None
    }

    fn arrive(&mut self) {
        let class = self.draw_class();
        let mut sizes = std::mem::take(&mut self.sizes);
        self.size.fill(&mut self.random, &mut sizes);
        let job = self.jobs.add(Job { arrival: self.now, class, left: sizes.len(), started: None });
        self.tasks += sizes.len() as u64;
        for (i, &size) in sizes.iter().enumerate() {
            self.ready.add(Task { job, class, home: self.home(i), size, left: size });
        }
        let homes = if self.pool.queues() == Queues::Shared { 1 } else { sizes.len() };
        self.sizes = sizes;
        (0..homes).for_each(|home| self.serve(home));
    }

    fn draw_class(&mut self) -> usize {
        let shares = self.pool.shares();
        if shares.len() == 1 {
            return 0;
        }
        let mut at: f64 = self.random.random();
        let chosen = shares.iter().position(|share| {
            at -= share;
            at < 0.0
        });
        chosen.unwrap_or(shares.len() - 1)
    }

    fn finish(&mut self, worker: usize) -> Option<Job> {
        let State::Busy { task, .. } = self.workers[worker].state else { return None };
        self.release(worker);
        self.serve(self.home(worker));
        self.jobs.finish_task(task.job)
    }

    fn release(&mut self, worker: usize) {
        self.workers[worker].state = State::Idle;
        self.idle.insert(worker);
    }

    fn fail(&mut self, worker: usize) {
        let Some(failures) = self.pool.failures() else { return };
        if matches!(self.workers[worker].state, State::Busy { .. }) {
            self.interrupt(worker, failures.loss());
        }
        self.idle.remove(&worker);
        self.workers[worker].state = State::Down;
        let down = failures.mean_down() * unit_exponential(&mut self.random);
        self.agenda.note(self.now + down, Event::Repair { worker });
        // The task that was lost may be more urgent than what runs elsewhere.
        self.serve(self.home(worker));
    }

    fn repair(&mut self, worker: usize) {
        self.release(worker);
        if let Some(failures) = self.pool.failures() {
            self.note_failure(worker, failures);
        }
        self.serve(self.home(worker));
    }

    /// Gives the waiting tasks of `home` to idle workers, and to busy ones that they may preempt.
    fn serve(&mut self, home: usize) {
        while let Some(class) = self.ready.most_urgent(home) {
            let Some(worker) = self.idle_worker(home).or_else(|| self.preempt(home, class)) else { return };
            // Taken before the preempted one is put back: it is more urgent, so it is still the first.
            if let Some(task) = self.ready.take(home) {
                self.start(worker, task);
            }
        }
    }

    fn idle_worker(&self, home: usize) -> Option<usize> {
        match self.pool.queues() {
            Queues::Shared => self.idle.first().copied(),
            Queues::PerWorker => self.idle.contains(&home).then_some(home),
        }
    }

    /// Stops the least urgent task that is less urgent than `class`, the latest begun among equals.
    fn preempt(&mut self, home: usize, class: usize) -> Option<usize> {
        let loss = match self.pool.preemption() {
            Preemption::None => return None,
            Preemption::Resume => Loss::Nothing,
            Preemption::Restart => Loss::Everything,
        };
        let candidates = match self.pool.queues() {
            Queues::Shared => 0..self.workers.len(),
            Queues::PerWorker => home..home + 1,
        };
        let running = candidates.filter_map(|worker| match self.workers[worker].state {
            State::Busy { task, since } if task.class > class => Some((task.class, since, worker)),
            _ => None,
        });
        let (_, _, victim) = running.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))?;
        self.interrupt(victim, loss);
        self.release(victim);
        Some(victim)
    }

    fn start(&mut self, worker: usize, task: Task) {
        self.idle.remove(&worker);
        self.jobs.start(task.job, self.now);
        let entry = &mut self.workers[worker];
        entry.state = State::Busy { task, since: self.now };
        entry.epoch += 1;
        let end = self.now + task.left / self.pool.speeds()[worker];
        self.agenda.note(end, Event::Finish { worker, epoch: entry.epoch });
    }

    /// Puts a running task back to the head of its queue with what the loss leaves of it.
    fn interrupt(&mut self, worker: usize, loss: Loss) {
        let entry = &mut self.workers[worker];
        let State::Busy { mut task, since } = entry.state else { return };
        entry.epoch += 1;
        let done = task.size - task.left + (self.now - since) * self.pool.speeds()[worker];
        let kept = match loss {
            Loss::Nothing => done,
            Loss::Everything => 0.0,
            Loss::SinceCheckpoint(work) => (done / work).floor() * work,
        };
        task.left = (task.size - kept).max(0.0);
        self.ready.put_back(task);
    }
}

impl Passages for PoolRun<'_> {
    fn next(&mut self) -> Passed {
        for _ in 0..PATIENCE {
            if self.stuck {
                break;
            }
            // An arrival is always noted, so that there is a next event.
            let Some((time, event)) = self.agenda.next() else { break };
            self.now = time;
            let Some(job) = self.happen(event) else { continue };
            let wait = job.started.unwrap_or(self.now) - job.arrival;
            let sojourn = self.now - job.arrival;
            let sums = &mut self.sums[job.class];
            sums.jobs += 1.0;
            sums.waits += wait;
            sums.sojourns += sojourn;
            return Passed { wait, sojourn };
        }
        self.stuck = true;
        Passed { wait: f64::NAN, sojourn: f64::NAN }
    }

    fn clock(&self) -> f64 {
        self.now
    }

    fn tasks(&self) -> u64 {
        self.tasks
    }

    fn count_from_here(&mut self) {
        self.sums.fill(ClassSums::default());
    }

    fn classes(&self) -> Vec<ClassSums> {
        self.sums.clone()
    }
}
