//! Parameters that the workers of one process step without a lock (Niu, Recht, Re, Wright: Hogwild!, NIPS 2011).
//!
//! Each parameter is the bits of an f32 in an atomic of its own, which is loaded and stored with relaxed order. Why that is
//! enough:
//!
//! - HOG-1: a value that is read is one that somebody wrote, whole: every access is atomic, so that there is no data race and
//!   nothing torn.
//! - Of different parameters a reader may see different versions. The algorithm allows that: a gradient may stand on any
//!   mixture of recent values, so that nothing has to order them.
//! - A step is a load and then a store, not one atomic operation: of two steps at one coordinate at the same moment one may be
//!   lost. Where rows touch few of the parameters that is rare; where every step touches all of them it is the price of not
//!   waiting. An exchange in a loop would lose none, and costs several times as much where all coordinates are stepped.
//! - HOG-2: who has to see all steps, as a checkpoint does, reads after each worker has said under the server's lock that it
//!   has handed in; taking the lock after them orders the read after their stores.
//!
//! Steps need nothing but the gradient (`sgd`): what momentum and adam remember would have to fit the parameters.

use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use syncline_round::{Optimizer, SparseGradient};
use syncline_wire::{Pool, ServiceError, Tensor};

use crate::gradient::{Values, check_indices};

/// Copies under way at most: each worker of a usual machine has one.
const COPIES: usize = 8;

/// A shard of them.
pub(crate) struct Hogwild {
    cells: Box<[AtomicU32]>,
    optimizer: Optimizer,
    /// Where the penalties act.
    regularised: Vec<Range<usize>>,
    copies: Pool<f32>,
}

impl Hogwild {
    /// Parameters that begin with these values, and are stepped by the rule `sgd` with this rate and these penalties.
    pub(crate) fn new(values: &[f32], optimizer: Optimizer, regularised: Vec<Range<usize>>) -> Self {
        let penalised = optimizer.l1() > 0.0 || optimizer.l2() > 0.0;
        Self {
            cells: values.iter().map(|value| AtomicU32::new(value.to_bits())).collect(),
            optimizer,
            regularised: if penalised { regularised } else { Vec::new() },
            copies: Pool::new(size_of_val(values) * COPIES),
        }
    }

    /// A copy of all of them, as they are met.
    pub(crate) fn read(&self) -> Tensor<f32> {
        let mut copy = self.copies.take(self.cells.len());
        if let Some(values) = copy.get_mut() {
            values.iter_mut().zip(&self.cells).for_each(|(value, cell)| *value = load(cell));
        }
        copy
    }

    /// A copy of those at these coordinates, in their order.
    pub(crate) fn read_at(&self, indices: &[u32]) -> Result<Tensor<f32>, ServiceError> {
        check_indices(indices, self.cells.len()).map_err(ServiceError::new)?;
        let mut copy = self.copies.take(indices.len());
        if let Some(values) = copy.get_mut() {
            values
                .iter_mut()
                .zip(indices)
                .for_each(|(value, &index)| *value = load(&self.cells[index as usize]));
        }
        Ok(copy)
    }

    /// Puts them at these values, which are as many.
    pub(crate) fn write(&self, values: &[f32]) {
        self.cells.iter().zip(values).for_each(|(cell, value)| store(cell, *value));
    }

    /// One step along a gradient of this shard, of that weight, at a factor of the rate.
    pub(crate) fn step(&self, gradient: &Values, shard: &Range<usize>, weight: f32, factor: f32) {
        let rate = self.optimizer.rate() * factor;
        // w - a (g + l2 w) is w (1 - a l2) - a g.
        let kept = 1.0 - rate * self.optimizer.l2();
        if kept < 1.0 {
            self.change_regularised(|w| w * kept);
        }
        match gradient.sparse(shard) {
            Some(sparse) => {
                sparse.for_each_run(|start, values, by| self.take_off(start, values, rate * weight * by))
            }
            None => self.take_off(0, &gradient.dense(shard), rate * weight),
        }
        let drawn = rate * self.optimizer.l1();
        if drawn > 0.0 {
            self.change_regularised(|w| w.signum() * (w.abs() - drawn).max(0.0));
        }
    }

