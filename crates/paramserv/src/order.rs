//! In which order a worker goes through its rows: another one in every epoch.
//!
//! - ORD-1: an order is drawn from the run's seed, the worker and the epoch alone, so that a run has the same batches on
//!   every executor, whoever is late, and however many servers there are.
//! - ORD-2: every row comes once an epoch.

use std::{ops::Range, sync::Arc};

use syncline_data::{Dataset, permutation};

use crate::delay::mix;

/// Gathered batches that may be under way: one is computed with while servers may still hold the last ones.
const BUFFERS: usize = 4;

/// A worker's rows in the order of an epoch.
pub(crate) struct Order {
    seed: u64,
    worker: u32,
    /// Where the worker's rows begin.
    start: usize,
    epoch: Option<u64>,
    /// Rows of the data set, all of the worker's, in order.
    rows: Vec<usize>,
    /// Batches that were gathered, to be overwritten when nobody reads them any more.
    buffers: Vec<Arc<Dataset>>,
}

impl Order {
    pub(crate) fn new(seed: u64, worker: u32, rows: Range<usize>) -> Self {
        Self { seed, worker, start: rows.start, epoch: None, rows: rows.collect(), buffers: Vec::new() }
    }

    /// Copies of the rows that take the places `range` in the order of an epoch; places are counted as the worker's
    /// rows are.
    pub(crate) fn gather(&mut self, data: &Dataset, epoch: u64, range: Range<usize>) -> Arc<Dataset> {
        if self.epoch != Some(epoch) {
            let order = permutation(self.rows.len(), mix(self.seed, self.worker.into(), epoch));
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
        let order = || Order::new(7, 2, 30..90);
        let (first, second) = (epoch(&mut order(), 0), epoch(&mut order(), 1));
        assert_ne!(first, second);
        assert_ne!(first, epoch(&mut Order::new(7, 1, 30..90), 0), "another worker");
        let mut going = order();
        assert_eq!((epoch(&mut going, 0), epoch(&mut going, 1)), (first.clone(), second));
        let sorted = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            values
        };
        assert_eq!(sorted(first), sorted(values(&data)[30..90].to_vec()));
    }

    #[test]
    fn a_batch_that_is_still_read_is_not_overwritten() {
        let data = synthetic::linear(100, 2, 0.1, 1);
        let mut order = Order::new(1, 0, 0..100);
        let held: Vec<_> = (0..8).map(|batch| order.gather(&data, 0, batch * 10..batch * 10 + 10)).collect();
        let seen: Vec<_> = held.iter().map(|batch| values(batch)).collect();
        order.gather(&data, 0, 80..90);
        assert!(held.iter().zip(seen).all(|(batch, seen)| values(batch) == seen));
    }
}
