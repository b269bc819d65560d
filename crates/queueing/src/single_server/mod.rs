//! One server: the queue to which split-merge, tiny tasks and every bound reduce.

mod gm1;
mod lundberg;
mod mg1;
mod mph1;

pub use gm1::Gm1;
pub use lundberg::Lundberg;
pub use mg1::Mg1;
pub use mph1::Mph1;
