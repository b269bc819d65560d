//! What a client does in a round: local steps on its own rows from the server's model, and what it sends of the result.
//!
//! WORK-1: an answer depends on the task, the client's rows and its own state, and on nothing else: neither on who computes
//! it nor on when. So a simulation computes answers when they are folded, and only those that are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::StandardNormal;
use syncline_data::Dataset;
use syncline_learn::{Model, Score};

use super::device::stream;
use super::edges::{Edges, Mean};
use super::own::{Asked, Evaluated, OwnClients, evaluated, fitted};
use super::settings::{Lie, NoisePlace, Settings};
use crate::Result;
use crate::compress::TopK;
use crate::privacy::Mechanism;

/// What the server sends a client.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub client: usize,
    /// The number of the round, or without rounds of the model.
    pub round: u64,
    pub model: Arc<Vec<f32>>,
    /// The common control variate of SCAFFOLD.
    pub control: Option<Arc<Vec<f32>>>,
    /// Local steps to make.
    pub steps: usize,
    /// Length to which the change is clipped.
    pub clip: Option<f64>,
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub client: usize,
    pub samples: f64,
    pub steps: usize,
    /// Its model less the server's.
    pub change: Vec<f64>,
    /// How its control variate has changed.
    pub control: Option<Vec<f64>>,
    /// Whether its change was no longer than the clip.
    pub is_short: bool,
    /// The rows that it went through first, with their losses as it met them.
    pub score: Score,
}

/// What a client keeps between its rounds.
#[derive(Debug, Default)]
struct Kept {
    control: Option<Vec<f32>>,
    residual: Option<TopK>,
}

/// All clients' rows, and what clients keep: only those have something who were in a round that counted.
pub(super) struct Workshop {
    data: Arc<Dataset>,
    rows: Arc<Vec<Vec<u32>>>,
    own: Option<Arc<dyn OwnClients>>,
    settings: Settings,
    benches: Vec<Bench>,
    kept: BTreeMap<usize, Kept>,
    liars: Vec<usize>,
    noise: NoiseSource,
}

/// Where the noise of privacy comes from.
pub(super) type NoiseSource = rand::rngs::StdRng;

/// What one thread computes with.
struct Bench {
    model: Box<dyn Model>,
    batch: Dataset,
    gradient: Vec<f32>,
}

impl Bench {
    fn new(model: &dyn Model, data: &Dataset) -> Self {
        let gradient = vec![0.0; model.parameters()];
        Self { model: model.boxed_clone(), batch: data.select(&[]), gradient }
    }
}

impl Workshop {
    pub(super) fn new(
        model: &dyn Model,
        data: Arc<Dataset>,
        rows: Arc<Vec<Vec<u32>>>,
        settings: Settings,
        noise: NoiseSource,
    ) -> Self {
        let benches = (0..settings.threads.max(1)).map(|_| Bench::new(model, &data)).collect();
        let liars = liars(&settings, settings.units(rows.len()));
        Self { data, rows, own: None, settings, benches, kept: BTreeMap::new(), liars, noise }
    }

    /// Has these clients do the work, in place of the model.
    pub(super) fn of_own(self, own: Option<Arc<dyn OwnClients>>) -> Self {
        Self { own, ..self }
    }

    /// What each of a user's own clients finds of a model; nothing of those that do not say.
    pub(super) fn evaluate(&self, parameters: &[f32]) -> Result<Vec<Option<Evaluated>>> {
        let Some(own) = &self.own else { return Ok(Vec::new()) };
        (0..own.count()).map(|client| evaluated(&**own, client, parameters)).collect()
    }

