//! Which rows each worker holds, and the permutation of the next epoch.

use rand::seq::{SliceRandom, index};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::MOST_WORKERS;
use crate::error::within;
use crate::{Error, Result};

/// The rows that the workers hold: their part of the present epoch and a random share of the others.
#[derive(Clone, Debug)]
pub struct Caches {
    /// The worker that trains on each row in this epoch.
    owner: Vec<u8>,
    /// The workers that hold each row, as bits; the owner is among them.
    holders: Vec<u16>,
    workers: usize,
    /// Rows of others that each worker keeps.
    spare: usize,
    rng: Xoshiro256PlusPlus,
}

impl Caches {
    /// `rows` rows, dealt to `workers` workers that keep a share of the rows of others besides: the closest whole
    /// number to `share` times these rows.
    ///
    /// # Errors
    /// Unless there are 2 to 16 workers that divide the rows, and the share lies between 0 and 1.
    pub fn new(workers: usize, rows: usize, share: f64, seed: u64) -> Result<Self> {
        within("the number of workers", workers, 2, MOST_WORKERS)?;
        if !rows.is_multiple_of(workers) || rows == 0 {
            let must = format!("a multiple of the {workers} workers");
            return Err(Error::OutOfRange { what: "the number of rows", got: rows.to_string(), must });
        }
        if !(0.0..=1.0).contains(&share) {
            let must = "between 0 and 1".into();
            return Err(Error::OutOfRange {
                what: "the share of others' rows",
                got: share.to_string(),
                must,
            });
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let owner = permuted(&mut rng, workers, rows);
        let others = rows - rows / workers;
        let spare = (share * others as f64).round() as usize;
        let mut caches = Self { holders: vec![0; rows], owner, workers, spare, rng };
        for worker in 0..workers {
            let foreign: Vec<usize> = (0..rows).filter(|&row| caches.owner(row) != worker).collect();
            caches.keep(worker, &foreign);
        }
        Ok(caches)
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.owner.len()
    }

    /// The worker that trains on a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn owner(&self, row: usize) -> usize {
        usize::from(self.owner[row])
    }

    /// Whether a worker holds a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn holds(&self, worker: usize, row: usize) -> bool {
        self.holders[row] & (1 << worker) != 0
    }

    /// The workers that hold a row, as bits.
    pub(super) fn holders(&self, row: usize) -> u16 {
        self.holders[row]
    }

    /// Draws the owners of the next epoch.
    pub fn next_epoch(&mut self) -> Vec<u8> {
        let rows = self.rows();
        permuted(&mut self.rng, self.workers, rows)
    }

    /// After every worker has its rows of the next epoch: what does not fit any more is forgotten, at random.
    ///
    /// # Panics
    /// If there are not as many owners as rows.
    pub fn advance(&mut self, owners: Vec<u8>) {
        assert_eq!(owners.len(), self.rows(), "one owner a row");
        self.owner = owners;
        let held = self.holders.clone();
        self.holders.fill(0);
        for worker in 0..self.workers {
            let foreign: Vec<usize> = (0..self.rows())
                .filter(|&row| held[row] & (1 << worker) != 0 && self.owner(row) != worker)
                .collect();
            self.keep(worker, &foreign);
        }
    }

    /// A worker keeps its own rows and a random choice of some foreign ones.
    fn keep(&mut self, worker: usize, foreign: &[usize]) {
        let chosen = index::sample(&mut self.rng, foreign.len(), self.spare.min(foreign.len()));
        let own = (0..self.rows()).filter(|&row| self.owner(row) == worker);
        let kept: Vec<usize> = own.chain(chosen.iter().map(|at| foreign[at])).collect();
        for row in kept {
            self.holders[row] |= 1 << worker;
        }
    }
}

/// Owners of equal numbers of rows, in random order.
fn permuted(rng: &mut Xoshiro256PlusPlus, workers: usize, rows: usize) -> Vec<u8> {
    let mut owners: Vec<u8> = (0..rows).map(|row| (row % workers) as u8).collect();
    owners.shuffle(rng);
    owners
}
