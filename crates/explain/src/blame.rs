//! Who is slower than the others: a judgement that is calibrated for how many were tried.
//!
//! Meetings give times of several workers side by side. If nobody differs, the times of a meeting could as well be dealt out to
//! its workers in any other order. So they are dealt out anew again and again, and a worker is blamed only if it stands out
//! more than the most prominent one of nearly every deal: the chance that *anybody* is blamed wrongly is the level, for any
//! number of workers and any distribution of times (Westfall and Young, Resampling-Based Multiple Testing, 1993: single-step
//! maxT).
//!
//! What stands out is measured by what is most telling for the times at hand: their sum where they look like a gamma (so
//! exponential ones), the sum of their logarithms where they look lognormal, and the least time beside that where they
//! have a sharp lower edge, as Pareto's have. The choice looks at the times without their owners, so that it costs no
//! calibration. `docs/measurements/blame.md` has what that yields.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;
use statrs::function::erf::erfc_inv;
use statrs::function::gamma::ln_gamma;

/// How long somebody took in a meeting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Who.
    pub who: u32,
    /// How long, in any unit.
    pub time: f64,
}

/// Somebody who is slower than the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blame {
    /// Who.
    pub who: u32,
    /// The chance that one as prominent is found where nobody differs; never below what the number of deals can show.
    pub chance: f64,
}

/// Times that are looked at; of more, meetings are left out evenly.
const OBSERVATIONS: usize = 1 << 15;

/// Deals for every unit of 1/level: then the level is met by the fifth most prominent, and luck of the deals hardly matters.
const DEALS: f64 = 5.0;

/// Times that are dealt out at most, so that a judgement takes well below a second.
const WORK: f64 = 6e7;

/// Those who are slower than the others, where `level` bounds the chance that anybody is named wrongly, most prominent first.
///
/// ```
/// use syncline_explain::blame::{Observation, slower};
///
/// let time = |round: u32, who: u32| f64::from(100 + (round * 7 + who * 13) % 11 + if who == 2 { 40 } else { 0 });
/// let meeting = |round| (0..4).map(|who| Observation { who, time: time(round, who) }).collect();
/// let meetings: Vec<Vec<Observation>> = (0..30).map(meeting).collect();
/// let blamed = slower(&meetings, 0.005);
/// assert_eq!(blamed.iter().map(|blame| blame.who).collect::<Vec<_>>(), [2]);
/// ```
pub fn slower(meetings: &[Vec<Observation>], level: f64) -> Vec<Blame> {
    Sample::of(meetings).map_or_else(Vec::new, |sample| sample.judge(level))
}

/// The times of all meetings, ready to be dealt out.
struct Sample {
    /// The workers, in order of their numbers.
    names: Vec<u32>,
    meetings: Vec<Range<usize>>,
    /// Whose each time is, by its position in `names`.
    owners: Vec<usize>,
    /// How telling each time is, less its meeting's mean.
    scores: Vec<f64>,
    /// The deviation of each worker's sum of scores over all deals.
    deviations: Vec<f64>,
    /// Where the times have a sharp lower edge.
    edge: Option<Edge>,
}

/// Times that have a least value, near which they are dense.
struct Edge {
    /// The logarithm of each time over the least one.
    above: Vec<f64>,
    /// How dense they are there: they are above it by 1/density on average.
    density: f64,
}

