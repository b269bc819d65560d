//! Rounds that were cut short: of a worker that is told to stop, because its round is over without it, the trace shows only that it would
//! have taken longer.
//!
//! Each is completed by what rounds took that lasted longer: a draw from the product-limit estimate (Kaplan and Meier, 1958) of the law
//! beyond the cut, which gives the mass of what was cut to what was seen later (Efron, 1967). Of a worker that has ended enough of
//! its own rounds by those, else by everybody's. What lies beyond a worker's longest round that was seen to its end is not known: its share is
//! told, and questions that hang on it are refused.

use rand::RngExt;
use syncline_queueing::sim::{Random, stream};
use syncline_round::Policy;

use super::cycles::Cycle;
use crate::{Error, JobProfile, Question};

/// Rounds that a worker must have ended to be completed by its own.
const ENOUGH: usize = 20;
/// The share of rounds decided by what is not known beyond which nothing is told.
const UNKNOWN: f64 = 0.05;
const SEED: u64 = 8;

/// Seconds of rounds, and whether they were seen to their end, in ascending order.
struct Law {
    /// Seconds, and the share of rounds that last longer.
    ends: Vec<(f64, f64)>,
}

impl Law {
    /// Of seconds, and whether they are those of whole rounds.
    fn of(mut seen: Vec<(f64, bool)>) -> Self {
        // Of equal times whole rounds come first: one that was cut then lasted longer.
        seen.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let (mut longer, mut ends, all) = (1.0, Vec::new(), seen.len());
        for (place, (seconds, is_whole)) in seen.into_iter().enumerate() {
            if is_whole {
                longer *= 1.0 - 1.0 / (all - place) as f64;
                ends.push((seconds, longer));
            }
        }
        Self { ends }
    }

    /// The share beyond all that was seen.
    fn unseen(&self) -> f64 {
        self.ends.last().map_or(1.0, |(_, longer)| *longer)
    }

    /// What a round took that lasted longer than so many seconds; those themselves where no longer one was seen.
    fn beyond(&self, seconds: f64, random: &mut Random) -> f64 {
        let at = self.ends.partition_point(|(end, _)| *end <= seconds);
        let left = if at == 0 { 1.0 } else { self.ends[at - 1].1 };
        let drawn = left * random.random::<f64>();
        let end = self.ends[at..].iter().find(|(_, longer)| *longer <= drawn);
        end.or(self.ends[at..].last()).map_or(seconds, |(end, _)| *end)
    }
}

/// Completes the rounds that `is_cut` says; gives for each worker the share of its rounds that last longer than any of its own that was seen to
/// its end.
pub(super) fn complete(cycles: &mut [Cycle], is_cut: &[bool]) -> Vec<f64> {
    let seen = |worker: Option<u32>| -> Vec<(f64, bool)> {
        let all = cycles.iter().zip(is_cut);
        let of = all.filter(|(cycle, _)| worker.is_none_or(|worker| worker == cycle.worker));
        of.map(|(cycle, is_cut)| (cycle.compute_s, !is_cut)).collect()
    };
    let everybody = Law::of(seen(None));
    let whole = || cycles.iter().zip(is_cut).filter(|(_, is_cut)| !**is_cut).map(|(cycle, _)| cycle);
    let count = whole().count().max(1);
    let mean = |of: fn(&Cycle) -> f64| whole().map(of).sum::<f64>() / count as f64;
    let (push_s, bytes) = (mean(|cycle| cycle.push_s), mean(|cycle| cycle.pushed_bytes as f64) as u64);
    let samples = whole().map(|cycle| cycle.samples).max().unwrap_or(0);
    let workers = cycles.iter().map(|cycle| cycle.worker + 1).max().unwrap_or(0);
    let own: Vec<Law> = (0..workers).map(|worker| Law::of(seen(Some(worker)))).collect();
    let is_enough = |worker: u32| {
        let ended = whole().filter(|cycle| cycle.worker == worker).count();
        ended >= ENOUGH && 2 * ended >= cycles.iter().filter(|cycle| cycle.worker == worker).count()
    };
    let has_enough: Vec<bool> = (0..workers).map(is_enough).collect();
    let mut random = stream(SEED, 0);
    for (cycle, _) in cycles.iter_mut().zip(is_cut).filter(|(_, is_cut)| **is_cut) {
        let worker = cycle.worker as usize;
        let law = if has_enough[worker] { &own[worker] } else { &everybody };
        cycle.compute_s = law.beyond(cycle.compute_s, &mut random);
        (cycle.push_s, cycle.pushed_bytes, cycle.samples) = (push_s, bytes, samples);
        cycle.bytes = cycle.bytes.saturating_add(bytes);
    }
    own.iter().map(Law::unseen).collect()
}

