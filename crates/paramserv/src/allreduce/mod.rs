//! Training without servers: each worker holds all parameters and what the optimiser remembers, the workers sum their
//! gradients among themselves, and each takes the same step.
//!
//! A worker's node is the [`Server`] of all parameters for that worker alone, called without a message in between. What is new is
//! where its gradients come from: a worker's push only begins the sum of a round, and its next pull ends it, as
//! [`Collective`](syncline_round::Collective) says who hands what to whom. The sum is then handed to the worker's own server, which
//! steps, keeps the books and can be saved, as any other.
//!
//! - ALL-1: in each round all replicas step along the same bits, and so are the same; the same run gives them on every
//!   executor. Gradients are weighted before they are summed, by rows that everybody can count for everybody.
//! - ALL-2: whether a next round is begun the first worker alone [decides](accord), and all hear of it within the sum: so nobody
//!   waits for the part of somebody who does not begin.
//! - ALL-3: what is of a history that was given up is not taken into a sum.

mod accord;
mod mail;

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use syncline_program::Context;
use syncline_round::{Fold, Member, Move, fold};
use syncline_wire::{Pool, Tensor};

pub(crate) use accord::{Arrival, Heard, Next, Wishes};
pub(crate) use mail::{Handed, Key, Mail};

use crate::{
    Error,
    batches::Batches,
    exchange::Halt,
    gradient::{Gradient, Values},
    protocol::{Position, ShardClient},
    server::Server,
    way::Way,
};

/// Vectors of all parameters that a worker's buffers take: its parts, what it has sent of those of the round before, a sum.
const BUFFERS: usize = 4;

/// The other workers, as one sees them.
pub(crate) struct Peers {
    ctx: Context,
    rank: u32,
    own: Arc<Server>,
    /// The ways to all, by worker; nothing for its own.
    ways: Vec<Option<Way>>,
    moves: Vec<Move>,
    /// Which parameters each part has.
    cuts: Vec<Range<usize>>,
    weighting: Weighting,
    pool: Pool<f32>,
    history: u32,
    begun: Option<Begun>,
}

/// A round whose sum is still to come.
struct Begun {
    round: u64,
    /// Samples of all.
    samples: u64,
    parts: Vec<Tensor<f32>>,
    position: Position,
}

/// By what a worker's gradients count: everybody knows how many rows each has in a round.
pub(crate) struct Weighting {
    pub fold: Fold,
    /// By worker.
    pub batches: Vec<Batches>,
    /// Samples of all workers' full round; 0 where rounds are not shortened.
    pub full: u64,
    pub rounds_per_epoch: u64,
}

impl Weighting {
    /// The weight of a worker's gradient in a round, and the samples of all.
    fn of(&self, worker: u32, round: u64) -> (f32, u64) {
        let rows = |batches: &Batches| batches.round(round % self.rounds_per_epoch).len() as u64;
        let samples: Vec<u64> = self.batches.iter().map(rows).collect();
        let weights = self.fold.weights(&samples, self.full);
        (weights.get(worker as usize).copied().unwrap_or_default(), samples.iter().sum())
    }
}

/// A round that is summed.
pub(crate) struct Summed {
    pub round: u64,
    pub gradient: Gradient,
    pub position: Position,
    /// How long the last of all let this worker wait.
    pub held: Duration,
    pub received: u64,
}

/// Messages on their way.
type Sends<'a> = FuturesUnordered<futures_util::future::LocalBoxFuture<'a, Result<(), Error>>>;

impl Peers {
    /// Those of the worker of `ctx`, whose own parameters `own` holds.
    pub(crate) fn new(
        ctx: &Context,
        own: &Arc<Server>,
        ways: Vec<Option<Way>>,
        weighting: Weighting,
    ) -> Self {
        let (moves, cuts) = own.mail().map(Mail::plan).unwrap_or_default();
        let parameters = cuts.last().map_or(0, |last| last.end);
        Self {
            ctx: ctx.clone(),
            rank: ctx.rank() as u32,
            own: Arc::clone(own),
            ways,
            moves,
            cuts,
            weighting,
            pool: Pool::new(parameters * size_of::<f32>() * BUFFERS),
            history: 0,
            begun: None,
        }
    }

    /// Whether all workers live in this process.
    pub(crate) fn are_local(&self) -> bool {
        self.ways.iter().flatten().all(Way::is_local)
    }

    /// Takes in which history the run is in; what was begun before is given up.
    pub(crate) fn take_up(&mut self, history: u32) {
        self.history = history;
        self.begun = None;
    }

    /// Bytes of values that the sum of a round sends from here.
    pub(crate) fn sent_bytes(&self) -> u64 {
        let sent = self.moves.iter().filter_map(|step| match step {
            Move::Send { part, .. } => Some(bytes(&self.cuts[*part])),
            _ => None,
        });
        sent.sum()
    }