    /// The answers of some tasks, of different clients, in their order.
    pub(super) fn replies(&mut self, tasks: &[Task]) -> Result<Vec<Reply>> {
        let mut kept: Vec<Kept> =
            tasks.iter().map(|task| self.kept.remove(&task.client).unwrap_or_default()).collect();
        let each = tasks.len().div_ceil(self.benches.len()).max(1);
        let (data, rows, settings) = (&*self.data, &*self.rows, &self.settings);
        let own = self.own.as_deref();
        let parts = tasks.chunks(each).zip(kept.chunks_mut(each)).zip(&mut self.benches);
        let done: Vec<Result<Vec<Reply>>> = std::thread::scope(|scope| {
            let run = |((tasks, kept), bench): ((&[Task], &mut [Kept]), &mut Bench)| {
                let each = tasks.iter().zip(kept);
                each.map(|(task, kept)| match own {
                    Some(own) => work_of_own(own, settings, task, kept),
                    None => match settings.edges {
                        Some(edges) => work_at_edge(bench, data, rows, settings, edges, task, kept),
                        None => work(bench, data, &rows[task.client], settings, task, kept),
                    },
                })
                .collect()
            };
            let mut parts: Vec<_> = parts.collect();
            // The last part is done here: one part needs no thread.
            let last = parts.pop();
            let started: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || run(part))).collect();
            let last = last.map(run);
            let joined = started.into_iter().map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.chain(last).collect()
        });
        let mut replies = done.into_iter().collect::<Result<Vec<_>>>()?.concat();
        // A client keeps nothing where nothing is to be kept, so that many clients cost no memory.
        for (task, kept) in tasks.iter().zip(kept) {
            if kept.control.is_some() || kept.residual.is_some() {
                self.kept.insert(task.client, kept);
            }
        }
        self.lie(tasks, &mut replies);
        self.add_noise(tasks, &mut replies)?;
        Ok(replies)
    }

    fn lie(&self, tasks: &[Task], replies: &mut [Reply]) {
        let Some(liars) = self.settings.liars else { return };
        for (task, reply) in tasks.iter().zip(replies) {
            if self.liars.binary_search(&task.client).is_err() {
                continue;
            }
            let mut rng = stream(self.settings.seed ^ 0x11e5, task.client, task.round);
            for value in &mut reply.change {
                *value = match liars.lie {
                    Lie::Scale(factor) => factor * *value,
                    Lie::Noise(deviation) => deviation * rng.sample::<f64, _>(StandardNormal),
                    Lie::Constant(constant) => constant,
                };
            }
        }
    }

    /// Local privacy: each client's own noise, of the whole deviation, on its clipped change.
    fn add_noise(&mut self, tasks: &[Task], replies: &mut [Reply]) -> Result<()> {
        let Some(privacy) = self.settings.privacy.filter(|privacy| privacy.place == NoisePlace::Local) else {
            return Ok(());
        };
        for (task, reply) in tasks.iter().zip(replies) {
            let mechanism = Mechanism::new(task.clip.unwrap_or(privacy.clip), privacy.noise, 1.0)?;
            let length = reply.change.len();
            let clipped = std::mem::take(&mut reply.change);
            reply.change = mechanism.release(&[clipped], length, &mut self.noise);
        }
        Ok(())
    }
}

/// The clients that lie, in increasing order.
fn liars(settings: &Settings, clients: usize) -> Vec<usize> {
    let Some(liars) = settings.liars else { return Vec::new() };
    let mut drawn = syncline_data::permutation(clients, settings.seed ^ 0x11a5);
    drawn.truncate(liars.count);
    drawn.sort_unstable();
    drawn
}

/// Local steps of all passes over so many rows.
pub(super) fn all_steps(settings: &Settings, rows: usize) -> usize {
    settings.epochs * rows.div_ceil(settings.batch.unwrap_or(rows).max(1)).max(1)
}

fn work(
    bench: &mut Bench,
    data: &Dataset,
    rows: &[u32],
    settings: &Settings,
    task: &Task,
    kept: &mut Kept,
) -> Result<Reply> {
    let mut rng = stream(settings.seed, task.client, task.round + 1);
    let corrections = corrections(task, kept);
    let (model, score) = steps(bench, data, rows, settings, task, corrections.as_deref(), &mut rng);
    let control = task.control.as_ref().map(|common| new_control(settings, task, common, &model, kept));
    let reply = sent(settings, task, &model, kept, &mut rng)?;
    Ok(Reply { samples: rows.len() as f64, control, score, ..reply })
}

/// What an edge does: some rounds among its own clients.
fn work_at_edge(
    bench: &mut Bench,
    data: &Dataset,
    rows: &[Vec<u32>],
    settings: &Settings,
    edges: Edges,
    task: &Task,
    kept: &mut Kept,
) -> Result<Reply> {
    let (mut model, mut score, mut samples) = (task.model.to_vec(), Score::default(), 0.0);
    for inner in 0..edges.rounds {
        let number = edges.number(task.round, inner);
        let mut mean = Mean::of(model);
        for client in edges.clients(task.client, rows.len()) {
            let rows = &rows[client];
            let of_client = Task {
                client,
                round: number,
                model: Arc::new(mean.from().to_vec()),
                control: None,
                steps: all_steps(settings, rows.len()),
                clip: None,
            };
            let mut rng = stream(settings.seed, client, number + 1);
            let (come_to, met) = steps(bench, data, rows, settings, &of_client, None, &mut rng);
            mean.add(&come_to, rows.len() as f64);
            if inner == 0 {
                score += met;
            }
        }
        samples = mean.weight;
        model = mean.model();
    }
    let mut rng = stream(settings.seed ^ 0xed6e, task.client, task.round + 1);
    let reply = sent(settings, task, &model, kept, &mut rng)?;
    Ok(Reply { samples, score, ..reply })
}

