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
        let all = self.federation.examples.iter().enumerate();
        all.filter(|(client, _)| !busy.contains(client))
            .map(|(client, examples)| (client, *examples as f64))
            .collect()
    }

    /// Local steps of all that a client, or an edge by its clients, has to do in a round.
    fn all_steps(&self, client: usize) -> usize {
        let (settings, rows) = (&self.settings, &self.federation.rows);
        match settings.edges {
            Some(edges) => {
                let of = |client: usize| all_steps(settings, rows[client].len());
                edges.rounds as usize * edges.clients(client, rows.len()).map(of).sum::<usize>()
            }
            None => all_steps(settings, rows[client].len()),
        }
    }

    /// Seconds of an edge's own rounds, each of which waits for the last of its clients.
    fn edge_seconds(&self, edge: usize, number: u64) -> f64 {
        let (settings, rows) = (&self.settings, &self.federation.rows);
        let Some(edges) = settings.edges else { return 0.0 };
        let model = 4 * self.server.model().len() as u64;
        let of_round = |inner| {
            let of = |client: usize| {
                let steps = all_steps(settings, rows[client].len());
                settings.devices.part_seconds(
                    settings.seed,
                    client,
                    edges.number(number, inner),
                    model,
                    steps,
                )
            };
            edges.clients(edge, rows.len()).map(of).fold(0.0, f64::max)
        };
        (0..edges.rounds).map(of_round).sum()
    }

    /// Bytes between an edge and its clients in one of its answers, both ways.
    fn edge_bytes(&self, edge: usize) -> u64 {
        let Some(edges) = self.settings.edges else { return 0 };
        let clients = edges.clients(edge, self.federation.rows.len()).len() as u64;
        2 * 4 * self.server.model().len() as u64 * clients * edges.rounds
    }

    /// Gives a client work, from the server's model.
    pub(super) fn give_out(&mut self, client: usize, number: u64, version: u64) -> u64 {
        self.give_out_from(client, number, version, Arc::clone(self.server.model()))
    }

    /// How many models a client is sent and sends in a round.
    fn models_sent(&self, client: usize) -> u64 {
        match (self.settings.strategy, &self.ground) {
            (Strategy::Scaffold, _) => 2,
            // One to each neighbour; of nodes the mean and the model pass through the desk.
            (Strategy::Gossip, Ground::Virtual { .. }) => {
                let clients = self.federation.examples.len();
                self.settings.neighbours().of(client, clients).count() as u64
            }
            _ => 1,
        }
    }

    /// Gives a client work, from this model.
    pub(super) fn give_out_from(
        &mut self,
        client: usize,
        number: u64,
        version: u64,
        model: Arc<Vec<f32>>,
    ) -> u64 {
        let (settings, parameters) = (&self.settings, model.len());
        let all = self.all_steps(client);
        let mut rng = stream(settings.seed ^ 0x57a6, client, number);
        let is_straggler = rng.random::<f64>() < settings.stragglers;
        let steps = if is_straggler { part_of(all, settings.epochs, &mut rng) } else { all };
        let models = self.models_sent(client);
        let down = 4 * parameters as u64 * models;
        let up = match settings.secure {
            Some(secure) => {
                input_bytes(secure, parameters, self.federation.examples.len().min(u32::MAX as usize))
            }
            None => settings.compression.bytes(parameters) + 4 * parameters as u64 * (models - 1),
        };
        let course = match settings.edges {
            Some(_) => settings.devices.course_of_edge(down, self.edge_seconds(client, number), up),
            None => settings.devices.course(settings.seed, client, number, down, steps, up),
        };
        let is_lost = rng.random::<f64>() < settings.dropout;
        let lost_after = match (is_lost, is_straggler && settings.partial == Partial::Drop) {
            (true, _) => Some(rng.random::<f64>() * course.answered),
            (false, true) => Some(course.computed),
            (false, false) => None,
        };
        let task = Task {
            client,
            round: number,
            model,
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
        if lost.is_none() {
            self.books.totals.edge_bytes += self.edge_bytes(job.task.client);
        }
        self.books.worked(Stretch {
            client: job.task.client,
            round: job.task.round,
            start: job.start,
            course: job.course,
            lost,
            down: job.down,
            up: job.up,
            records: self.federation.examples[job.task.client] as u64,
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