impl Sample {
    fn of(meetings: &[Vec<Observation>]) -> Option<Self> {
        let is_meeting = |meeting: &&Vec<Observation>| {
            let first = meeting.first().map(|one| one.who);
            meeting.iter().all(|one| one.time.is_finite()) && meeting.iter().any(|one| Some(one.who) != first)
        };
        let usable: Vec<&Vec<Observation>> = meetings.iter().filter(is_meeting).collect();
        let step = usable.iter().map(|meeting| meeting.len()).sum::<usize>().div_ceil(OBSERVATIONS).max(1);
        let usable: Vec<&Vec<Observation>> = usable.into_iter().step_by(step).collect();
        let least = usable.iter().copied().flatten().map(|one| one.time).filter(|&time| time > 0.0);
        let least = least.min_by(f64::total_cmp)?;
        let (mut owners, mut logs, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        for meeting in &usable {
            ranges.push(logs.len()..logs.len() + meeting.len());
            owners.extend(meeting.iter().map(|one| one.who));
            // A clock may show nothing: that is less than the least that it shows.
            logs.extend(meeting.iter().map(|one| one.time.max(least / 2.0).ln()));
        }
        if !is_steady(&logs, &ranges) {
            ranges.iter().for_each(|range| centre(&mut logs[range.clone()]));
        }
        let names: Vec<u32> =
            owners.iter().map(|&who| (who, ())).collect::<BTreeMap<_, _>>().into_keys().collect();
        let owners: Vec<usize> = owners.iter().map(|who| names.partition_point(|name| name < who)).collect();
        let law = Law::of(&logs);
        let mut scores: Vec<f64> = match law {
            Law::Gamma => logs.iter().map(|log| log.exp()).collect(),
            Law::Lognormal | Law::Edged => logs.clone(),
        };
        ranges.iter().for_each(|range| centre(&mut scores[range.clone()]));
        let deviations = deviations(&scores, &ranges, &owners, names.len());
        let edge = (law == Law::Edged).then(|| Edge::of(&logs));
        deviations.iter().any(|&deviation| deviation > 0.0).then_some(Self {
            names,
            meetings: ranges,
            owners,
            scores,
            deviations,
            edge,
        })
    }

    /// How much each worker stands out if the times are these owners'.
    fn prominence(&self, owners: &[usize], prominence: &mut [f64]) {
        prominence.fill(0.0);
        for (&owner, score) in owners.iter().zip(&self.scores) {
            prominence[owner] += score;
        }
        for (sum, &deviation) in prominence.iter_mut().zip(&self.deviations) {
            *sum = if deviation > 0.0 { *sum / deviation } else { 0.0 };
        }
        if let Some(edge) = &self.edge {
            let by_edge = edge.prominence(owners, self.names.len());
            prominence.iter_mut().zip(by_edge).for_each(|(sum, edge)| *sum = sum.max(edge));
        }
    }

    fn judge(&self, level: f64) -> Vec<Blame> {
        let mut seen = vec![0.0; self.names.len()];
        self.prominence(&self.owners, &mut seen);
        let most = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let wanted = (DEALS / level).min(WORK / self.owners.len() as f64).max(1.0 / level + 1.0);
        let deals = wanted.ceil() as usize;
        let (mut above, mut most_above) = (vec![0usize; seen.len()], 0);
        // Any seed will do, and the same one makes a log's report the same each time.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0x5eed);
        let (mut owners, mut dealt, mut done) = (self.owners.clone(), vec![0.0; seen.len()], 0);
        for _ in 0..deals {
            for meeting in &self.meetings {
                owners[meeting.clone()].shuffle(&mut random);
            }
            self.prominence(&owners, &mut dealt);
            let top = dealt.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
            above.iter_mut().zip(&seen).for_each(|(above, &seen)| *above += usize::from(top >= seen));
            most_above += usize::from(top >= most);
            done += 1;
            // Even if no further deal had one as prominent, it would be too many.
            if chance(most_above, deals) > level {
                return Vec::new();
            }
            // None so far of twice as many as would do.
            if most_above == 0 && chance(0, done) <= level / 2.0 {
                break;
            }
        }
        let mut blamed: Vec<Blame> = self
            .names
            .iter()
            .zip(above)
            .map(|(&who, above)| Blame { who, chance: chance(above, done) })
            .filter(|blame| blame.chance <= level)
            .collect();
        blamed.sort_by(|a, b| a.chance.total_cmp(&b.chance));
        blamed
    }
}

/// The chance of what was reached by so many of the deals; the log itself is one of them.
fn chance(reached: usize, deals: usize) -> f64 {
    (reached + 1) as f64 / (deals + 1) as f64
}

/// Subtracts the mean.
fn centre(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|value| *value -= mean);
}

