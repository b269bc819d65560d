//! What others hand over before its worker has come so far.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use syncline_round::{Collective, Member, Move};
use syncline_wire::{ServiceError, Tensor};
use tokio::sync::Notify;

use super::Heard;
use crate::shards::shards;

/// What is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Summand {
    Gradients,
    /// The models of groups.
    Models,
}

/// Which part of which sum it is, and who sends it: no two messages of a history have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub round: u64,
    pub of: Summand,
    pub from: u32,
    pub part: u32,
    /// Whether nothing is to be added to it.
    pub whole: bool,
}

/// A message from worker to worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handed {
    pub history: u32,
    pub key: Key,
    pub heard: Heard,
    pub values: Tensor<f32>,
}

/// The box of one worker.
pub(crate) struct Mail {
    rank: usize,
    workers: usize,
    collective: Collective,
    cuts: Vec<Range<usize>>,
    inner: Mutex<Inner>,
    came: Notify,
}

struct Inner {
    history: u32,
    messages: BTreeMap<(u32, Key), Handed>,
}

impl Mail {
    /// That of worker `rank` of so many, who sum so many parameters.
    pub(crate) fn new(collective: Collective, rank: usize, workers: usize, parameters: usize) -> Self {
        Self {
            rank,
            workers,
            collective,
            cuts: shards(parameters, collective.parts(workers)),
            inner: Mutex::new(Inner { history: 0, messages: BTreeMap::new() }),
            came: Notify::new(),
        }
    }

    /// Whose it is.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// What its worker does in a round for the sum of all, or of its group where that steps by itself.
    pub(crate) fn moves(&self, groups_step: bool) -> Vec<Move> {
        let own = Member::new(self.rank as u32);
        match groups_step {
            true => self.collective.moves_in_group(own, self.workers),
            false => self.collective.moves(own, self.workers),
        }
    }

    /// What its worker does for the sum of the groups' models.
    pub(crate) fn moves_across(&self) -> Vec<Move> {
        self.collective.moves_across(Member::new(self.rank as u32), self.workers)
    }

    /// Which parameters each part has.
    pub(crate) fn cuts(&self) -> Vec<Range<usize>> {
        self.cuts.clone()
    }

    /// A panic under the lock has failed the call and with it the program.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in. One of an earlier history, as from a worker that does not know better yet, is dropped (ALL-3); one of
    /// a later history is for when this worker has come there.
    pub(crate) fn put(&self, handed: Handed) -> Result<(), ServiceError> {
        let Key { from, part, .. } = handed.key;
        let cut = self.cuts.get(part as usize).filter(|_| (from as usize) < self.workers);
        if cut.is_none_or(|cut| cut.len() != handed.values.len()) {
            let got = handed.values.len();
            return Err(ServiceError::new(format!(
                "worker {from} handed over {got} values as part {part}, which is not so long or does not exist; \
                 do all processes run the same build?"
            )));
        }
        let mut inner = self.inner();
        if handed.history >= inner.history {
            inner.messages.insert((handed.history, handed.key), handed);
            drop(inner);
            self.came.notify_one();
        }
        Ok(())
    }

    /// Waits for a message of a history, which is nothing once another one has begun. One waits at a time. It stays until its
    /// round is [over](Mail::forget): who has to do the round again, because it could not hand something over, needs it again, and
    /// nobody sends it twice.
    pub(crate) async fn take(&self, history: u32, key: Key) -> Option<Handed> {
        loop {
            {
                let inner = self.inner();
                if inner.history != history {
                    return None;
                }
                if let Some(handed) = inner.messages.get(&(history, key)) {
                    return Some(handed.clone());
                }
            }
            // Somebody who came in between has left a permit.
            self.came.notified().await;
        }
    }

    /// A round is over.
    pub(crate) fn forget(&self, history: u32, round: u64) {
        self.inner().messages.retain(|(of, key), _| *of > history || key.round > round);
    }

    /// Another history begins.
    pub(crate) fn begin(&self, history: u32) {
        let mut inner = self.inner();
        inner.history = history;
        inner.messages.retain(|(of, _), _| *of >= history);
        drop(inner);
        self.came.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::allreduce::Arrival;

    fn mail() -> Mail {
        Mail::new(Collective::Ring, 0, 3, 40)
    }

    fn handed(history: u32, round: u64, from: u32, part: u32, values: usize) -> Handed {
        let key = Key { round, of: Summand::Gradients, from, part, whole: false };
        let heard = Heard { next: None, last: Arrival { at: Duration::ZERO, worker: from } };
        Handed { history, key, heard, values: vec![1.0; values].into() }
    }

    /// What a future yields that is ready.
    fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        futures_util::FutureExt::now_or_never(future)
    }

    #[test]
    fn messages_are_found_by_what_they_are_in_any_order_until_their_round_is_over() {
        let mail = mail();
        let cuts = mail.cuts();
        let length = |part: usize| cuts[part].len();
        mail.put(handed(0, 1, 2, 0, length(0))).unwrap();
        mail.put(handed(0, 0, 2, 1, length(1))).unwrap();
        let key = |round, part| Key { round, of: Summand::Gradients, from: 2, part, whole: false };
        assert!(ready(mail.take(0, key(0, 0))).is_none(), "it has not come");
        assert_eq!(ready(mail.take(0, key(0, 1))).flatten().map(|came| came.values.len()), Some(length(1)));
        mail.forget(0, 0);
        assert!(ready(mail.take(0, key(0, 1))).is_none(), "its round is over");
        assert!(ready(mail.take(0, key(1, 0))).flatten().is_some());
        assert!(ready(mail.take(0, key(1, 0))).flatten().is_some(), "for who does the round again");
    }

    #[test]
    fn all_3_of_an_earlier_history_nothing_is_taken_and_of_a_later_one_nothing_is_lost() {
        let mail = mail();
        let length = mail.cuts()[0].len();
        let key = Key { round: 5, of: Summand::Gradients, from: 1, part: 0, whole: false };
        mail.put(handed(0, 5, 1, 0, length)).unwrap();
        mail.put(handed(1, 5, 1, 0, length)).unwrap();
        mail.begin(1);
        mail.put(handed(0, 6, 1, 0, length)).unwrap();
        assert_eq!(mail.inner().messages.len(), 1);
        assert!(matches!(ready(mail.take(0, key)), Some(None)), "who waited for it hears");
        assert!(ready(mail.take(1, key)).flatten().is_some());
    }

    #[test]
    fn what_is_no_part_is_refused() {
        let mail = mail();
        let length = mail.cuts()[0].len();
        for wrong in [handed(0, 0, 3, 0, length), handed(0, 0, 1, 3, length), handed(0, 0, 1, 0, length + 1)]
        {
            assert!(mail.put(wrong).unwrap_err().to_string().contains("does not exist"));
        }
        assert!(mail.inner().messages.is_empty());
    }
}
