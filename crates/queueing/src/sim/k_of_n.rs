//! Purging: start_i = max(A, free_i), c_i = start_i + X_i, D = k-th smallest c; a task that had started is stopped
//! at min(c_i, D), one that had not leaves its queue. Exact, because queues are FIFO.

use rand::RngExt;

use super::{Passage, Random, System, nth};

/// n servers; a job sends a task to `copies` of them, the `needed`-th completion cancels the others.
#[derive(Debug, Clone)]
pub struct KOfNSystem {
    free: Vec<f64>,
    copies: usize,
    needed: usize,
    order: Vec<usize>,
    finish: Vec<f64>,
    scratch: Vec<f64>,
}

impl KOfNSystem {
    /// `servers` (n), `copies` (d, at most n), `needed` (k, at most d).
    pub fn new(servers: usize, copies: usize, needed: usize) -> Self {
        let free = vec![0.0; servers];
        let scratch = vec![0.0; copies];
        Self { free, copies, needed, order: (0..servers).collect(), finish: scratch.clone(), scratch }
    }
}

/// Moves a uniformly random subset of the given size to the front.
#[inline]
pub(crate) fn choose(order: &mut [usize], size: usize, random: &mut Random) {
    if size == order.len() {
        return;
    }
    for i in 0..size {
        let other = random.random_range(i..order.len());
        order.swap(i, other);
    }
}

impl System for KOfNSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.copies
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], random: &mut Random) -> Passage {
        choose(&mut self.order, self.copies, random);
        let chosen = &self.order[..self.copies];
        let mut started = f64::INFINITY;
        for ((&server, size), finish) in chosen.iter().zip(sizes).zip(&mut self.finish) {
            let start = self.free[server].max(arrival);
            started = started.min(start);
            *finish = start + size;
        }
        self.scratch.copy_from_slice(&self.finish);
        let departed = nth(&mut self.scratch, self.needed);
        for (&server, &finish) in chosen.iter().zip(&self.finish) {
            if self.free[server].max(arrival) < departed {
                self.free[server] = finish.min(departed);
            }
        }
        Passage { started, departed }
    }
}