/// The variance of each worker's sum over all ways to deal: `k (n - k) / n * S^2` for `k` of the `n` times of a meeting
/// with the sample variance `S^2`, as for every draw without replacement.
fn deviations(scores: &[f64], meetings: &[Range<usize>], owners: &[usize], workers: usize) -> Vec<f64> {
    let mut variances = vec![0.0; workers];
    for meeting in meetings {
        let n = meeting.len() as f64;
        let variance = scores[meeting.clone()].iter().map(|score| score * score).sum::<f64>() / (n - 1.0);
        let mut shares: BTreeMap<usize, f64> = BTreeMap::new();
        owners[meeting.clone()].iter().for_each(|&owner| *shares.entry(owner).or_default() += 1.0);
        for (owner, k) in shares {
            variances[owner] += k * (n - k) / n * variance;
        }
    }
    variances.into_iter().map(f64::sqrt).collect()
}

/// Whether the meetings' mean logarithms differ no more than draws from one distribution would make them. Otherwise (a program
/// that warms up, data that shrink) each meeting has its own scale.
fn is_steady(logs: &[f64], meetings: &[Range<usize>]) -> bool {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let variance = |values: &[f64]| {
        let centre = mean(values);
        values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
    };
    let means: Vec<f64> = meetings.iter().map(|meeting| mean(&logs[meeting.clone()])).collect();
    let within: Vec<f64> =
        meetings.iter().map(|meeting| variance(&logs[meeting.clone()]) / meeting.len() as f64).collect();
    variance(&means) <= 2.0 * mean(&within)
}

/// What the times look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    Gamma,
    Lognormal,
    /// Dense near a least value that is not small.
    Edged,
}

impl Law {
    /// The law under which the times, given by their logarithms, are most likely.
    fn of(logs: &[f64]) -> Self {
        let n = logs.len() as f64;
        let mean_log = logs.iter().sum::<f64>() / n;
        let mean = logs.iter().map(|log| log.exp()).sum::<f64>() / n;
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let variance = logs.iter().map(|log| (log - mean_log).powi(2)).sum::<f64>() / n;
        if variance <= 0.0 {
            return Self::Lognormal;
        }
        // Mean log density of each at its most likely parameters; those of the gamma by Minka's first approximation.
        let s = (mean.ln() - mean_log).max(1e-12);
        let shape = (3.0 - s + ((s - 3.0).powi(2) + 24.0 * s).sqrt()) / (12.0 * s);
        let gamma = shape * (shape / mean).ln() + (shape - 1.0) * mean_log - shape - ln_gamma(shape);
        let lognormal = -mean_log - 0.5 * (variance * std::f64::consts::TAU).ln() - 0.5;
        let above = (mean_log - least).max(1e-12);
        let pareto = -above.ln() - mean_log - 1.0;
        let shifted = -(mean - least.exp()).max(1e-300).ln() - 1.0;
        // An exponential's least value is next to nothing, and tells nothing.
        let is_far = least.exp() > 0.1 * mean;
        match gamma.max(lognormal) {
            smooth if is_far && pareto.max(shifted) > smooth + 2.0 / n => Self::Edged,
            smooth if smooth > gamma => Self::Lognormal,
            _ => Self::Gamma,
        }
    }
}

impl Edge {
    fn of(logs: &[f64]) -> Self {
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let above: Vec<f64> = logs.iter().map(|log| log - least).collect();
        let mean = above.iter().sum::<f64>() / above.len() as f64;
        Self { above, density: 1.0 / mean.max(1e-12) }
    }

