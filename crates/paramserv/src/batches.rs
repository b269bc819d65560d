//! Which rows a worker trains on in which round.
//!
//! A worker's rows are one range, cut into batches, and the batches into rounds. Every worker takes part in every round
//! of an epoch: one whose rows have run out pushes a gradient of no samples, so that nobody waits for it in vain. Where rows are dealt
//! out by speed they are cut into as many rounds for everybody, of the same length to a row.

use std::ops::Range;

use syncline_round::Every;

/// One worker's rows, batch by batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batches {
    rows: Range<usize>,
    batch: usize,
    per_round: usize,
    /// Into how many rounds they are cut evenly, where that does not follow from the batch.
    even: Option<u64>,
}

impl Batches {
    /// Cuts `rows` into batches of `batch` rows; the last may be smaller.
    pub(crate) fn new(rows: Range<usize>, batch: usize, every: Every) -> Self {
        let batches = rows.len().div_ceil(batch);
        Self { rows, batch, per_round: every.batches(batches), even: None }
    }

    /// Cuts `rows` into so many rounds evenly, and those into as many batches as `every` says; where a round is an epoch, into
    /// batches of `batch` rows.
    pub(crate) fn evenly(rows: Range<usize>, batch: usize, every: Every, rounds: u64) -> Self {
        let cut = Self::new(rows, batch, every);
        Self { even: (every != Every::Epoch).then_some(rounds.max(1)), ..cut }
    }

    /// Which rows these are.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Whether there is more than one batch, so that the order of the rows matters.
    pub(crate) fn are_several(&self) -> bool {
        self.rows.len() > self.batch
    }

    /// Samples of a full round.
    pub(crate) fn full(&self) -> usize {
        if let Some(rounds) = self.even {
            return self.rows.len().div_ceil(rounds as usize);
        }
        self.batch.saturating_mul(self.per_round).min(self.rows.len())
    }

    /// Rounds that its rows last for in an epoch.
    pub(crate) fn rounds(&self) -> u64 {
        self.even.unwrap_or(self.rows.len().div_ceil(self.batch).div_ceil(self.per_round) as u64)
    }

    /// The rows of round `round` of an epoch, from 0.
    pub(crate) fn round(&self, round: u64) -> Range<usize> {
        if let Some(rounds) = self.even {
            let at =
                |round: u64| self.rows.start + self.rows.len() * round.min(rounds) as usize / rounds as usize;
            return at(round)..at(round.saturating_add(1));
        }
        let rows = self.batch.saturating_mul(self.per_round);
        let at = |round: u64| self.rows.start + self.rows.len().min(rows.saturating_mul(round as usize));
        at(round)..at(round.saturating_add(1))
    }

    /// The batches within a round's rows.
    pub(crate) fn within(&self, round: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let batch = match self.even {
            Some(_) => round.len().div_ceil(self.per_round).max(1),
            None => self.batch,
        };
        round.clone().step_by(batch).map(move |start| start..round.end.min(start.saturating_add(batch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_beyond_all_rows_is_one_batch() {
        let every = Every::Batches(usize::MAX.try_into().unwrap());
        let batches = Batches::new(5..12, usize::MAX, every);
        assert_eq!((batches.rounds(), batches.round(0)), (1, 5..12));
        assert_eq!(batches.within(5..12).collect::<Vec<_>>(), [5..12]);
    }

    #[test]
    fn even_rounds_differ_by_a_row_and_each_row_comes_once() {
        for (rows, rounds, every) in [
            (100, 7, Every::Batch),
            (5, 7, Every::Batch),
            (0, 3, Every::Batch),
            (1000, 9, Every::Batches(4.try_into().unwrap())),
        ] {
            let batches = Batches::evenly(50..50 + rows, 16, every, rounds);
            assert_eq!(batches.rounds(), rounds);
            let all: Vec<_> = (0..rounds).map(|round| batches.round(round)).collect();
            let lengths: Vec<_> = all.iter().map(Range::len).collect();
            assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1, "{lengths:?}");
            assert_eq!(batches.full(), *lengths.iter().max().unwrap());
            let seen: Vec<_> = all.into_iter().flat_map(|round| batches.within(round)).flatten().collect();
            assert_eq!(seen, (50..50 + rows).collect::<Vec<_>>());
            let steps = batches.within(batches.round(1)).count();
            assert!(steps <= every.batches(1) && (rows < 100 || steps == every.batches(1)), "{steps}");
        }
        let epoch = Batches::evenly(0..100, 16, Every::Epoch, 1);
        assert_eq!((epoch.rounds(), epoch.within(epoch.round(0)).count()), (1, 7));
    }

    #[test]
    fn every_row_is_trained_on_once_an_epoch() {
        for (rows, batch, every) in
            [(1024, 20, Every::Batch), (7, 3, Every::Epoch), (100, 8, Every::Batches(3.try_into().unwrap()))]
        {
            let batches = Batches::new(50..50 + rows, batch, every);
            let rounds: Vec<_> = (0..batches.rounds()).map(|round| batches.round(round)).collect();
            let seen: Vec<_> =
                rounds.iter().cloned().flat_map(|round| batches.within(round)).flatten().collect();
            assert_eq!(seen, (50..50 + rows).collect::<Vec<_>>());
            assert!(
                batches.round(batches.rounds()).is_empty(),
                "after its last row a worker has nothing to do"
            );
        }
    }
}
