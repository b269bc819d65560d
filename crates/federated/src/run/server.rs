//! What the server does with a round's answers: fold, add noise, step, and account for it.
//!
//! SERVE-1: answers are taken in the order of clients, whatever the order of arrival. SERVE-2: an answer with a number that
//! is none is counted as bad and reaches no sum. A mean is summed as answers come, so that a round of thousands of clients
//! needs no memory for all of them; robust folds have to see all at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_learn::Score;

use super::settings::{NoisePlace, Settings};
use super::strategy::Strategy;
use super::sum::{Dropped, PrivateSum, Summed};
#[cfg(feature = "program")]
use super::sum::{Exchange, Exchanged};
use super::work::{NoiseSource, Reply, Task};
use crate::fold::{Answer, Fold};
use crate::privacy::{Accountant, AdaptiveClip, Mechanism, Orders, split_noise};
use crate::server::{Async, Buffer, ServerState};
use crate::{Error, Result};

/// Answers asked for at once: enough for all cores, few enough for the memory of large models.
const BLOCK: usize = 64;

/// The server's model and what it keeps beside it.
pub(super) struct Server {
    settings: Settings,
    state: State,
    /// What clients are sent, in single precision; made anew after a step.
    sent: Arc<Vec<f32>>,
    control: Option<Vec<f64>>,
    fold: Option<Box<dyn Fold>>,
    privacy: Option<Account>,
    sum: Option<PrivateSum>,
    /// Rows of all clients.
    samples: f64,
    expected: f64,
}

enum State {
    Rounds(ServerState),
    /// A user's own step.
    Own(OwnStep, Vec<f64>),
    Async(Async, Vec<f64>),
    Buffered(Buffer, Vec<f64>),
}

/// What the server does with a round's mean change, in place of a rule: it changes the model.
pub type OwnStep = Box<dyn FnMut(&mut [f64], &[f64]) + Send>;

/// What a user does in place of what settings name.
#[derive(Default)]
pub(super) struct Own {
    pub fold: Option<Box<dyn Fold + Send>>,
    pub step: Option<OwnStep>,
}

/// The account of privacy.
struct Account {
    spent: Accountant,
    clip: AdaptiveClip,
    /// The multiplier of the updates' noise.
    noise: f64,
    source: NoiseSource,
}

/// What came of a fold.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    /// Clients whose answers were refused.
    pub bad: Vec<usize>,
    /// Whose answers were there, and did not get into a secure sum: they were lost on the way.
    pub unheard: Vec<usize>,
    /// Whose answers count.
    pub counted: usize,
    /// What the clients' first passes met.
    pub score: Score,
    /// Bytes of the secure sum's messages: up and down.
    pub secure_bytes: [u64; 2],
    /// Whether the model moved.
    pub moved: bool,
}

/// Answers of tasks, in their order.
pub(super) type Replies<'a> = &'a mut dyn FnMut(&[Task]) -> Result<Vec<Reply>>;

impl Server {
    /// A server before the first round. `noise` is where central noise comes from; `samples` are the clients' rows.
    pub(super) fn new(
        settings: &Settings,
        model: &[f32],
        samples: &[usize],
        noise: NoiseSource,
        own: Own,
    ) -> Result<Self> {
        let wide: Vec<f64> = model.iter().map(|value| f64::from(*value)).collect();
        let parameters = model.len();
        let state = match settings.strategy {
            Strategy::Async => {
                let (alpha, power) = (settings.alpha.unwrap_or(0.6), settings.staleness_power.unwrap_or(0.5));
                State::Async(Async::new(alpha, power)?, wide)
            }
            Strategy::Buffered => {
                let (size, rate) = (settings.buffer.unwrap_or(10), settings.server_rate.unwrap_or(1.0));
                State::Buffered(Buffer::new(size, rate, parameters)?, wide)
            }
            strategy => match own.step {
                Some(step) => State::Own(step, wide),
                None => {
                    let rule = strategy.rule(settings.server_rate, settings.momentum);
                    State::Rounds(ServerState::new(rule, wide)?)
                }
            },
        };
        let is_mean = settings.fold == super::FoldName::Mean;
        let fold: Option<Box<dyn Fold>> = match own.fold {
            Some(fold) => Some(fold),
            None if is_mean => None,
            None => Some(settings.fold.build()?),
        };
        let clients = samples.len();
        let expected = match settings.selection {
            super::Select::Poisson(rate) => rate * clients as f64,
            _ => settings.chosen(clients)? as f64,
        };
        let sum = settings.secure.map(|secure| PrivateSum::new(secure, samples, settings)).transpose()?;
        Ok(Self {
            privacy: Account::new(settings, expected, noise)?,
            settings: settings.clone(),
            state,
            sent: Arc::new(model.to_vec()),
            control: (settings.strategy == Strategy::Scaffold).then(|| vec![0.0; parameters]),
            fold,
            sum,
            samples: samples.iter().sum::<usize>() as f64,
            expected,
        })
    }