    /// How much each worker's least time stands out, as a normal deviate: that all of `k` times lie so far above the
    /// edge has the chance `exp(-k * density * above)`.
    fn prominence(&self, owners: &[usize], workers: usize) -> Vec<f64> {
        let mut least = vec![(f64::INFINITY, 0.0); workers];
        for (&owner, &above) in owners.iter().zip(&self.above) {
            least[owner].0 = least[owner].0.min(above);
            least[owner].1 += 1.0;
        }
        let deviate = |(above, k): (f64, f64)| {
            let chance = (-k * self.density * above).exp().clamp(1e-300, 1.0 - 1e-12);
            std::f64::consts::SQRT_2 * erfc_inv(2.0 * chance)
        };
        least.into_iter().map(|least| if least.1 > 0.0 { deviate(least) } else { 0.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, Exp, LogNormal, Pareto};

    fn meetings(
        law: &impl Distribution<f64>,
        workers: u32,
        count: usize,
        seed: u64,
        slow: f64,
    ) -> Vec<Vec<Observation>> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut one =
            |who| Observation { who, time: law.sample(&mut random) * if who == 1 { slow } else { 1.0 } };
        (0..count).map(|_| (0..workers).map(&mut one).collect()).collect()
    }

    fn blames(law: &impl Distribution<f64>, workers: u32, count: usize, slow: f64, seeds: u64) -> (u64, u64) {
        let (mut any, mut right) = (0, 0);
        for seed in 0..seeds {
            let blamed = slower(&meetings(law, workers, count, seed, slow), 0.005);
            any += u64::from(!blamed.is_empty());
            right += u64::from(blamed.iter().any(|blame| blame.who == 1));
        }
        (any, right)
    }

    /// The long table is made by the example `blame`; here a few seeds of each cell must stay below what chance bears.
    #[test]
    fn nobody_is_blamed_for_chance() {
        let mut wrong = 0;
        for workers in [4, 16] {
            for count in [30, 100] {
                wrong += blames(&Exp::new(0.01).unwrap(), workers, count, 1.0, 12).0;
                wrong += blames(&LogNormal::new(4.0, 0.8).unwrap(), workers, count, 1.0, 12).0;
                wrong += blames(&Pareto::new(50.0, 2.5).unwrap(), workers, count, 1.0, 12).0;
            }
        }
        // Of 144 logs 0.7 are expected; more than 4 have a chance below 0.1 %.
        assert!(wrong <= 4, "{wrong} of 144 logs name somebody");
    }

    #[test]
    fn who_is_slower_is_found() {
        assert_eq!(blames(&Exp::new(0.01).unwrap(), 4, 100, 2.0, 10), (10, 10));
        assert!(blames(&LogNormal::new(4.0, 0.5).unwrap(), 16, 100, 1.3, 10).1 >= 8);
        // Ten per cent of Pareto times would drown in their tail; their edge shows it.
        assert!(blames(&Pareto::new(50.0, 2.5).unwrap(), 4, 100, 1.1, 10).1 >= 9);
    }

    #[test]
    fn meetings_of_different_scales_are_compared_within() {
        let mut scaled = meetings(&LogNormal::new(0.0, 0.2).unwrap(), 4, 60, 3, 1.5);
        for (round, meeting) in scaled.iter_mut().enumerate() {
            meeting.iter_mut().for_each(|one| one.time *= 1.0 + round as f64);
        }
        assert_eq!(slower(&scaled, 0.005).iter().map(|blame| blame.who).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn odd_input_blames_nobody() {
        let one = |who, time| Observation { who, time };
        for meetings in [
            vec![],
            vec![vec![one(1, 3.0)]],
            vec![vec![one(1, f64::NAN), one(2, 1.0)]; 9],
            vec![vec![one(1, 0.0), one(2, 0.0)]; 9],
            vec![vec![one(1, 5.0), one(2, 5.0)]; 9],
            vec![vec![one(1, 5.0), one(1, 7.0)]; 9],
            vec![vec![one(1, -5.0), one(2, -7.0)]; 9],
        ] {
            assert!(slower(&meetings, 0.005).is_empty(), "{meetings:?}");
        }
    }
}
