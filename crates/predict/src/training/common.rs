//! What workers have in common: how the times of a run drift, and rounds that are slow for everybody.
//!
//! T(w, i) = mean + a_w + d_w(i) + c_i + e(w, i). The *course* d is slow: its value over equal stretches of the run, one
//! for all workers, or one for each where they drift apart. The *shock* c_i hits all workers in round i alike. A barrier
//! pays for the independent e, E[max], and for the shock only once; staleness evens out e alone. Each part is there only
//! where a test finds it (one run of a thousand would show it by chance), so that a run of independent rounds stays one.
//!
//! Method: a one-way analysis of variance over the stretches for the course; for the shock the mean product of two
//! workers' residuals in the same round, V_c, whose standard error is that of as many independent products. The mean
//! of n workers in a round is shrunk by V_c / (V_c + V_e / n) (Henderson's best linear predictor) and then scaled to V_c.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sample::{exceeds_chance, thinned};
use crate::sample::mean;

/// Rounds in a stretch at least, and stretches at most.
const STRETCH: usize = 10;
const STRETCHES: usize = 40;
/// Standard errors beyond which two workers are not independent (one of a thousand, one-sided).
const SURE: f64 = 3.09;
/// Shocks that a profile keeps.
const KEPT: usize = 1000;

/// A worker's rounds: their numbers, and seconds.
pub(crate) type Rounds = Vec<(u64, f64)>;

/// What workers have in common; all of it empty where nothing was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// Seconds by which equal stretches of the run lie above its mean: one list for all workers, or one for each.
    pub course_s: Vec<Vec<f64>>,
    /// Seconds that single rounds add for all workers, centred, in ascending order.
    pub shock_s: Vec<f64>,
    /// The mean correlation of two workers' times in a round, once the course is taken out; `None` of one worker, which
    /// does not show it.
    pub correlation: Option<f64>,
}

impl Common {
    /// Takes the common parts out of each worker's centred rounds.
    pub(crate) fn take_out(of_worker: &mut [Rounds]) -> Self {
        let course_s = take_course(of_worker);
        let (shock_s, correlation) = take_shocks(of_worker);
        Self { course_s, shock_s, correlation }
    }

    /// Seconds that the course adds for a worker at a share of the run.
    pub(crate) fn course(&self, worker: usize, share: f64) -> f64 {
        let Some(list) = self.course_s.get(worker % self.course_s.len().max(1)) else { return 0.0 };
        list[((share * list.len() as f64) as usize).min(list.len() - 1)]
    }

    /// Whether times drift.
    pub fn drifts(&self) -> bool {
        !self.course_s.is_empty()
    }

    /// The standard deviation of the shocks, in seconds.
    pub fn shock_deviation_s(&self) -> f64 {
        mean(self.shock_s.iter().map(|c| c * c)).sqrt()
    }

    /// The standard deviation of the course over the run, in seconds.
    pub fn course_deviation_s(&self) -> f64 {
        mean(self.course_s.iter().flatten().map(|d| d * d)).sqrt()
    }

    pub(crate) fn is_sound(&self) -> bool {
        let finite = |list: &Vec<f64>| !list.is_empty() && list.iter().all(|x| x.is_finite());
        self.course_s.iter().all(finite) && self.shock_s.iter().all(|x| x.is_finite())
    }
}