/// P[fewer than so many happen] of what happens with these probabilities, one independent of the other.
fn fewer(probabilities: impl Iterator<Item = f64>, many: usize) -> f64 {
    let mut happen = vec![0.0; many + 1];
    happen[0] = 1.0;
    for probability in probabilities {
        for count in (0..=many).rev() {
            let comes = if count > 0 { happen[count - 1] * probability } else { 0.0 };
            // So many or more stay so.
            let stays = if count == many { happen[count] } else { happen[count] * (1.0 - probability) };
            happen[count] = stays + comes;
        }
    }
    1.0 - happen[many]
}

impl JobProfile {
    /// Refuses what hangs on how long rounds would have taken that were cut short.
    pub(crate) fn check_unseen(&self, question: &Question) -> Result<(), Error> {
        // What the traced run itself hung on was seen: rounds were over with it.
        let is_own = question.sync == self.measured.policy()? && question.workers == self.measured.workers;
        if self.unseen.is_empty() || is_own {
            return Ok(());
        }
        let workers = question.workers;
        // Each is like one of the trace, in turn.
        let unseen: Vec<f64> = self.unseen.iter().copied().cycle().take(workers).collect();
        let all_but = |list: &[f64]| 1.0 - list.iter().map(|one| 1.0 - one).product::<f64>();
        let decides = match question.sync {
            // A round hangs on it where all of a group do.
            Policy::Repetition { .. } => {
                let of_group = |group: &[f64]| group.iter().product();
                all_but(&unseen.chunks(question.sync.copies()).map(of_group).collect::<Vec<f64>>())
            }
            // Fewer than are needed end before.
            Policy::Mds { needed } => fewer(unseen.iter().map(|one| 1.0 - one), needed.members()),
            _ => all_but(&unseen),
        };
        if decides <= UNKNOWN {
            return Ok(());
        }
        let why = format!(
            "{:.0} % of the traced rounds would have taken longer than any that was seen to its end, because workers were told to stop; under \
             {} of {workers} workers {:.0} % of rounds would hang on how much longer: record a run under bsp",
            100.0 * crate::sample::mean(unseen.iter().copied()),
            question.sync,
            100.0 * decides
        );
        Err(Error::CannotTell { why })
    }
}

#[cfg(test)]
mod tests {
    use syncline_queueing::Distribution;

    use super::*;

    /// Rounds of exponential seconds, of which each is cut at another one's end if that is earlier.
    fn cut(count: u64, seed: u64) -> (Vec<Cycle>, Vec<bool>) {
        let size = Distribution::exponential(1.0).unwrap();
        let mut random = stream(seed, 0);
        let of = |round: u64| {
            let (own, other) = (size.draw(&mut random), size.draw(&mut random));
            let mut cycle = Cycle::new((round % 2) as u32, round / 2, 0.0, own.min(other));
            cycle.samples = if own <= other { 8 } else { 0 };
            (cycle, own > other)
        };
        (0..count).map(of).unzip()
    }

    #[test]
    fn what_was_cut_is_completed_to_the_law_that_it_came_from() {
        let (mut cycles, is_cut) = cut(4000, 3);
        let shown = cycles.iter().map(|cycle| cycle.compute_s).sum::<f64>() / 4000.0;
        assert!((shown - 0.5).abs() < 0.03, "the shorter of two: {shown}");
        let unseen = complete(&mut cycles, &is_cut);
        let mean = cycles.iter().map(|cycle| cycle.compute_s).sum::<f64>() / 4000.0;
        assert!((mean - 1.0).abs() < 0.08, "{mean}");
        assert!(
            unseen.iter().all(|share| *share < 0.05) && cycles.iter().all(|cycle| cycle.samples == 8),
            "{unseen:?}"
        );
    }

    #[test]
    fn fewer_than_are_needed_is_a_binomial_tail() {
        let of = |probability: f64, all: usize, many| fewer(std::iter::repeat_n(probability, all), many);
        assert!((of(0.5, 3, 2) - 0.5).abs() < 1e-12);
        assert!((of(0.9, 4, 4) - (1.0 - 0.9f64.powi(4))).abs() < 1e-12);
        assert_eq!((of(1.0, 5, 5), of(0.3, 2, 0)), (0.0, 0.0));
        assert!(
            (fewer([1.0, 0.0, 1.0].into_iter(), 2) - 0.0).abs() < 1e-12,
            "two that always come are enough"
        );
    }

    #[test]
    fn what_is_beyond_all_that_was_seen_is_told() {
        // One of three is always told to stop.
        let mut cycles: Vec<Cycle> = (0..300)
            .map(|at| Cycle::new((at % 3) as u32, at / 3, 0.0, if at % 3 == 2 { 2.0 } else { 1.0 }))
            .collect();
        let is_cut: Vec<bool> = cycles.iter().map(|cycle| cycle.worker == 2).collect();
        let unseen = complete(&mut cycles, &is_cut);
        assert_eq!(unseen, [0.0, 0.0, 1.0]);
        assert!(cycles.iter().filter(|cycle| cycle.worker == 2).all(|cycle| cycle.compute_s == 2.0));
        let law = Law::of(Vec::new());
        assert_eq!((law.unseen(), law.beyond(3.0, &mut stream(1, 0))), (1.0, 3.0));
    }
}
