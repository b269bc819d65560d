//! DRACO: repetition against liars instead of stragglers. Of a group of r = 2 s + 1 workers the answer counts that
//! at least s + 1 gave, bit for bit; so members must add their parts in the same order and with the same kernels.
//! (Chen et al., arXiv 1803.09877.)

use syncline_round::fold::majority;

use crate::code::{MOST_WORKERS, in_worker_order, workers_of};
use crate::error::within;
use crate::{Answer, Code, Decoded, Error, Precision, Repetition, Result, Share, Yields};

/// n workers in groups of 2 s + 1, of which s may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draco {
    groups: Repetition,
    liars: usize,
}

impl Draco {
    /// A code of `workers` workers that stands `liars` liars in all, wherever they are.
    ///
    /// # Errors
    /// Unless 2 * liars + 1 divides the number of workers.
    pub fn new(workers: usize, liars: usize) -> Result<Self> {
        within("the number of workers", workers, 1, MOST_WORKERS)?;
        within("the number of liars", liars, 0, (workers - 1) / 2)?;
        let size = 2 * liars + 1;
        if !workers.is_multiple_of(size) {
            let must = format!("such that 2 liars + 1 = {size} divides the {workers} workers");
            return Err(Error::OutOfRange { what: "the number of liars", got: liars.to_string(), must });
        }
        Ok(Self { groups: Repetition::new(workers, 2 * liars)?, liars })
    }

    /// The answer that a majority of a group gave.
    fn majority<'a>(&self, answers: &[Answer<'a>]) -> Option<&'a [f64]> {
        let agreed = majority(answers, self.liars + 1, |one, other| same_bits(one.values, other.values))?;
        Some(answers[*agreed.first()?].values)
    }
}

/// Equality of bits: a NaN equals itself, and a liar's -0 is not 0.
fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl Code for Draco {
    fn workers(&self) -> usize {
        self.groups.workers()
    }

    fn parts(&self) -> usize {
        self.groups.parts()
    }

    fn assignment(&self, worker: usize) -> Vec<Share> {
        self.groups.assignment(worker)
    }

    fn yields(&self) -> Yields {
        Yields::Sum
    }

    /// All: a missing answer might have been the one that made the majority.
    fn suffices(&self) -> usize {
        self.workers()
    }

    fn decodable(&self, answered: &[usize]) -> bool {
        (0..self.workers()).all(|worker| answered.contains(&worker))
    }

    /// Also of fewer answers, where every group has its majority already.
    fn decode(&mut self, answers: &[Answer<'_>], _: Precision) -> Result<Decoded> {
        // A liar may also send another length: it is then just no part of a majority.
        let ordered = in_worker_order_of_any_length(answers, self.workers())?;
        let mut sum: Option<Vec<f64>> = None;
        for group in 0..self.groups.groups() {
            let members: Vec<Answer<'_>> =
                ordered.iter().filter(|answer| self.groups.group(answer.worker) == group).copied().collect();
            let values = self.majority(&members).ok_or_else(|| Error::NoMajority {
                members: workers_of(&members),
                majority: self.liars + 1,
                liars: self.liars,
            })?;
            sum = Some(match sum {
                None => values.to_vec(),
                Some(sum) if sum.len() == values.len() => {
                    sum.iter().zip(values).map(|(sum, value)| sum + value).collect()
                }
                Some(sum) => {
                    let reason =
                        format!("its group agrees on {} values, others on {}", values.len(), sum.len());
                    return Err(Error::BadAnswer { worker: members[0].worker, reason });
                }
            });
        }
        Ok(Decoded { values: sum.unwrap_or_default(), condition: 1.0 })
    }
}

fn in_worker_order_of_any_length<'a>(answers: &[Answer<'a>], workers: usize) -> Result<Vec<Answer<'a>>> {
    let empty: Vec<Answer<'_>> =
        answers.iter().map(|answer| Answer { worker: answer.worker, values: &[] }).collect();
    in_worker_order(&empty, workers)?;
    let mut ordered = answers.to_vec();
    ordered.sort_by_key(|answer| answer.worker);
    Ok(ordered)
}

/// P\[no group has more than s liars\], every worker lying independently with probability q and liars agreeing with
/// each other: (sum over i <= s of C(2 s + 1, i) q^i (1 - q)^(2 s + 1 - i))^(n / (2 s + 1)).
///
/// # Errors
/// Unless 2 s + 1 divides the number of workers and q is a probability.
pub fn exact_probability(workers: usize, liars: usize, q: f64) -> Result<f64> {
    let groups = Draco::new(workers, liars)?.groups.groups();
    if !(0.0..=1.0).contains(&q) {
        let must = "between 0 and 1".into();
        return Err(Error::OutOfRange { what: "the probability of a lie", got: q.to_string(), must });
    }
    let size = 2 * liars + 1;
    let mut ways = 1.0;
    let mut within = 0.0;
    for lying in 0..=liars {
        within += ways * q.powi(lying as i32) * (1.0 - q).powi((size - lying) as i32);
        ways *= (size - lying) as f64 / (lying + 1) as f64;
    }
    Ok(within.powi(groups as i32))
}