/// Takes the course out, and returns it.
fn take_course(of_worker: &mut [Rounds]) -> Vec<Vec<f64>> {
    let rounds = of_worker.iter().map(Vec::len).min().unwrap_or(0);
    let stretches = (rounds / STRETCH).min(STRETCHES);
    if stretches < 2 {
        return Vec::new();
    }
    let last = of_worker.iter().flatten().map(|(round, _)| *round).max().unwrap_or(0);
    let stretch =
        |round: u64| ((round as f64 / (last as f64 + 1.0) * stretches as f64) as usize).min(stretches - 1);
    // Rounds may be slow for all at once, so that a round counts once however many workers it has.
    let means = round_sums(of_worker).into_iter().map(|(round, (n, sum, _))| (stretch(round), sum / n));
    let shared = steps(means, stretches, 1);
    subtract(of_worker, |_, round| shared.as_ref().map_or(0.0, |steps| steps[stretch(round)]));
    let workers = of_worker.len();
    let of_one =
        |list: &Rounds| steps(list.iter().map(|(round, x)| (stretch(*round), *x)), stretches, workers);
    let own: Vec<Option<Vec<f64>>> =
        if workers > 1 { of_worker.iter().map(of_one).collect() } else { Vec::new() };
    if own.iter().all(Option::is_none) {
        return shared.into_iter().collect();
    }
    subtract(of_worker, |worker, round| own[worker].as_ref().map_or(0.0, |steps| steps[stretch(round)]));
    let level = vec![0.0; stretches];
    let base = shared.unwrap_or_else(|| level.clone());
    let added = |own: &Option<Vec<f64>>| {
        base.iter().zip(own.as_ref().unwrap_or(&level)).map(|(shared, own)| shared + own).collect()
    };
    own.iter().map(added).collect()
}

fn subtract(of_worker: &mut [Rounds], by: impl Fn(usize, u64) -> f64) {
    for (worker, list) in of_worker.iter_mut().enumerate() {
        list.iter_mut().for_each(|(round, x)| *x -= by(worker, *round));
    }
}

/// The means of the stretches, shrunk by what chance explains of their spread; nothing where chance may explain it all in
/// one of a thousand runs, shared among so many `tests`.
fn steps(values: impl Iterator<Item = (usize, f64)>, stretches: usize, tests: usize) -> Option<Vec<f64>> {
    let mut sums = vec![(0.0, 0.0, 0.0); stretches];
    for (stretch, x) in values {
        let (count, sum, squares) = &mut sums[stretch];
        *count += 1.0;
        *sum += x;
        *squares += x * x;
    }
    let filled: Vec<_> = sums.iter().filter(|sum| sum.0 > 0.0).collect();
    let count: f64 = filled.iter().map(|sum| sum.0).sum();
    let freedom = (filled.len() as f64 - 1.0, count - filled.len() as f64);
    if freedom.0 < 1.0 || freedom.1 < 1.0 {
        return None;
    }
    let total: f64 = filled.iter().map(|sum| sum.1).sum();
    let grand = total / count;
    let between: f64 = filled.iter().map(|sum| sum.0 * (sum.1 / sum.0 - grand).powi(2)).sum();
    let within: f64 = filled.iter().map(|sum| sum.2 - sum.1 * sum.1 / sum.0).sum();
    let ratio = (between / freedom.0) / (within.max(0.0) / freedom.1).max(f64::MIN_POSITIVE);
    if !exceeds_chance(ratio, freedom.0, tests) {
        return None;
    }
    let kept = 1.0 - 1.0 / ratio;
    Some(sums.iter().map(|sum| if sum.0 > 0.0 { kept * (sum.1 / sum.0 - grand) } else { 0.0 }).collect())
}

/// Of each round how many workers have it, and the sums of their values and of the squares.
fn round_sums(of_worker: &[Rounds]) -> BTreeMap<u64, (f64, f64, f64)> {
    let mut sums = BTreeMap::<u64, (f64, f64, f64)>::new();
    for (round, x) in of_worker.iter().flatten() {
        let (count, sum, squares) = sums.entry(*round).or_default();
        *count += 1.0;
        *sum += x;
        *squares += x * x;
    }
    sums
}

