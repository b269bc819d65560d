//! What is asked of data-parallel training.

use super::link::Link;

/// Another run.
#[derive(Debug, Clone, PartialEq)]
pub struct RanksQuestion {
    /// How many ranks, each with its own batch as in the trace.
    pub world: usize,
    /// Elements of a bucket of gradients at most; `None` for the trace's buckets.
    pub bucket: Option<f64>,
    /// How many times as fast as the trace's its links are, in latency and bandwidth.
    pub faster: f64,
    /// A link whose figures are known, in place of the trace's.
    pub link: Option<Link>,
    /// Whether the slowest rank is as the others are.
    pub without_slowest: bool,
    /// How communication overlaps with work.
    pub overlap: Overlap,
}

/// How communication overlaps with work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// As in the trace.
    AsTraced,
    /// Nothing waits for an exchange before the step ends.
    All,
    /// Every exchange begins only where the rank needs it.
    None,
}

impl RanksQuestion {
    /// The traced run with so many ranks.
    pub fn of(world: usize) -> Self {
        Self {
            world,
            bucket: None,
            faster: 1.0,
            link: None,
            without_slowest: false,
            overlap: Overlap::AsTraced,
        }
    }
}