    /// What clients are sent now.
    pub(super) fn model(&self) -> &Arc<Vec<f32>> {
        &self.sent
    }

    /// Takes a model that came about elsewhere.
    pub(super) fn put(&mut self, model: &[f64]) {
        self.sent = Arc::new(model.iter().map(|value| *value as f32).collect());
    }

    /// The common control variate, in single precision.
    pub(super) fn control(&self) -> Option<Arc<Vec<f32>>> {
        let control = self.control.as_ref()?;
        Some(Arc::new(control.iter().map(|value| *value as f32).collect()))
    }

    /// The length to which clients clip now.
    pub(super) fn clip(&self) -> Option<f64> {
        self.privacy.as_ref().map(|account| account.clip.length())
    }

    /// Epsilon spent so far.
    pub(super) fn epsilon(&self) -> Result<Option<f64>> {
        let Some((account, privacy)) = self.privacy.as_ref().zip(self.settings.privacy) else {
            return Ok(None);
        };
        account.spent.epsilon(privacy.delta).map(Some)
    }

    /// Folds the answers of a round, of whose clients `dropped` were lost on the way, and steps.
    pub(super) fn fold(
        &mut self,
        tasks: &[Task],
        dropped: Dropped<'_>,
        replies: Replies<'_>,
    ) -> Result<Folded> {
        if self.sum.is_some() {
            return self.fold_unseen(tasks, dropped, replies);
        }
        if self.fold.is_some() {
            return self.fold_robustly(tasks, replies);
        }
        if self.privacy.is_some() {
            return self.fold_privately(tasks, replies);
        }
        let mut sums = Sums::new(self.sent.len(), self.settings.strategy);
        let mut folded = Folded::default();
        self.each(tasks, replies, &mut folded, &mut |reply| sums.add(reply))?;
        let Some(change) = sums.change() else { return Err(nothing(&folded)) };
        if let Some(control) = &mut self.control {
            // c stays the mean of all c_k, weighted by rows as the model's changes are.
            control.iter_mut().zip(&sums.control).for_each(|(c, sum)| *c += sum / self.samples);
        }
        self.step(&change, &mut folded)?;
        Ok(folded)
    }

    /// Hands every usable answer on, in the order of clients.
    fn each(
        &self,
        tasks: &[Task],
        replies: Replies<'_>,
        folded: &mut Folded,
        take: &mut dyn FnMut(Reply),
    ) -> Result<()> {
        for block in tasks.chunks(BLOCK) {
            for reply in replies(block)? {
                if reply.change.len() != self.sent.len() {
                    let reason = format!("{} numbers, the model has {}", reply.change.len(), self.sent.len());
                    return Err(Error::BadAnswer { client: reply.client, reason });
                }
                if !reply.change.iter().all(|value| value.is_finite()) {
                    folded.bad.push(reply.client);
                    continue;
                }
                folded.counted += 1;
                folded.score += reply.score;
                take(reply);
            }
        }
        Ok(())
    }

