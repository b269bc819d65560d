//! One server: the queue to which split-merge, tiny tasks and every bound reduce.

mod lundberg;
mod mg1;
mod mph1;

pub use lundberg::Lundberg;
pub use mg1::Mg1;
pub use mph1::Mph1;