    /// Begins the sum of a round with this worker's gradient, which may have no values.
    pub(crate) fn begin(&mut self, round: u64, gradient: &Values, position: Position) {
        let (weight, samples) = self.weighting.of(self.rank, round);
        let all = 0..self.cuts.last().map_or(0, |last| last.end);
        let dense = (weight != 0.0).then(|| gradient.dense(&all));
        let part = |cut: &Range<usize>| {
            let mut part = self.pool.take(cut.len());
            // A buffer just taken has no other owner.
            let values = part.get_mut().unwrap_or_default();
            match &dense {
                Some(dense) => {
                    let weighted = dense[cut.clone()].iter().map(|value| weight * value);
                    values.iter_mut().zip(weighted).for_each(|(value, weighted)| *value = weighted);
                }
                // The zero that changes no bit of what it is added to.
                None => values.fill(-0.0),
            }
            part
        };
        let parts = self.cuts.iter().map(part).collect();
        self.begun = Some(Begun { round, samples, parts, position });
    }

    /// Ends the sum of the round that was begun, if one was, and takes in what was agreed on.
    pub(crate) async fn finish(&mut self) -> Result<Option<Summed>, Halt> {
        let Some(Begun { round, samples, mut parts, position }) = self.begun.take() else { return Ok(None) };
        let began = self.ctx.clock().now();
        let mut heard = Heard {
            next: (self.rank == 0).then(|| self.own.next_after(round)),
            last: Arrival { at: began, worker: self.rank },
        };
        let key = |from: Member, part: usize, whole: bool| Key {
            round,
            from: from.index() as u32,
            part: part as u32,
            whole,
        };
        let mut received = 0;
        let mut sends = Sends::new();
        for step in &self.moves {
            match *step {
                Move::Send { to, part, whole } => {
                    let values = parts[part].clone();
                    let handed = Handed {
                        history: self.history,
                        key: key(Member::new(self.rank), part, whole),
                        heard,
                        values,
                    };
                    sends.push(Box::pin(self.send(to, handed)));
                }
                Move::Add { from, part } => {
                    let came = self.receive(key(from, part, false), &mut heard, &mut sends).await?;
                    received += bytes(&self.cuts[part]);
                    self.add(&mut parts[part], &came);
                }
                Move::Take { from, part } => {
                    parts[part] = self.receive(key(from, part, true), &mut heard, &mut sends).await?;
                    received += bytes(&self.cuts[part]);
                }
                Move::Fold { part } => {
                    let mut came = Vec::new();
                    for from in (0..self.ways.len() as u32).filter(|from| *from != self.rank) {
                        let from = Member::new(from);
                        came.push(self.receive(key(from, part, false), &mut heard, &mut sends).await?);
                        received += bytes(&self.cuts[part]);
                    }
                    came.insert(self.rank as usize, parts[part].clone());
                    parts[part] = self.folded(&came);
                }
            }
        }
        while let Some(sent) = sends.next().await {
            sent?;
        }
        drop(sends);
        let held = heard.last.at.min(self.ctx.clock().now()).saturating_sub(began);
        if let Some(mail) = self.own.mail() {
            mail.forget(self.history, round);
        }
        // By now the first worker has been heard (SUM-3).
        self.own.agree(round, heard.next.unwrap_or_default(), heard.last.worker);
        let gradient = Gradient { samples, values: Values::Dense(self.joined(parts)) };
        Ok(Some(Summed { round, gradient, position, held, received }))
    }

    /// Hands a part to another worker.
    async fn send(&self, to: Member, handed: Handed) -> Result<(), Error> {
        match &self.ways[to.index()] {
            Some(way) => way.ask(async |client| client.hand(handed).await).await,
            None => unreachable!("nobody sends to itself"),
        }
    }

    /// Waits for a part from another worker, while what was sent goes its way.
    async fn receive(&self, key: Key, heard: &mut Heard, sends: &mut Sends<'_>) -> Result<Tensor<f32>, Halt> {
        let Some(mail) = self.own.mail() else { return Err(Halt::Anew) };
        let gate = || ("allreduce".to_owned(), vec![format!("worker/{}", key.from)]);
        let came = self.ctx.wait_at(gate, mail.take(self.history, key));
        tokio::pin!(came);
        loop {
            tokio::select! {
                biased;
                came = &mut came => {
                    let handed = came.ok_or(Halt::Anew)?;
                    heard.hear(&handed.heard);
                    return Ok(handed.values);
                }
                Some(sent) = sends.next(), if !sends.is_empty() => sent?,
            }
        }
    }

    /// Adds what came to a part. What has been sent of it is another's to read.
    fn add(&self, part: &mut Tensor<f32>, came: &[f32]) {
        match part.get_mut() {
            Some(own) => own.iter_mut().zip(came).for_each(|(own, came)| *own += came),
            None => *part = self.folded(&[part.clone(), came.to_vec().into()]),
        }
    }

    /// The sum of these, in order.
    fn folded(&self, all: &[Tensor<f32>]) -> Tensor<f32> {
        let mut sum = self.pool.take(all.first().map_or(0, |first| first.len()));
        let all: Vec<_> = all.iter().map(|values| (&values[..], 1.0)).collect();
        fold(sum.get_mut().unwrap_or_default(), &all);
        sum
    }

    /// All parts as one vector.
    fn joined(&self, mut parts: Vec<Tensor<f32>>) -> Tensor<f32> {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut all = self.pool.take(self.cuts.last().map_or(0, |last| last.end));
        let values = all.get_mut().unwrap_or_default();
        for (cut, part) in self.cuts.iter().zip(&parts) {
            values[cut.clone()].copy_from_slice(part);
        }
        all
    }
}

/// Bytes of so many values.
fn bytes(cut: &Range<usize>) -> u64 {
    (cut.len() * size_of::<f32>()) as u64
}