    fn fold_robustly(&mut self, tasks: &[Task], replies: Replies<'_>) -> Result<Folded> {
        let mut folded = Folded::default();
        let mut answers = Vec::with_capacity(tasks.len());
        self.each(tasks, replies, &mut folded, &mut |reply| {
            answers.push(Answer { client: reply.client, samples: reply.samples, values: reply.change });
        })?;
        if answers.is_empty() {
            return Err(nothing(&folded));
        }
        let Some(fold) = &self.fold else { return Err(nothing(&folded)) };
        let change = fold.fold(&answers)?.values;
        self.step(&change, &mut folded)?;
        Ok(folded)
    }

    /// The sum of clipped changes, all of equal weight, with noise, over the expected number of clients.
    fn fold_privately(&mut self, tasks: &[Task], replies: Replies<'_>) -> Result<Folded> {
        let mut folded = Folded::default();
        let (mut sum, mut short) = (vec![0.0; self.sent.len()], 0usize);
        self.each(tasks, replies, &mut folded, &mut |reply| {
            sum.iter_mut().zip(&reply.change).for_each(|(sum, value)| *sum += value);
            short += usize::from(reply.is_short);
        })?;
        let change = self.released(sum, short)?;
        self.step(&change, &mut folded)?;
        Ok(folded)
    }

    /// The mean change that a private sum lets out, and the price of it.
    fn released(&mut self, sum: Vec<f64>, short: usize) -> Result<Vec<f64>> {
        let expected = self.expected;
        let (Some(account), Some(privacy)) = (&mut self.privacy, self.settings.privacy) else {
            return Ok(sum);
        };
        // With local noise it is in the sum already.
        let noise = if privacy.place == NoisePlace::Central { account.noise } else { 0.0 };
        let mechanism = Mechanism::new(account.clip.length(), noise, expected)?;
        let parameters = sum.len();
        let change = mechanism.release(&[sum], parameters, &mut account.source);
        account.spend(&self.settings, short, expected)?;
        Ok(change)
    }

    /// A sum of which the server sees nothing but the sum.
    fn fold_unseen(&mut self, tasks: &[Task], dropped: Dropped<'_>, replies: Replies<'_>) -> Result<Folded> {
        let mut folded = Folded::default();
        let Some(mut private) = self.sum.take() else { return Err(nothing(&folded)) };
        let mut inputs = Vec::with_capacity(tasks.len());
        let round = dropped.round;
        let given =
            self.each(tasks, replies, &mut folded, &mut |reply| inputs.push(private.input(&reply, round)));
        let summed = given.and_then(|()| private.sum(inputs, dropped, self.sent.len()));
        self.sum = Some(private);
        self.step_by_sum(summed?, folded)
    }

    /// A secure sum of clients that are elsewhere: their changes stay with them.
    #[cfg(feature = "program")]
    pub(super) fn open_sum(&self, with_input: &[usize], dropped: Dropped<'_>) -> Result<Exchange> {
        let sum = self.sum.as_ref().ok_or_else(|| nothing(&Folded::default()))?;
        sum.open(with_input, dropped, self.sent.len())
    }

    /// Steps by what such a sum came to.
    #[cfg(feature = "program")]
    pub(super) fn take_sum(&mut self, exchanged: &Exchanged, folded: Folded) -> Result<Folded> {
        let sum = self.sum.as_ref().ok_or_else(|| nothing(&folded))?;
        self.step_by_sum(sum.summed(exchanged)?, folded)
    }

    fn step_by_sum(&mut self, summed: Summed, mut folded: Folded) -> Result<Folded> {
        folded.secure_bytes = summed.bytes;
        let change = match self.privacy {
            Some(_) => self.released(summed.values, 0)?,
            None => summed.values.iter().map(|value| value / summed.weight).collect(),
        };
        self.step(&change, &mut folded)?;
        Ok(folded)
    }

    /// Without rounds: one answer, as old as it is.
    pub(super) fn take(&mut self, task: &Task, reply: Reply, staleness: u64) -> Result<Folded> {
        let mut folded = Folded { score: reply.score, ..Folded::default() };
        if !reply.change.iter().all(|value| value.is_finite()) {
            folded.bad.push(reply.client);
            return Ok(folded);
        }
        folded.counted = 1;
        folded.moved = match &mut self.state {
            State::Async(rule, model) => {
                let pulled = task.model.iter().zip(&reply.change);
                let answer: Vec<f64> = pulled.map(|(x, d)| f64::from(*x) + d).collect();
                rule.apply(model, &answer, staleness);
                true
            }
            State::Buffered(buffer, model) => buffer.push(model, &reply.change, staleness),
            State::Rounds(_) | State::Own(..) => false,
        };
        if folded.moved {
            self.refresh();
        }
        Ok(folded)
    }

