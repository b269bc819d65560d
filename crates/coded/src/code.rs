//! What every code has: an assignment of parts with redundancy, and a fold that turns enough answers into the
//! result.
//!
//! Invariants: CODE-1, the result depends on which workers answered and on what, never on the order of arrival;
//! CODE-2, a set that holds a decodable set is decodable; CODE-3, what cannot be decoded well is an error, never a
//! wrong result.

use crate::{Error, Result};

/// Workers of a code at most: sums over all of them are made one by one.
pub(crate) const MOST_WORKERS: usize = 1 << 16;

/// One part of the work that a worker gets, and the weight that the part's answer has in the worker's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Which part, from 0.
    pub part: usize,
    /// Its weight.
    pub coefficient: f64,
}

/// What a code's fold returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yields {
    /// The answers of all parts, one after the other.
    Blocks,
    /// The sum of the answers of all parts.
    Sum,
}

/// The precision to which workers compute their answers; decoding is always done in double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Answers computed as f32: 24 bits.
    Single,
    /// Answers computed as f64: 53 bits.
    Double,
}

impl Precision {
    /// Largest relative rounding error of one number.
    pub fn rounding(self) -> f64 {
        match self {
            Self::Single => 6e-8,
            Self::Double => 2.2e-16,
        }
    }

    /// Largest relative error of a decode that is let pass.
    pub fn tolerance(self) -> f64 {
        match self {
            Self::Single => 1e-3,
            Self::Double => 1e-6,
        }
    }
}

/// What one worker answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Who answered, from 0.
    pub worker: usize,
    /// The answer: of the same length from all workers.
    pub values: &'a [f64],
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// All parts' answers one after the other, or their sum, as [`Code::yields`] says.
    pub values: Vec<f64>,
    /// By how much a relative error of the answers may grow: the 2-norm condition number of the rows that were
    /// solved, or the sum of the absolute decoding weights; 1 where nothing had to be solved.
    pub condition: f64,
}

/// An assignment with redundancy, and the fold that undoes it.
///
/// Whoever hands out work asks a code who gets which parts, collects answers until they suffice, and decodes:
///
/// ```
/// use syncline_coded::{Answer, Code, Precision, Replicate};
///
/// let mut code = Replicate::new(6, 2)?; // three parts, two workers each
/// let part = [10.0, 20.0, 30.0]; // what each part comes to
/// let work = |worker: usize| code.assignment(worker).iter().map(|share| share.coefficient * part[share.part]).sum();
/// let quick: Vec<(usize, [f64; 1])> = [5, 1, 2].map(|worker| (worker, [work(worker)])).into();
/// assert!(code.decodable(&[5, 1, 2]) && code.suffices() == 5, "these three do, any five would");
/// let answers: Vec<_> = quick.iter().map(|(worker, values)| Answer { worker: *worker, values }).collect();
/// assert_eq!(code.decode(&answers, Precision::Double)?.values, part);
/// # Ok::<(), syncline_coded::Error>(())
/// ```
pub trait Code {
    /// How many workers take part.
    fn workers(&self) -> usize;

    /// Into how many parts the work is cut.
    fn parts(&self) -> usize;

    /// What a worker computes: the answer that it owes is the weighted sum of the answers of these parts.
    ///
    /// # Panics
    /// If the worker is not below [`Code::workers`].
    fn assignment(&self, worker: usize) -> Vec<Share>;

    /// What the fold returns.
    fn yields(&self) -> Yields;

    /// A number of answers that always suffices, whoever gives them.
    fn suffices(&self) -> usize;

    /// Whether the answers of these workers, in any order, determine the result.
    fn decodable(&self, answered: &[usize]) -> bool;

    /// The result from the answers of some workers, in any order.
    ///
    /// # Errors
    /// When the answers do not suffice, do not belong to one round, or would be decoded too badly.
    fn decode(&mut self, answers: &[Answer<'_>], precision: Precision) -> Result<Decoded>;

    /// How many times the uncoded work all workers do together.
    fn work_factor(&self) -> f64 {
        let shares: usize = (0..self.workers()).map(|worker| self.assignment(worker).len()).sum();
        shares as f64 / self.parts() as f64
    }
}

/// The answers in worker order, after a check that they can be answers of one round.
pub(crate) fn in_worker_order<'a>(answers: &[Answer<'a>], workers: usize) -> Result<Vec<Answer<'a>>> {
    let mut ordered = answers.to_vec();
    ordered.sort_by_key(|answer| answer.worker);
    for (index, answer) in ordered.iter().enumerate() {
        let bad = |reason: String| Err(Error::BadAnswer { worker: answer.worker, reason });
        if answer.worker >= workers {
            return bad(format!("there are {workers} workers, counted from 0"));
        }
        if index > 0 && ordered[index - 1].worker == answer.worker {
            return bad("it answered already".into());
        }
        if answer.values.len() != ordered[0].values.len() {
            let (found, others) = (answer.values.len(), ordered[0].values.len());
            return bad(format!("it has {found} values, the others have {others}"));
        }
    }
    Ok(ordered)
}

/// Who answered.
pub(crate) fn workers_of(answers: &[Answer<'_>]) -> Vec<usize> {
    answers.iter().map(|answer| answer.worker).collect()
}

/// Refuses a decode whose error could exceed what its precision allows.
pub(crate) fn check_condition(answered: &[usize], condition: f64, precision: Precision) -> Result<()> {
    let (error, tolerance) = (condition * precision.rounding(), precision.tolerance());
    // Also a condition that is not a number.
    if error <= tolerance {
        return Ok(());
    }
    Err(Error::IllConditioned { answered: answered.to_vec(), condition, error, tolerance })
}
