//! A server's parameters, shared with whoever reads them.
//!
//! Within a process a pull hands out the very buffer. A step happens in place when nobody reads, as always under BSP;
//! otherwise it happens in another buffer, so that a reader keeps the values that it pulled. A buffer goes back to the
//! pool when its last reader lets go.

use syncline_wire::{Pool, Tensor};

/// Free buffers are kept up to this many times the shard's size: enough for every one of a few asynchronous readers.
const SPARE_VERSIONS: usize = 8;

/// The current version.
pub(crate) struct Parameters {
    current: Tensor<f32>,
    pool: Pool<f32>,
}

impl Parameters {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        let pool = Pool::new(size_of_val(values.as_slice()) * SPARE_VERSIONS);
        Self { current: Tensor::from(values), pool }
    }

    /// The values as they are now.
    pub(crate) fn current(&self) -> &Tensor<f32> {
        &self.current
    }

    /// Changes the values, in place if nobody else holds them.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut [f32])) {
        if !self.current.is_unique() {
            let mut fresh = self.pool.take(self.current.len());
            if let Some(values) = fresh.get_mut() {
                values.copy_from_slice(&self.current);
            }
            self.current = fresh;
        }
        match self.current.get_mut() {
            Some(values) => change(values),
            None => unreachable!("a buffer just taken has no other owner"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_what_it_pulled_and_buffers_are_used_again() {
        let mut parameters = Parameters::new(vec![1.0; 4]);
        let address = parameters.current().as_ptr();
        parameters.update(|values| values[0] = 2.0);
        assert_eq!(parameters.current().as_ptr(), address, "nobody reads: in place");

        for round in 0..5 {
            let pulled = parameters.current().clone();
            parameters.update(|values| values[0] += 1.0);
            assert_eq!((pulled[0], parameters.current()[0]), (2.0 + round as f32, 3.0 + round as f32));
        }
        assert!(parameters.pool.reuse().reused >= 3, "{:?}", parameters.pool.reuse());
    }
}