/// Takes the shocks out; returns them and the correlation.
fn take_shocks(of_worker: &mut [Rounds]) -> (Vec<f64>, Option<f64>) {
    let sums = round_sums(of_worker);
    let (mut products, mut pairs, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (n, sum, square) in sums.values() {
        products += sum * sum - square;
        pairs += n * (n - 1.0);
        squares += square;
        count += n;
    }
    if pairs < 2.0 * SURE * SURE || squares <= 0.0 {
        return (Vec::new(), None);
    }
    let (common, all) = (products / pairs, squares / count);
    let correlation = (common / all).clamp(-1.0, 1.0);
    if correlation < SURE / (0.5 * pairs).sqrt() {
        return (Vec::new(), Some(correlation));
    }
    let own = (all - common).max(0.0);
    let shock = |(n, sum, _): &(f64, f64, f64)| sum / n * common / (common + own / n).max(f64::MIN_POSITIVE);
    let predicted: BTreeMap<u64, f64> = sums.iter().map(|(round, of)| (*round, shock(of))).collect();
    subtract(of_worker, |_, round| predicted.get(&round).copied().unwrap_or(0.0));
    let left = mean(of_worker.iter().flatten().map(|(_, x)| x * x));
    scale(of_worker.iter_mut().flatten().map(|(_, x)| x), left, own);
    let mut shocks: Vec<f64> = predicted.into_values().collect();
    let shown = mean(shocks.iter().map(|c| c * c));
    scale(shocks.iter_mut(), shown, common);
    shocks.sort_by(f64::total_cmp);
    (thinned(shocks, KEPT), Some(correlation))
}

/// Gives values whose mean square is `from` the mean square `to`.
fn scale<'a>(values: impl Iterator<Item = &'a mut f64>, from: f64, to: f64) {
    let factor = if from > 0.0 { (to / from).sqrt() } else { 0.0 };
    values.for_each(|x| *x *= factor);
}

#[cfg(test)]
mod tests {
    use syncline_queueing::Distribution;
    use syncline_queueing::sim::stream;

    use super::*;

    /// Rounds of four workers, centred: independent exponential seconds, what `shock` adds to a round and `course` later.
    fn rounds(seed: u64, shock: f64, course: impl Fn(usize, u64) -> f64) -> Vec<Rounds> {
        let size = Distribution::exponential(1.0).unwrap();
        let mut random = stream(seed, 0);
        let shocks: Vec<f64> = (0..400).map(|_| shock * size.draw(&mut random)).collect();
        let mut of_worker: Vec<Rounds> = (0..4)
            .map(|w| {
                (0..400).map(|i| (i, size.draw(&mut random) + shocks[i as usize] + course(w, i))).collect()
            })
            .collect();
        for list in &mut of_worker {
            let centre = mean(list.iter().map(|(_, x)| *x));
            list.iter_mut().for_each(|(_, x)| *x -= centre);
        }
        of_worker
    }

    #[test]
    fn independent_rounds_have_nothing_in_common() {
        let found = (0..100).filter(|&seed| {
            let common = Common::take_out(&mut rounds(seed, 0.0, |_, _| 0.0));
            common.drifts() || !common.shock_s.is_empty()
        });
        assert!(found.count() <= 2, "one of a thousand each, and exponential times have heavier tails");
    }

    #[test]
    fn shocks_are_told_from_what_each_worker_adds() {
        let mut of_worker = rounds(1, 2.0, |_, _| 0.0);
        let common = Common::take_out(&mut of_worker);
        assert!(!common.drifts());
        assert!((common.correlation.unwrap() - 0.8).abs() < 0.05, "{:?}", common.correlation);
        assert!((common.shock_deviation_s() - 2.0).abs() < 0.25, "{}", common.shock_deviation_s());
        let left = mean(of_worker.iter().flatten().map(|(_, x)| x * x)).sqrt();
        assert!((left - 1.0).abs() < 0.1, "{left}");
    }

    #[test]
    fn phases_of_all_and_of_one_worker_are_found() {
        let all = Common::take_out(&mut rounds(2, 0.0, |_, round| if round < 200 { 0.0 } else { 3.0 }));
        assert_eq!((all.course_s.len(), all.shock_s.len()), (1, 0), "{all:?}");
        assert!((all.course(0, 0.1) + 1.5).abs() < 0.2 && (all.course(3, 0.9) - 1.5).abs() < 0.2);
        let one =
            Common::take_out(&mut rounds(3, 0.0, |w, round| if w == 1 && round >= 200 { 3.0 } else { 0.0 }));
        assert_eq!(one.course_s.len(), 4);
        assert!((one.course(1, 0.9) - 1.5).abs() < 0.3 && one.course(0, 0.9).abs() < 0.3, "{one:?}");
    }
}
