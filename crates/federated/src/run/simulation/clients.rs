//! Clients at work: what they are given, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::{Ground, Job, News, Simulation};
use crate::run::books::Stretch;
use crate::run::device::stream;
use crate::run::settings::{Late, Partial};
use crate::run::strategy::Strategy;
use crate::run::sum::input_bytes;
use crate::run::work::{Task, all_steps};

impl Simulation {
    /// Clients that are not at work, with their rows.
    pub(super) fn available(&self) -> Vec<(usize, f64)> {
        let busy: BTreeSet<usize> = self.jobs.values().map(|job| job.task.client).collect();
        let all = self.federation.rows.iter().enumerate();
        all.filter(|(client, _)| !busy.contains(client))
            .map(|(client, rows)| (client, rows.len() as f64))
            .collect()
    }

    /// Gives a client work.
    pub(super) fn give_out(&mut self, client: usize, number: u64, version: u64) -> u64 {
        let (settings, parameters) = (&self.settings, self.server.model().len());
        let all = all_steps(settings, self.federation.rows[client].len());
        let mut rng = stream(settings.seed ^ 0x57a6, client, number);
        let is_straggler = rng.random::<f64>() < settings.stragglers;
        let steps = if is_straggler { part_of(all, settings.epochs, &mut rng) } else { all };
        let twice = if settings.strategy == Strategy::Scaffold { 2 } else { 1 };
        let down = 4 * parameters as u64 * twice;
        let up = match settings.secure {
            Some(secure) => {
                input_bytes(secure, parameters, self.federation.rows.len().min(u32::MAX as usize))
            }
            None => settings.compression.bytes(parameters) + 4 * parameters as u64 * (twice - 1),
        };
        let course = settings.devices.course(settings.seed, client, number, down, steps, up);
        let is_lost = rng.random::<f64>() < settings.dropout;
        let lost_after = match (is_lost, is_straggler && settings.partial == Partial::Drop) {
            (true, _) => Some(rng.random::<f64>() * course.answered),
            (false, true) => Some(course.computed),
            (false, false) => None,
        };
        let task = Task {
            client,
            round: number,
            model: Arc::clone(self.server.model()),
            control: self.server.control(),
            steps,
            clip: self.server.clip(),
        };
        let start = self.clock.now();
        let job = Job { task, version, start, course, lost_after, down, up };
        let id = self.given_out;
        match &self.ground {
            Ground::Virtual { sim, node, .. } => {
                let (tell, clock) = (self.tell.clone(), self.clock.clone());
                let end = start.saturating_add(seconds(lost_after.unwrap_or(course.answered)));
                sim.spawn(*node, async move {
                    clock.sleep_until(end).await;
                    // The run may be over.
                    let _ = tell.send(News { job: id, is_lost: lost_after.is_some() });
                });
            }
            #[cfg(feature = "program")]
            Ground::Live(desk) => desk.give(id, &job.task),
        }
        self.books.totals.down_bytes += down;
        self.jobs.insert(id, job);
        self.given_out += 1;
        id
    }

    /// Writes down what a client has done, now that it is known.
    pub(super) fn work_done(&mut self, job: &Job, lost: Option<Duration>) {
        let worked = job.lost_after.unwrap_or(job.course.answered);
        self.books.totals.worked_client_seconds += worked;
        // What a secure sum sends is counted message by message.
        if lost.is_none() && self.settings.secure.is_none() {
            self.books.totals.up_bytes += job.up;
        }
        self.books.worked(Stretch {
            client: job.task.client,
            round: job.task.round,
            start: job.start,
            course: job.course,
            lost,
            down: job.down,
            up: job.up,
            records: self.federation.rows[job.task.client].len() as u64,
        });
    }

    /// A client that answered in its round.
    pub(super) fn answer(&mut self, id: u64) -> Option<usize> {
        let job = self.jobs.get(&id)?.clone();
        self.work_done(&job, None);
        self.answered.push(id);
        Some(job.task.client)
    }

    /// A client that was lost in its round.
    pub(super) fn lose(&mut self, job: u64) {
        if let Some(job) = self.jobs.remove(&job) {
            self.work_done(&job, Some(self.clock.now()));
        }
    }

    /// News of a round that is over. The work, if it is to count in the one that is open.
    pub(super) fn late(&mut self, news: News) -> Option<Job> {
        let job = self.jobs.remove(&news.job)?;
        self.work_done(&job, news.is_lost.then(|| self.clock.now()));
        if news.is_lost {
            self.books.totals.lost += 1;
            return None;
        }
        if self.settings.late == Late::Next {
            return Some(job);
        }
        self.ground.forget(&job.task);
        self.books.totals.late += 1;
        None
    }
}

/// Steps of a client that does not make all: of several passes some whole ones, of one a part.
fn part_of(all: usize, epochs: usize, rng: &mut Xoshiro256PlusPlus) -> usize {
    let each = all / epochs;
    if epochs > 1 {
        return each * rng.random_range(1..epochs);
    }
    if all > 1 { rng.random_range(1..all) } else { all }
}

fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX)
}