    /// Takes `values`, times `by`, off the parameters from `start` on.
    fn take_off(&self, start: usize, values: &[f32], by: f32) {
        let cells = &self.cells[start..start + values.len()];
        cells.iter().zip(values).for_each(|(cell, value)| store(cell, load(cell) - by * value));
    }

    fn change_regularised(&self, change: impl Fn(f32) -> f32) {
        let cells = self.regularised.iter().flat_map(|range| &self.cells[range.clone()]);
        cells.for_each(|cell| store(cell, change(load(cell))));
    }
}

fn load(cell: &AtomicU32) -> f32 {
    f32::from_bits(cell.load(Relaxed))
}

fn store(cell: &AtomicU32, value: f32) {
    cell.store(value.to_bits(), Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use syncline_round::Rule;

    use super::*;

    fn sgd(rate: f32) -> Optimizer {
        Optimizer::new(Rule::Sgd, rate).unwrap()
    }

    fn dense(values: &[f32]) -> Values {
        Values::Dense(values.to_vec().into())
    }

    #[test]
    fn a_step_is_that_of_the_optimiser() {
        let optimizer = sgd(0.5).with_l2(0.1).unwrap().with_l1(0.01).unwrap();
        let start = [1.0f32, -2.0, 0.003, 4.0, -0.5];
        let gradient = [0.25f32, 1.0, 0.0, -3.0, 0.0];
        let sparse = Values::Sparse(vec![3, 1, 0].into(), vec![-3.0, 1.0, 0.25].into());
        for values in [dense(&gradient), sparse] {
            let shared = Hogwild::new(&start, optimizer, vec![1..4]);
            shared.step(&values, &(0..5), 0.5, 0.8);
            let mut expected = start;
            let mut state = optimizer.state(5, &[1..4]);
            state.set_factor(0.8);
            state.step(&mut expected, &[(&gradient, 0.5)]);
            for (ours, theirs) in shared.read().iter().zip(expected) {
                assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn coordinates_are_read_in_the_order_in_which_they_are_asked() {
        let shared = Hogwild::new(&[1.0, 2.0, 3.0], sgd(0.1), Vec::new());
        assert_eq!(shared.read_at(&[2, 0]).unwrap()[..], [3.0, 1.0]);
        assert!(shared.read_at(&[3]).is_err());
        shared.write(&[7.0, 8.0, 9.0]);
        assert_eq!(shared.read()[..], [7.0, 8.0, 9.0]);
    }

    #[test]
    fn hog_1_and_2_threads_lose_steps_at_most_and_tear_nothing() {
        const THREADS: usize = 4;
        const STEPS: usize = 20_000;
        let shared = Hogwild::new(&[0.0; 8], sgd(1.0), Vec::new());
        let together = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (shared, together) = (&shared, &together);
                scope.spawn(move || {
                    // Coordinate 4 + thread is its own, the first four are everybody's.
                    let mut gradient = [-1.0f32, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0];
                    gradient[4 + thread] = -1.0;
                    let indices = [0, 1, 2, 3, 4 + thread as u32];
                    let values = indices.map(|index| gradient[index as usize]);
                    let step = Values::Sparse(indices.to_vec().into(), values.to_vec().into());
                    together.wait();
                    for _ in 0..STEPS {
                        shared.step(&step, &(0..8), 1.0, 1.0);
                        let seen = shared.read();
                        let whole = |value: &f32| {
                            value.fract() == 0.0 && (0.0..=(THREADS * STEPS) as f32).contains(value)
                        };
                        assert!(seen.iter().all(whole), "HOG-1: {:?}", &seen[..]);
                    }
                });
            }
        });
        let end = shared.read();
        assert!(
            end[4..].iter().all(|&value| value == STEPS as f32),
            "HOG-2: nobody else steps there: {:?}",
            &end[..]
        );
        assert!(end[..4].iter().all(|&value| value >= STEPS as f32 / 2.0), "{:?}", &end[..]);
    }
}
