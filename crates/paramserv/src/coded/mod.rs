//! Linear models trained by coded products (Lee et al., arXiv 1512.02673): each worker holds a coded block of the rows and one of the
//! columns, and every step needs two products, the outputs of all rows and then the gradient, each from the first answers that
//! suffice.
//!
//! To the servers that is bulk-synchronous training by one worker with all rows in its batch: the [`Lead`], whose gradients come from
//! the workers. So optimisers, schedules, checkpoints and reports know nothing of it.
//!
//! - CODED-1: what a step is made of does not depend on whose answers came first but for rounding: products are of 64 bits, and a
//!   decode that could lose more than 1e-6 of them fails, and names the workers.

#[cfg(feature = "coded")]
mod lead;
#[cfg(feature = "coded")]
mod matrices;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_trace::Decoded;

#[cfg(feature = "coded")]
pub(crate) use lead::{Coding, Holding, Lead};

/// Products that are told one by one: those of two thousand steps.
#[cfg(feature = "coded")]
const TOLD: usize = 4096;

/// What the products of a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CodedRecord {
    pub decoded: Decoded,
    pub workers: Vec<CodedWorker>,
}

/// What one worker of a coded run did.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CodedWorker {
    /// Answers that it gave.
    pub given: u64,
    /// Tasks at which it was told to stop.
    pub cancelled: u64,
    /// Rows of coded blocks that it multiplied to the end.
    pub rows: u64,
    pub computed: Duration,
    /// Of which for nothing.
    pub thrown_away: Duration,
    pub sent: Duration,
    pub waited: Duration,
    /// When its last task ended.
    pub ended: Duration,
}

#[cfg(feature = "coded")]
impl CodedRecord {
    pub(crate) fn new(workers: usize) -> Self {
        Self { decoded: Decoded::default(), workers: vec![CodedWorker::default(); workers] }
    }

    /// Takes in a product.
    pub(crate) fn take(&mut self, product: syncline_trace::DecodedProduct) {
        let all = &mut self.decoded;
        all.products += 1;
        all.cancelled += u64::from(product.cancelled);
        all.waited_ns += product.waited_ns;
        all.decode_ns += product.decode_ns;
        all.worst_condition = all.worst_condition.max(product.condition);
        if all.each.len() < TOLD {
            all.each.push(product);
        }
    }
}
