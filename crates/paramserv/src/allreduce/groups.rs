//! Groups of workers that step by themselves, and exchange now and then (`hierarchical:GROUP,PERIOD`).
//!
//! After each round a group sums its gradients and steps along them. After the last round of a period, and at the end of an
//! epoch, whose model is looked at, the groups' models are averaged by the rows that each has learnt from since the last time.
//! What the optimisers remember stays as it is.
//!
//! - GROUP-1: after an exchange all workers have the same parameters, to the bit; in between those of a group have.
//! - GROUP-2: a run is held, closed and saved after an exchange only.

use std::{ops::Range, time::Duration};

use syncline_round::{Move, Policy};

use super::{Arrival, Heard, Peers, Summand};
use crate::{exchange::Halt, server::Server};

/// The groups, as one worker sees them.
pub(crate) struct Groups {
    /// The workers of the own one.
    own: Range<usize>,
    /// Rounds between exchanges.
    period: u64,
    rounds_per_epoch: u64,
    /// What is done for the sum of models.
    across: Vec<Move>,
    due: Option<Due>,
}

/// An exchange that is to come, after a step.
struct Due {
    round: u64,
    /// When this worker began to sum the round.
    began: Duration,
    /// How long it has waited since.
    held: Duration,
    /// Who of the group began last.
    last: Arrival,
}

impl Groups {
    /// Those of this policy, as the worker sees them whose own parameters `own` holds; nothing where all step together.
    pub(crate) fn of(policy: Policy, own: &Server, workers: usize, rounds_per_epoch: u64) -> Option<Self> {
        let (Policy::Hierarchical { group, .. }, Some(period)) = (policy, policy.period()) else {
            return None;
        };
        let mail = own.mail()?;
        let size = (group as usize).min(workers).max(1);
        let first = mail.rank() / size * size;
        Some(Self {
            own: first..first + size,
            period: period.count().get() as u64,
            rounds_per_epoch,
            across: mail.moves_across(),
            due: None,
        })
    }

    /// The workers of the own group.
    pub(super) fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    /// Whether groups exchange after a round.
    fn exchange_after(&self, round: u64) -> bool {
        (round + 1).is_multiple_of(self.period) || (round + 1).is_multiple_of(self.rounds_per_epoch)
    }

    /// What is done after a round for the sum of models.
    pub(super) fn moves_after(&self, round: u64) -> &[Move] {
        if self.exchange_after(round) { &self.across } else { &[] }
    }

    /// The rounds since the exchange before that after this one.
    fn rounds_until(&self, round: u64) -> Range<u64> {
        let start = |length: u64| round / length * length;
        start(self.period).max(start(self.rounds_per_epoch))..round + 1
    }

    /// The sum of a round's gradients is there; whether an exchange follows.
    pub(super) fn stepped(&mut self, round: u64, began: Duration, held: Duration, last: Arrival) -> bool {
        self.due = self.exchange_after(round).then_some(Due { round, began, held, last });
        self.due.is_some()
    }

    /// What was to come does not.
    pub(super) fn give_up(&mut self) {
        self.due = None;
    }
}

impl Peers {
    /// Takes the mean of the groups' models, where that is due, and takes in what was agreed on. Returns how much longer the last
    /// of all let this worker wait, and the bytes that came.
    pub(crate) async fn average(&mut self) -> Result<Option<(Duration, u64)>, Halt> {
        let Some(groups) = &self.groups else { return Ok(None) };
        let Some(Due { round, began, held, last }) = &groups.due else { return Ok(None) };
        let (round, began, held) = (*round, *began, *held);
        let mut heard = Heard { next: (self.rank == 0).then(|| self.own.next_after(round)), last: *last };
        let weight = self.weighting.of_model(groups.own(), groups.rounds_until(round));
        let parts = self.parts(Some((&self.own.own_parameters(), weight)));
        let (parts, received) = self.sum((round, Summand::Models), &groups.across, parts, &mut heard).await?;
        if !self.own.adopt(self.history, &self.joined(parts)) {
            return Err(Halt::Anew);
        }
        self.end(round, &heard)?;
        // Until here it would be done again.
        self.groups.iter_mut().for_each(Groups::give_up);
        let held_in_all = heard.last.at.min(self.ctx.clock().now()).saturating_sub(began);
        Ok(Some((held_in_all.saturating_sub(held), received)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(period: u64, rounds_per_epoch: u64) -> Groups {
        Groups { own: 0..2, period, rounds_per_epoch, across: Vec::new(), due: None }
    }

    #[test]
    fn groups_exchange_after_a_period_and_at_the_end_of_an_epoch_and_each_round_counts_once() {
        for (period, rounds_per_epoch) in [(4, 10), (4, 4), (3, 2), (100, 7), (2, 7)] {
            let groups = groups(period, rounds_per_epoch);
            let mut counted = 0;
            for round in (0..60).filter(|&round| groups.exchange_after(round)) {
                assert_eq!(groups.rounds_until(round), counted..round + 1, "{period}, {rounds_per_epoch}");
                counted = round + 1;
                let is_end = counted % rounds_per_epoch == 0;
                assert!(is_end || counted % period == 0);
            }
            assert!(counted > 60 - period.min(rounds_per_epoch));
        }
    }
}
