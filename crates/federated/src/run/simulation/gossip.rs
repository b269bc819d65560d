//! Gossip: each client has a model of its own. It makes its local steps, hears what its neighbours have come to after the same round, and
//! goes on from the mean. Nobody is in the middle: the server only keeps the books, and judges the mean of all models.
//!
//! The gate is `round`'s [`Gossip`](syncline_round::gate::Gossip), a gate for each neighbourhood. TALK-1: a client's next model is the mean
//! of what its neighbours and it gave in one round, in the order of clients; so the order of arrival changes no bit. TALK-2: weights are
//! Metropolis', 1 / (1 + the larger number of neighbours), and the rest its own, so that where somebody has left the mean of all
//! models still stays where it is. TALK-3: who is lost in a round in virtual time gives the model that it began with; on a node that is
//! lost it is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_round::{Act, Event, Machine, Member, Neighbours, Policy, Round, Time};

use super::{Ground, Job, Simulation};
use crate::run::MOST_FAILED;
use crate::run::report::RoundReport;
use crate::{Error, Result};

/// A model that a client gave.
type Model = Arc<Vec<f32>>;

impl Simulation {
    /// Until every client has gone through all rounds.
    pub(super) async fn gossip(&mut self) -> Result<()> {
        let mut circle = Circle::new(self)?;
        circle.begin(self)?;
        let mut failed = 0;
        for number in 0..self.settings.rounds {
            while !circle.is_over(number) {
                let Some(news) = self.heard().await else { return Err(gone(number)) };
                let Some(job) = self.jobs.remove(&news.job) else { continue };
                self.work_done(&job, news.is_lost.then(|| self.clock.now()));
                circle.hear(self, &job, news.is_lost)?;
                if circle.machine.present() == 0 {
                    return Err(gone(number));
                }
            }
            let mut report = circle.close(self, number);
            failed = if report.failed.is_some() { failed + 1 } else { 0 };
            self.close(&mut report, number).await?;
            if failed >= MOST_FAILED {
                let reason = report.failed.unwrap_or_default();
                return Err(Error::Hopeless { failed, reason, round: number + 1 });
            }
            if self.is_enough(&report) {
                break;
            }
        }
        Ok(())
    }
}

fn gone(number: u64) -> Error {
    let reason = "all clients are gone".to_owned();
    Error::Hopeless { failed: 1, reason, round: number + 1 }
}

/// The clients and their gate.
struct Circle {
    with: Neighbours,
    machine: Machine,
    acts: Vec<Act>,
    /// The model that all begin with.
    first: Model,
    /// What was given in rounds that somebody may still need, by client.
    given: BTreeMap<u64, Vec<Option<Model>>>,
    /// Rounds that are not over for all.
    reports: BTreeMap<u64, RoundReport>,
    /// When a client that waits for its neighbours gave.
    waits: Vec<Option<Duration>>,
    left: Vec<bool>,
}

impl Circle {
    fn new(run: &Simulation) -> Result<Self> {
        let (clients, with) = (run.federation.examples.len(), run.settings.neighbours());
        let wrong = |error: syncline_round::Error| Error::Settings(error.to_string());
        Ok(Self {
            with,
            machine: Machine::new(Policy::Gossip { with }, clients).map_err(wrong)?,
            acts: Vec::new(),
            first: Arc::clone(run.server.model()),
            given: BTreeMap::new(),
            reports: BTreeMap::new(),
            waits: vec![None; clients],
            left: vec![false; clients],
        })
    }

    fn begin(&mut self, run: &mut Simulation) -> Result<()> {
        (0..self.left.len()).try_for_each(|client| self.tell(run, Event::Ask(member(client))))
    }

    /// A client has done its part of a round, or was lost.
    fn hear(&mut self, run: &mut Simulation, job: &Job, is_lost: bool) -> Result<()> {
        let (client, round) = (job.task.client, job.task.round);
        let given = if is_lost { None } else { self.taken(run, job)? };
        let report = self.report(run, round);
        report.lost += usize::from(is_lost);
        if is_lost && !matches!(run.ground, Ground::Virtual { .. }) {
            self.left[client] = true;
            self.waits[client] = None;
            return self.tell(run, Event::Leave(member(client)));
        }
        let clients = self.left.len();
        let models = self.given.entry(round).or_insert_with(|| vec![None; clients]);
        models[client] = Some(given.unwrap_or_else(|| Arc::clone(&job.task.model)));
        self.waits[client] = Some(run.clock.now());
        self.tell(run, Event::Give { member: member(client), round: Round::new(round) })?;
        self.tell(run, Event::Ask(member(client)))
    }

    /// The model that a client has come to; nothing where that is made of no numbers.
    fn taken(&mut self, run: &mut Simulation, job: &Job) -> Result<Option<Model>> {
        let task = &job.task;
        let replies = run.ground.replies(std::slice::from_ref(task))?;
        let report = self.report(run, task.round);
        let Some(reply) = replies.into_iter().next() else { return Ok(None) };
        if reply.change.len() != task.model.len() {
            let reason = format!("{} numbers, the model has {}", reply.change.len(), task.model.len());
            return Err(Error::BadAnswer { client: task.client, reason });
        }
        let moved = task.model.iter().zip(&reply.change).map(|(x, d)| (f64::from(*x) + d) as f32);
        let model: Vec<f32> = moved.collect();
        if !model.iter().all(|value| value.is_finite()) {
            report.bad += 1;
            return Ok(None);
        }
        report.counted += 1;
        run.counted_in(task, reply.score);
        Ok(Some(Arc::new(model)))
    }

