//! Copies: the work is cut into n / r blocks, each held by r workers; the first answer of each block counts. One
//! copy is the uncoded round, which waits for all.

use crate::code::{MOST_WORKERS, in_worker_order, workers_of};
use crate::error::within;
use crate::{Answer, Code, Decoded, Error, Precision, Result, Share, Yields};

/// r copies of each of n / r blocks; worker i holds block i / r.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicate {
    workers: usize,
    copies: usize,
}

impl Replicate {
    /// `copies` copies of each block.
    ///
    /// # Errors
    /// Unless the copies are at least 1 and divide the number of workers.
    pub fn new(workers: usize, copies: usize) -> Result<Self> {
        within("the number of workers", workers, 1, MOST_WORKERS)?;
        within("the number of copies", copies, 1, workers)?;
        if !workers.is_multiple_of(copies) {
            let must = format!("a divisor of the {workers} workers");
            return Err(Error::OutOfRange { what: "the number of copies", got: copies.to_string(), must });
        }
        Ok(Self { workers, copies })
    }

    /// The uncoded round: one copy.
    ///
    /// # Errors
    /// Without workers.
    pub fn uncoded(workers: usize) -> Result<Self> {
        Self::new(workers, 1)
    }
}

impl Code for Replicate {
    fn workers(&self) -> usize {
        self.workers
    }

    fn parts(&self) -> usize {
        self.workers / self.copies
    }

    fn assignment(&self, worker: usize) -> Vec<Share> {
        assert!(worker < self.workers, "worker {worker} of {}", self.workers);
        vec![Share { part: worker / self.copies, coefficient: 1.0 }]
    }

    fn yields(&self) -> Yields {
        Yields::Blocks
    }

    fn suffices(&self) -> usize {
        // All copies of all blocks but one may come before the first of that one.
        self.workers - self.copies + 1
    }

    fn decodable(&self, answered: &[usize]) -> bool {
        let mut heard = vec![false; self.parts()];
        for worker in answered.iter().filter(|worker| **worker < self.workers) {
            heard[worker / self.copies] = true;
        }
        heard.iter().all(|heard| *heard)
    }

    fn decode(&mut self, answers: &[Answer<'_>], _: Precision) -> Result<Decoded> {
        let ordered = in_worker_order(answers, self.workers)?;
        let mut values = Vec::new();
        for block in 0..self.parts() {
            let copy = ordered.iter().find(|answer| answer.worker / self.copies == block);
            let copy = copy.ok_or_else(|| Error::NotDecodable {
                answered: workers_of(&ordered),
                needed: format!("nobody answered block {block}"),
            })?;
            values.extend_from_slice(copy.values);
        }
        Ok(Decoded { values, condition: 1.0 })
    }
}
