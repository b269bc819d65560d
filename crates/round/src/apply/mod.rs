//! Apply: what the server does with a fold: an optimiser's rule with its numbers, its state, and how its rate changes.

mod optimizer;
mod rule;
mod schedule;
mod sparse;
mod state;

pub use optimizer::Optimizer;
pub use rule::Rule;
pub use schedule::Schedule;
pub use sparse::SparseGradient;
pub use state::OptimizerState;
