//! By what a worker's gradients count: everybody knows how many rows each has in a round.

use std::ops::Range;

use syncline_round::Fold;

use crate::batches::Batches;

/// How many rows each worker has in each round, and what follows from that.
pub(crate) struct Weighting {
    pub fold: Fold,
    /// By worker.
    pub batches: Vec<Batches>,
    /// Samples of each worker's full round; 0 where rounds are not shortened.
    pub full: Vec<u64>,
    pub rounds_per_epoch: u64,
    /// Where rows are dealt out anew in each epoch: from which one on those batches are, and those of before.
    pub before: Option<(u64, Vec<Batches>)>,
}

impl Weighting {
    /// Takes in the batches of all workers from an epoch on. What was done in the one before is still to be weighed.
    pub(super) fn deal(&mut self, epoch: u64, batches: Vec<Batches>) {
        let before = std::mem::replace(&mut self.batches, batches);
        // Who begins an epoch anew is told the same once more.
        if self.before.as_ref().is_none_or(|(from, _)| *from != epoch) {
            self.before = Some((epoch, before));
        }
    }

    /// The weight of a worker's gradient in a round among these workers, of whom it is one, and the samples of all of them.
    pub(super) fn of(&self, worker: u32, round: u64, among: Range<usize>) -> (f32, u64) {
        let samples: Vec<u64> = among.clone().map(|worker| self.samples(worker, round)).collect();
        let weights = self.fold.weights(&samples, self.full[among.clone()].iter().sum());
        let own = weights.get(worker as usize - among.start);
        (own.copied().unwrap_or_default(), samples.iter().sum())
    }

    /// The weight of a group's model in the mean of all groups': its share of the samples of these rounds.
    pub(super) fn of_model(&self, group: Range<usize>, rounds: Range<u64>) -> f32 {
        let samples = |workers: Range<usize>| -> u64 {
            workers
                .flat_map(|worker| rounds.clone().map(move |round| (worker, round)))
                .map(|(worker, round)| self.samples(worker, round))
                .sum()
        };
        match samples(0..self.batches.len()) {
            // Nobody has stepped, and all have the same model.
            0 => group.len() as f32 / self.batches.len() as f32,
            all => (samples(group) as f64 / all as f64) as f32,
        }
    }

    fn samples(&self, worker: usize, round: u64) -> u64 {
        let batches = match &self.before {
            Some((epoch, before)) if round / self.rounds_per_epoch < *epoch => before,
            _ => &self.batches,
        };
        batches[worker].round(round % self.rounds_per_epoch).len() as u64
    }
}

#[cfg(test)]
mod tests {
    use syncline_round::Every;

    use super::*;

    fn weighting() -> Weighting {
        // Of 5 rounds of 4 rows the last worker has 3.
        let rows = [20, 20, 20, 12];
        let batches = rows.map(|rows| Batches::new(0..rows, 4, Every::Batch)).to_vec();
        Weighting { fold: Fold::Mean, batches, full: vec![4; 4], rounds_per_epoch: 5, before: None }
    }

    #[test]
    fn a_gradient_counts_by_its_samples_among_those_who_sum_it() {
        let weighting = weighting();
        assert_eq!(weighting.of(1, 0, 0..4), (0.25, 16));
        assert_eq!(weighting.of(1, 0, 0..2), (0.5, 8));
        assert_eq!(weighting.of(3, 9, 2..4), (0.0, 4), "it has no rows left");
        assert_eq!(weighting.of(2, 9, 2..4), (0.5, 4), "and the step is so much shorter");
    }

    #[test]
    fn rows_that_are_dealt_out_anew_count_from_their_epoch_on() {
        let mut weighting = Weighting { full: vec![0; 4], ..weighting() };
        let dealt = [10, 30, 20, 12].map(|rows| Batches::evenly(0..rows, 4, Every::Batch, 5));
        weighting.deal(1, dealt.to_vec());
        assert_eq!(weighting.of(1, 4, 0..2), (0.5, 8), "the last round of the epoch before");
        assert_eq!(weighting.of(1, 5, 0..2), (0.75, 8));
    }

    #[test]
    fn a_model_counts_by_what_it_has_learnt_from() {
        let weighting = weighting();
        assert_eq!(weighting.of_model(0..2, 0..3), 0.5);
        assert_eq!(weighting.of_model(0..2, 3..5), 2.0 / 3.0);
        assert_eq!(weighting.of_model(2..4, 3..5), 1.0 / 3.0);
        assert_eq!(weighting.of_model(2..4, 3..3), 0.5);
    }
}
