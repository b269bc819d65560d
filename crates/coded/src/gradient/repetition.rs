//! Fractional repetition: groups of s + 1 workers hold the same s + 1 parts, so one answer of each group suffices.
//!
//! Exact to the bit when the members of a group add their parts in the same order, and usually decodable before n -
//! s answers. The default gradient code.

use crate::code::{MOST_WORKERS, in_worker_order, workers_of};
use crate::error::within;
use crate::{Answer, Code, Decoded, Error, Precision, Result, Share, Yields};

/// n workers in groups of s + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    workers: usize,
    stragglers: usize,
}

impl Repetition {
    /// A code of `workers` workers that stands `stragglers` of them; 0 is the plain bulk-synchronous sum.
    ///
    /// # Errors
    /// Unless `stragglers + 1` divides the number of workers.
    pub fn new(workers: usize, stragglers: usize) -> Result<Self> {
        within("the number of workers", workers, 1, MOST_WORKERS)?;
        within("the number of stragglers", stragglers, 0, workers - 1)?;
        if !workers.is_multiple_of(stragglers + 1) {
            let must = format!("one less than a divisor of the {workers} workers (or take a cyclic code)");
            return Err(Error::OutOfRange {
                what: "the number of stragglers",
                got: stragglers.to_string(),
                must,
            });
        }
        Ok(Self { workers, stragglers })
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.workers / (self.stragglers + 1)
    }

    /// The group of a worker.
    pub fn group(&self, worker: usize) -> usize {
        worker / (self.stragglers + 1)
    }
}

impl Code for Repetition {
    fn workers(&self) -> usize {
        self.workers
    }

    fn parts(&self) -> usize {
        self.workers
    }

    fn assignment(&self, worker: usize) -> Vec<Share> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        let size = self.stragglers + 1;
        let first = self.group(worker) * size;
        (first..first + size).map(|part| Share { part, coefficient: 1.0 }).collect()
    }

    fn yields(&self) -> Yields {
        Yields::Sum
    }

    fn suffices(&self) -> usize {
        self.workers - self.stragglers
    }

    fn decodable(&self, answered: &[usize]) -> bool {
        let mut heard = vec![false; self.groups()];
        for worker in answered.iter().filter(|worker| **worker < self.workers) {
            heard[self.group(*worker)] = true;
        }
        heard.iter().all(|heard| *heard)
    }

    fn decode(&mut self, answers: &[Answer<'_>], _: Precision) -> Result<Decoded> {
        let ordered = in_worker_order(answers, self.workers)?;
        let mut sum: Option<Vec<f64>> = None;
        for group in 0..self.groups() {
            let first = ordered.iter().find(|answer| self.group(answer.worker) == group);
            let first = first.ok_or_else(|| Error::NotDecodable {
                answered: workers_of(&ordered),
                needed: format!("nobody of group {group} answered"),
            })?;
            sum = Some(match sum {
                None => first.values.to_vec(),
                Some(sum) => sum.iter().zip(first.values).map(|(sum, value)| sum + value).collect(),
            });
        }
        Ok(Decoded { values: sum.unwrap_or_default(), condition: 1.0 })
    }
}

/// E\[answers in random order until every group of s + 1 of n workers has been heard\]:
/// sum over m < n of P\[some group is unheard after m answers\].
///
/// # Errors
/// Unless `stragglers + 1` divides the number of workers.
pub fn expected_answers(workers: usize, stragglers: usize) -> Result<f64> {
    let groups = Repetition::new(workers, stragglers)?.groups();
    let size = stragglers + 1;
    // unheard[u] = P[exactly u groups are unheard], answer by answer: the next one is the first of its group with
    // probability size u / (workers left). Equal to the alternating sum, which cancels beyond thirty groups; here
    // all terms are positive.
    let mut unheard = vec![0.0; groups + 1];
    unheard[groups] = 1.0;
    let mut expected = 0.0;
    for answers in 0..workers {
        expected += 1.0 - unheard[0];
        let left = (workers - answers) as f64;
        for count in 1..=groups {
            let first_of_a_group = unheard[count] * (size * count) as f64 / left;
            unheard[count] -= first_of_a_group;
            unheard[count - 1] += first_of_a_group;
        }
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_answers_match_the_published_value() {
        assert!((expected_answers(12, 2).unwrap() - 6.057_142_857).abs() < 1e-8);
        assert_eq!(expected_answers(5, 0).unwrap(), 5.0, "without copies all are needed");
        assert_eq!(expected_answers(4, 3).unwrap(), 1.0, "of one group the first suffices");
    }
}
