//! Where the transient ends: MSER (White 1997) picks the truncation that minimises the variance of the remaining
//! mean, on batches averaged over a few pilot replications.

use super::feed::Passages;
use super::{Plan, Random, stream};

/// The seeds of pilots are kept apart from those of the runs that count.
const PILOT: u64 = 0x70_69_6c_6f_74;
const PILOTS: u64 = 4;
const BATCHES: u64 = 200;
const LONGEST_PILOT: u64 = 2_000_000;

/// Jobs to drop: twice what MSER finds on pilots of a quarter of a replication, at least a tenth of one. Very long
/// replications need no longer pilots.
pub(crate) fn warm_up<P: Passages>(start: &(impl Fn(Random) -> P + Sync), plan: &Plan) -> u64 {
    let each = plan.jobs_each();
    let batch = (each.min(LONGEST_PILOT) / 4 / BATCHES).max(1);
    let one = |index: u64| pilot(start(stream(plan.seed ^ PILOT, index)), batch);
    let pilots: Vec<Vec<f64>> = if plan.threads == 1 {
        (0..PILOTS).map(one).collect()
    } else {
        std::thread::scope(|scope| {
            let one = &one;
            let running: Vec<_> = (0..PILOTS).map(|index| scope.spawn(move || one(index))).collect();
            running.into_iter().filter_map(|pilot| pilot.join().ok()).collect()
        })
    };
    let batches: Vec<f64> =
        (0..BATCHES as usize).map(|i| pilots.iter().map(|pilot| pilot[i]).sum()).collect();
    (2 * mser(&batches) as u64 * batch).max(each / 10)
}

/// The batch totals of one pilot's sojourn times; a saturated system has none that settle, but the time between
/// jobs does.
fn pilot(mut feed: impl Passages, batch: u64) -> Vec<f64> {
    let mut before = 0.0;
    (0..BATCHES)
        .map(|_| {
            let total: f64 = (0..batch).map(|_| feed.next().sojourn).sum();
            let apart = feed.clock() - std::mem::replace(&mut before, feed.clock());
            if feed.is_saturated() { apart } else { total }
        })
        .collect()
}

/// The number of leading batches to drop; at most half of them.
fn mser(batches: &[f64]) -> usize {
    let half = batches.len() / 2;
    let mut best = (f64::INFINITY, 0);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (index, batch) in batches.iter().enumerate().rev() {
        sum += batch;
        squares += batch * batch;
        count += 1.0;
        let spread = (squares - sum * sum / count) / (count * count);
        if index <= half && spread < best.0 {
            best = (spread, index);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_cut_off_and_a_plateau_kept() {
        let noise = |i: u32| f64::from(i * 7919 % 13) * 0.01;
        let ramp: Vec<f64> = (0..200).map(|i| f64::from(i.min(40)) + noise(i)).collect();
        assert!((36..=45).contains(&mser(&ramp)), "{}", mser(&ramp));
        let flat: Vec<f64> = (0..200).map(noise).collect();
        assert!(mser(&flat) < 60);
    }
}
