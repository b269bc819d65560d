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
//!
//! Where [groups](groups) step by themselves, ALL-1 holds within a group, and ALL-2 for the rounds in which they exchange.

mod accord;
mod groups;
mod mail;
mod weighting;

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use syncline_program::Context;
use syncline_round::{Member, Move, fold};
use syncline_wire::{Pool, Tensor};

pub(crate) use accord::{Arrival, Heard, Next, Wishes};
pub(crate) use groups::Groups;
pub(crate) use mail::{Handed, Key, Mail, Summand};
pub(crate) use weighting::Weighting;

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
    /// What is done for the sum of a round's gradients.
    moves: Vec<Move>,
    /// Which parameters each part has.
    cuts: Vec<Range<usize>>,
    weighting: Weighting,
    /// Where groups step by themselves.
    groups: Option<Groups>,
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
    /// Those of the worker of `ctx`, whose own parameters `own` holds; `groups` where they step by themselves.
    pub(crate) fn new(
        ctx: &Context,
        own: &Arc<Server>,
        ways: Vec<Option<Way>>,
        weighting: Weighting,
        groups: Option<Groups>,
    ) -> Self {
        let moves = own.mail().map(|mail| mail.moves(groups.is_some())).unwrap_or_default();
        let cuts = own.mail().map(Mail::cuts).unwrap_or_default();
        let parameters = cuts.last().map_or(0, |last| last.end);
        Self {
            ctx: ctx.clone(),
            rank: ctx.rank() as u32,
            own: Arc::clone(own),
            ways,
            moves,
            cuts,
            weighting,
            groups,
            pool: Pool::new(parameters * size_of::<f32>() * BUFFERS),
            history: 0,
            begun: None,
        }
    }

    /// Whether all workers live in this process.
    pub(crate) fn are_local(&self) -> bool {
        self.ways.iter().flatten().all(Way::is_local)
    }

    /// Takes in the batches of all workers from an epoch on.
    pub(crate) fn deal(&mut self, epoch: u64, batches: Vec<Batches>) {
        self.weighting.deal(epoch, batches);
    }

    /// Takes in which history the run is in; what was begun before is given up.
    pub(crate) fn take_up(&mut self, history: u32) {
        if let Some(groups) = self.groups.as_mut().filter(|_| history != self.history) {
            groups.give_up();
        }
        self.history = history;
        self.begun = None;
    }

    /// Bytes of values that the sums of a round send from here.
    pub(crate) fn sent_bytes(&self, round: u64) -> u64 {
        let across = self.groups.as_ref().map_or(&[][..], |groups| groups.moves_after(round));
        let sent = self.moves.iter().chain(across).filter_map(|step| match step {
            Move::Send { part, .. } => Some(bytes(&self.cuts[*part])),
            _ => None,
        });
        sent.sum()
    }

    /// Begins the sum of a round with this worker's gradient, which may have no values.
    pub(crate) fn begin(&mut self, round: u64, gradient: &Values, position: Position) {
        let among = match &self.groups {
            Some(groups) => groups.own(),
            None => 0..self.ways.len(),
        };
        let (weight, samples) = self.weighting.of(self.rank, round, among);
        let all = 0..self.cuts.last().map_or(0, |last| last.end);
        let dense = (weight != 0.0).then(|| gradient.dense(&all));
        let parts = self.parts(dense.as_deref().map(|dense| (dense, weight)));
        self.begun = Some(Begun { round, samples, parts, position });
    }

    /// Values times a weight, cut in parts; nothing counts as zeros.
    fn parts(&self, weighted: Option<(&[f32], f32)>) -> Vec<Tensor<f32>> {
        let part = |cut: &Range<usize>| {
            let mut part = self.pool.take(cut.len());
            // A buffer just taken has no other owner.
            let values = part.get_mut().unwrap_or_default();
            match weighted {
                Some((all, weight)) => {
                    let weighted = all[cut.clone()].iter().map(|value| weight * value);
                    values.iter_mut().zip(weighted).for_each(|(value, weighted)| *value = weighted);
                }
                // The zero that changes no bit of what it is added to.
                None => values.fill(-0.0),
            }
            part
        };
        self.cuts.iter().map(part).collect()
    }

    /// Ends the sum of the round that was begun, if one was, and takes in what was agreed on.
    pub(crate) async fn finish(&mut self) -> Result<Option<Summed>, Halt> {
        let Some(Begun { round, samples, parts, position }) = self.begun.take() else { return Ok(None) };
        let began = self.ctx.clock().now();
        let decides = self.rank == 0 && self.groups.is_none();
        let mut heard = Heard {
            next: decides.then(|| self.own.next_after(round)),
            last: Arrival { at: began, worker: self.rank },
        };
        let (parts, received) = self.sum((round, Summand::Gradients), &self.moves, parts, &mut heard).await?;
        let held = heard.last.at.min(self.ctx.clock().now()).saturating_sub(began);
        let exchanges =
            self.groups.as_mut().is_some_and(|groups| groups.stepped(round, began, held, heard.last));
        if exchanges {
            self.own.awaits_exchange(self.history);
        } else {
            self.end(round, &heard)?;
        }
        let gradient = Gradient { samples, values: Values::Dense(self.joined(parts)) };
        Ok(Some(Summed { round, gradient, position, held, received }))
    }

    /// The sums of a round are there. By now the first worker has been heard (SUM-3); what it said in a history that has been
    /// given up meanwhile counts no more.
    fn end(&self, round: u64, heard: &Heard) -> Result<(), Halt> {
        if let Some(mail) = self.own.mail() {
            mail.forget(self.history, round);
        }
        let next = heard.next.unwrap_or_default();
        match self.own.agree(self.history, round, next, heard.last.worker) {
            true => Ok(()),
            false => Err(Halt::Anew),
        }
    }

    /// Does these moves with the parts of a vector; gives the sum, and how many bytes came.
    async fn sum(
        &self,
        (round, of): (u64, Summand),
        moves: &[Move],
        mut parts: Vec<Tensor<f32>>,
        heard: &mut Heard,
    ) -> Result<(Vec<Tensor<f32>>, u64), Halt> {
        let key = |from: Member, part: usize, whole: bool| Key {
            round,
            of,
            from: from.index() as u32,
            part: part as u32,
            whole,
        };
        let mut received = 0;
        let mut sends = Sends::new();
        for step in moves {
            match *step {
                Move::Send { to, part, whole } => {
                    let values = parts[part].clone();
                    let handed = Handed {
                        history: self.history,
                        key: key(Member::new(self.rank), part, whole),
                        heard: *heard,
                        values,
                    };
                    sends.push(Box::pin(self.send(to, handed)));
                }
                Move::Add { from, part } => {
                    let came = self.receive(key(from, part, false), heard, &mut sends).await?;
                    received += bytes(&self.cuts[part]);
                    self.add(&mut parts[part], &came);
                }
                Move::Take { from, part } => {
                    parts[part] = self.receive(key(from, part, true), heard, &mut sends).await?;
                    received += bytes(&self.cuts[part]);
                }
                Move::Fold { part } => {
                    let mut came = Vec::new();
                    for from in (0..self.ways.len() as u32).filter(|from| *from != self.rank) {
                        let from = Member::new(from);
                        came.push(self.receive(key(from, part, false), heard, &mut sends).await?);
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
        Ok((parts, received))
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
