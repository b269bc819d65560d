//! In which order a worker goes through its rows: another one in every epoch.
//!
//! - ORD-1: an order is drawn from the run's seed, the worker and the epoch alone, so that a run has the same batches on
//!   every executor, whoever is late, and however many servers there are.
//! - ORD-2: every row comes once an epoch.
//! - ORD-3: rows that were dealt at random are shuffled block by block: blocks of neighbours are put in a random order, and
//!   within a window of so many blocks as stay in a core's cache any order is as likely. Neighbours are strangers there,
//!   so a batch is a sample like any other; of rows that lie as a file had them it would not be, and those are shuffled
//!   one by one.

use std::{ops::Range, sync::Arc};

use syncline_data::{Dataset, permutation};

use crate::delay::mix;

/// Gathered batches that may be under way: one is computed with while servers may still hold the last ones.
const BUFFERS: usize = 4;

/// Neighbouring rows that stay together, and the blocks of a window. What shuffling costs is that each row comes from another
/// place of the memory; a block is read in a stream, and a window is still cached when its last row is gathered. Over
/// 60 values a row, rows one by one took 2.1 times the time of rows in order, and so 1.5 times (docs/measurements/training-speed.md).
const BLOCK: usize = 32;
const BLOCKS: usize = 32;

/// A worker's rows in the order of an epoch.
pub(crate) struct Order {
    seed: u64,
    worker: u32,
    /// Whether they were dealt at random.
    are_drawn: bool,
    /// Where the worker's rows begin.
    start: usize,
    epoch: Option<u64>,
    /// Rows of the data set, all of the worker's, in order.
    rows: Vec<usize>,
    /// Batches that were gathered, to be overwritten when nobody reads them any more.
    buffers: Vec<Arc<Dataset>>,
}

impl Order {
    /// `are_drawn`: whether the worker's rows lie in an order that was drawn.
    pub(crate) fn new(seed: u64, worker: u32, are_drawn: bool, rows: Range<usize>) -> Self {
        let start = rows.start;
        Self { seed, worker, are_drawn, start, epoch: None, rows: rows.collect(), buffers: Vec::new() }
    }

    /// Copies of the rows that take the places `range` in the order of an epoch; places are counted as the worker's
    /// rows are.
    pub(crate) fn gather(&mut self, data: &Dataset, epoch: u64, range: Range<usize>) -> Arc<Dataset> {
        if self.epoch != Some(epoch) {
            let seed = mix(self.seed, self.worker.into(), epoch);
            let order = match self.are_drawn {
                true => in_windows(self.rows.len(), seed),
                false => permutation(self.rows.len(), seed),
            };
            self.rows.iter_mut().zip(order).for_each(|(row, place)| *row = self.start + place);
            self.epoch = Some(epoch);
        }
        let rows = &self.rows[range.start - self.start..range.end - self.start];
        // The one that was used last still lies in the caches.
        let free = self.buffers.iter_mut().rposition(|buffer| Arc::get_mut(buffer).is_some());
        let mut buffer = match free {
            Some(index) => self.buffers.remove(index),
            None => Arc::new(data.select(&[])),
        };
        if let Some(buffer) = Arc::get_mut(&mut buffer) {
            data.gather(rows, buffer);
        }
        if self.buffers.len() < BUFFERS {
            self.buffers.push(Arc::clone(&buffer));
        }
        buffer
    }
}

/// The numbers below `rows` in an order drawn by `seed`, block by block; any order where there is one window only.
fn in_windows(rows: usize, seed: u64) -> Vec<usize> {
    if rows <= BLOCK * BLOCKS {
        return permutation(rows, seed);
    }
    let mut order = Vec::with_capacity(rows);
    for (window, blocks) in permutation(rows.div_ceil(BLOCK), seed).chunks(BLOCKS).enumerate() {
        let near: Vec<usize> =
            blocks.iter().flat_map(|block| block * BLOCK..((block + 1) * BLOCK).min(rows)).collect();
        let places = permutation(near.len(), mix(seed, 0, window as u64 + 1));
        order.extend(places.into_iter().map(|place| near[place]));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_data::{Targets, synthetic};

    fn values(data: &Dataset) -> Vec<f32> {
        match data.targets() {
            Targets::Real(values) => values.clone(),
            Targets::Class { .. } => panic!("real targets"),
        }
    }

    #[test]
    fn every_epoch_has_all_rows_in_another_order_that_repeats_by_seed() {
        let data = synthetic::linear(100, 2, 0.1, 1);
        let epoch = |order: &mut Order, epoch: u64| -> Vec<f32> {
            let batches = (30..90).step_by(20).map(|start| start..start + 20);
            batches.flat_map(|range| values(&order.gather(&data, epoch, range))).collect()
        };
        let order = || Order::new(7, 2, true, 30..90);
        let (first, second) = (epoch(&mut order(), 0), epoch(&mut order(), 1));
        assert_ne!(first, second);
        assert_ne!(first, epoch(&mut Order::new(7, 1, true, 30..90), 0), "another worker");
        let mut going = order();
        assert_eq!((epoch(&mut going, 0), epoch(&mut going, 1)), (first.clone(), second));
        let sorted = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            values
        };
        assert_eq!(sorted(first), sorted(values(&data)[30..90].to_vec()));
    }

    #[test]
    fn many_rows_are_shuffled_in_windows_and_each_comes_once() {
        for rows in [BLOCK * BLOCKS + 1, 10 * BLOCK * BLOCKS + 7] {
            let mut sorted = in_windows(rows, 3);
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..rows), "ORD-2");
        }
        let rows = 10 * BLOCK * BLOCKS;
        let order = in_windows(rows, 3);
        let window = &order[BLOCK * BLOCKS..2 * BLOCK * BLOCKS];
        let blocks: std::collections::BTreeSet<usize> = window.iter().map(|row| row / BLOCK).collect();
        assert_eq!(blocks.len(), BLOCKS, "ORD-3: whole blocks");
        assert!(blocks.last().unwrap_or(&0) - blocks.first().unwrap_or(&0) > 2 * BLOCKS, "from anywhere");
        let together = order.windows(2).filter(|pair| pair[0] / BLOCK == pair[1] / BLOCK).count();
        let by_chance = rows / BLOCKS;
        assert!((by_chance / 2..by_chance * 2).contains(&together), "{together} of {rows}");
        assert_ne!(order, in_windows(rows, 4));
    }

    #[test]
    fn a_batch_that_is_still_read_is_not_overwritten() {
        let data = synthetic::linear(100, 2, 0.1, 1);
        let mut order = Order::new(1, 0, true, 0..100);
        let held: Vec<_> = (0..8).map(|batch| order.gather(&data, 0, batch * 10..batch * 10 + 10)).collect();
        let seen: Vec<_> = held.iter().map(|batch| values(batch)).collect();
        order.gather(&data, 0, 80..90);
        assert!(held.iter().zip(seen).all(|(batch, seen)| values(batch) == seen));
    }
}