    fn step(&mut self, change: &[f64], folded: &mut Folded) -> Result<()> {
        match &mut self.state {
            State::Rounds(state) => state.apply(change)?,
            State::Own(step, model) => step(model, change),
            State::Async(..) | State::Buffered(..) => {}
        }
        folded.moved = true;
        self.refresh();
        Ok(())
    }

    fn refresh(&mut self) {
        let model = match &self.state {
            State::Rounds(state) => state.model(),
            State::Own(_, model) | State::Async(_, model) | State::Buffered(_, model) => model,
        };
        self.sent = Arc::new(model.iter().map(|value| *value as f32).collect());
    }
}

fn nothing(folded: &Folded) -> Error {
    Error::NoAnswers { heard: folded.counted + folded.bad.len(), bad: folded.bad.len() }
}

impl Account {
    fn new(settings: &Settings, expected: f64, source: NoiseSource) -> Result<Option<Self>> {
        let Some(privacy) = settings.privacy else { return Ok(None) };
        let clip = AdaptiveClip::new(privacy.clip, 0.2, 0.5)?;
        let noise = if privacy.adaptive {
            split_noise(privacy.noise, expected.round() as usize)?
        } else {
            privacy.noise
        };
        Ok(Some(Self { spent: Accountant::new(Orders::All), clip, noise, source }))
    }

    fn spend(&mut self, settings: &Settings, short: usize, expected: f64) -> Result<()> {
        let Some(privacy) = settings.privacy else { return Ok(()) };
        self.spent.add(settings.sampling_rate(), privacy.noise, 1)?;
        if privacy.adaptive {
            use rand::RngExt;
            let noise: f64 = self.source.sample(rand_distr::StandardNormal);
            self.clip.follow((short as f64 + expected / 20.0 * noise) / expected);
        }
        Ok(())
    }
}

/// The sums of a mean.
struct Sums {
    change: Vec<f64>,
    control: Vec<f64>,
    weight: f64,
    /// Sum of weight x steps, for FedNova.
    steps: f64,
    strategy: Strategy,
}

impl Sums {
    fn new(parameters: usize, strategy: Strategy) -> Self {
        let control = if strategy == Strategy::Scaffold { vec![0.0; parameters] } else { Vec::new() };
        Self { change: vec![0.0; parameters], control, weight: 0.0, steps: 0.0, strategy }
    }

    fn add(&mut self, reply: Reply) {
        let weight = reply.samples;
        self.weight += weight;
        self.steps += weight * reply.steps as f64;
        // FedNova: (sum of p_k tau_k) x sum of p_k (y_k - x) / tau_k.
        let of_change = match self.strategy {
            Strategy::Nova => weight / reply.steps.max(1) as f64,
            _ => weight,
        };
        self.change.iter_mut().zip(&reply.change).for_each(|(sum, value)| *sum += of_change * value);
        if let Some(control) = &reply.control {
            self.control.iter_mut().zip(control).for_each(|(sum, value)| *sum += weight * value);
        }
    }

    /// The mean change; nothing of nobody.
    fn change(&self) -> Option<Vec<f64>> {
        if self.weight <= 0.0 {
            return None;
        }
        let scale = match self.strategy {
            Strategy::Nova => self.steps / self.weight / self.weight,
            _ => 1.0 / self.weight,
        };
        Some(self.change.iter().map(|sum| scale * sum).collect())
    }
}

/// Clients that are not among those whose answers count.
pub(super) fn others(all: &[usize], counted: &[Task]) -> Vec<usize> {
    let counted: BTreeSet<usize> = counted.iter().map(|task| task.client).collect();
    all.iter().copied().filter(|client| !counted.contains(client)).collect()
}