/// What a user's own client does: where the model is, and what it takes for that, is its own matter.
fn work_of_own(own: &dyn OwnClients, settings: &Settings, task: &Task, kept: &mut Kept) -> Result<Reply> {
    let mut rng = stream(settings.seed, task.client, task.round + 1);
    let asked = Asked { round: task.round + 1, mu: settings.mu() };
    let fitted = fitted(own, task.client, &task.model, asked)?;
    let reply = sent(settings, task, &fitted.parameters, kept, &mut rng)?;
    Ok(Reply { samples: fitted.examples, score: fitted.score(), ..reply })
}

/// What a client sends of the model that it has come to.
fn sent(
    settings: &Settings,
    task: &Task,
    model: &[f32],
    kept: &mut Kept,
    rng: &mut rand::rngs::Xoshiro256PlusPlus,
) -> Result<Reply> {
    let mut change: Vec<f64> =
        model.iter().zip(&*task.model).map(|(y, x)| f64::from(*y) - f64::from(*x)).collect();
    let is_short = match task.clip {
        Some(clip) => Mechanism::new(clip, 0.0, 1.0)?.clip(&mut change),
        None => true,
    };
    settings.compression.send(&mut change, &mut kept.residual, rng)?;
    let (client, steps, score) = (task.client, task.steps, Score::default());
    Ok(Reply { client, samples: 0.0, steps, change, control: None, is_short, score })
}

/// SCAFFOLD adds c - c_k to each gradient.
fn corrections(task: &Task, kept: &Kept) -> Option<Vec<f32>> {
    let common = task.control.as_ref()?;
    Some(match &kept.control {
        Some(own) => common.iter().zip(own).map(|(common, own)| common - own).collect(),
        None => common.to_vec(),
    })
}

/// c_k' = c_k - c + (x - y) / (K eta); the change of it is sent.
fn new_control(settings: &Settings, task: &Task, common: &[f32], model: &[f32], kept: &mut Kept) -> Vec<f64> {
    let travelled = settings.rate * task.steps as f64;
    let own = kept.control.get_or_insert_with(|| vec![0.0; model.len()]);
    let moved = task.model.iter().zip(model).zip(common);
    let change: Vec<f64> =
        moved.map(|((x, y), c)| (f64::from(*x) - f64::from(*y)) / travelled - f64::from(*c)).collect();
    own.iter_mut().zip(&change).for_each(|(own, change)| *own += *change as f32);
    change
}

/// The client's model after its steps, and what its first pass met.
fn steps(
    bench: &mut Bench,
    data: &Dataset,
    rows: &[u32],
    settings: &Settings,
    task: &Task,
    corrections: Option<&[f32]>,
    rng: &mut rand::rngs::Xoshiro256PlusPlus,
) -> (Vec<f32>, Score) {
    let mut model = task.model.to_vec();
    let (rate, mu) = (settings.rate as f32, settings.mu() as f32);
    let batch = settings.batch.unwrap_or(rows.len()).max(1);
    let mut order: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
    let (mut done, mut first) = (0, Score::default());
    while done < task.steps && !order.is_empty() {
        order.shuffle(rng);
        let is_first = done == 0;
        for rows in order.chunks(batch).take(task.steps - done) {
            data.gather(rows, &mut bench.batch);
            bench.model.reseed(rng.random());
            let seen = bench.batch.batch(0..bench.batch.rows());
            let score = bench.model.gradient(&model, &seen, &mut bench.gradient);
            if is_first {
                first += score;
            }
            step(&mut model, &task.model, &bench.gradient, corrections, rate, mu);
            done += 1;
        }
    }
    (model, first)
}

/// y -= rate (g + mu (y - x) + correction).
fn step(
    model: &mut [f32],
    server: &[f32],
    gradient: &[f32],
    corrections: Option<&[f32]>,
    rate: f32,
    mu: f32,
) {
    if mu == 0.0 {
        model.iter_mut().zip(gradient).for_each(|(y, g)| *y -= rate * g);
    } else {
        for ((y, g), x) in model.iter_mut().zip(gradient).zip(server) {
            *y -= rate * (g + mu * (*y - x));
        }
    }
    if let Some(corrections) = corrections {
        model.iter_mut().zip(corrections).for_each(|(y, correction)| *y -= rate * correction);
    }
}