    /// Tells the gate, and starts those whom it lets go.
    fn tell(&mut self, run: &mut Simulation, event: Event) -> Result<()> {
        let mut acts = std::mem::take(&mut self.acts);
        let told = self.machine.on(Time::from(run.clock.now()), event, &mut acts);
        for act in acts.drain(..) {
            if let Act::Go { member, round } = act {
                self.start(run, member.index(), round.number());
            }
        }
        self.acts = acts;
        match told {
            // Who is gone is gone: the last ones see the run to its end.
            Ok(()) | Err(syncline_round::Error::TooFew { .. }) => Ok(()),
            Err(error) => Err(Error::Settings(error.to_string())),
        }
    }

    /// A client goes on from the mean of its neighbours; after the last round it has done its part.
    fn start(&mut self, run: &mut Simulation, client: usize, round: u64) {
        if let (Some(since), true) = (self.waits[client].take(), round > 0) {
            let (now, whom) = (run.clock.now(), self.last_neighbour(client));
            let seconds = run.books.waited_for_neighbour(round - 1, client, (since, now), whom);
            self.report(run, round - 1).waited_client_seconds += seconds;
        }
        if round >= run.settings.rounds {
            return;
        }
        let model = if round == 0 { Arc::clone(&self.first) } else { self.mean_beside(client, round - 1) };
        self.report(run, round).selected += 1;
        run.give_out_from(client, round, round, model);
    }

    /// Whose model of a round came last, of a client's neighbours: whom it waited for, unless it was itself the last.
    fn last_neighbour(&self, client: usize) -> Option<usize> {
        let beside = self.beside(client).filter_map(|other| Some((self.waits[other]?, other)));
        beside.max().map(|(_, other)| other)
    }

    /// Neighbours that are there.
    fn beside(&self, client: usize) -> impl Iterator<Item = usize> {
        self.with.of(client, self.left.len()).filter(|other| !self.left[*other])
    }

    /// The mean of what a client and its neighbours gave in a round (TALK-1, TALK-2).
    fn mean_beside(&self, client: usize, round: u64) -> Model {
        let Some(models) = self.given.get(&round) else { return Arc::clone(&self.first) };
        let degree = self.beside(client).count();
        let weight_of = |other: usize| 1.0 / (1.0 + degree.max(self.beside(other).count()) as f64);
        let mut weights: Vec<(usize, f64)> = self
            .beside(client)
            .filter(|&other| models[other].is_some())
            .map(|other| (other, weight_of(other)))
            .collect();
        weights.push((client, 1.0 - weights.iter().map(|(_, weight)| weight).sum::<f64>()));
        weights.sort_unstable_by_key(|(other, _)| *other);
        let mut mean = vec![0.0; self.first.len()];
        for (model, weight) in
            weights.iter().filter_map(|(other, weight)| Some((models[*other].as_ref()?, weight)))
        {
            mean.iter_mut().zip(&**model).for_each(|(sum, value)| *sum += weight * f64::from(*value));
        }
        Arc::new(mean.into_iter().map(|value| value as f32).collect())
    }

    fn report(&mut self, run: &Simulation, round: u64) -> &mut RoundReport {
        let start_s = run.clock.now().as_secs_f64();
        self.reports.entry(round).or_insert_with(|| RoundReport {
            round: round + 1,
            start_s,
            ..Default::default()
        })
    }

    /// Whether all who are there have given in a round.
    fn is_over(&self, round: u64) -> bool {
        let is_there = |models: &Vec<Option<Model>>| {
            models.iter().zip(&self.left).all(|(model, has_left)| model.is_some() || *has_left)
        };
        self.given.get(&round).is_some_and(is_there)
    }

    /// What a round came to that is over, whose models the run then has the mean of.
    fn close(&mut self, run: &mut Simulation, round: u64) -> RoundReport {
        let mut report = self.reports.remove(&round).unwrap_or_default();
        let models: Vec<Model> = self
            .given
            .get(&round)
            .map(|models| models.iter().flatten().cloned().collect())
            .unwrap_or_default();
        let (mean, apart) = mean_and_spread(&models);
        report.apart = Some(apart);
        report.end_s = run.clock.now().as_secs_f64();
        report.client_loss = run.first_losses(round);
        if report.counted == 0 {
            report.failed = Some("no client's model was made of numbers".to_owned());
        }
        run.server.put(&mean);
        // Who begins the next round needs these; those before nobody does any more.
        self.given.retain(|other, _| *other >= round);
        report
    }
}

/// The mean of models in their order, and how far they are from it in the mean (root of the mean square), over how long it is.
fn mean_and_spread(models: &[Model]) -> (Vec<f64>, f64) {
    let (length, count) = (models.first().map_or(0, |model| model.len()), models.len() as f64);
    let mut mean = vec![0.0; length];
    for model in models {
        mean.iter_mut().zip(&**model).for_each(|(sum, value)| *sum += f64::from(*value) / count);
    }
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let apart: f64 = models
        .iter()
        .map(|model| square(&mut model.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean)))
        .sum();
    let long = square(&mut mean.iter().copied());
    let spread = if long > 0.0 { (apart / count / long).sqrt() } else { 0.0 };
    (mean, spread)
}

fn member(client: usize) -> Member {
    Member::new(u32::try_from(client).unwrap_or(u32::MAX))
}
