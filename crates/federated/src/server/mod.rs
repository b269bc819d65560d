//! What the server does with a fold: D is the weighted mean of the clients' changes y_k - x.

mod asynchronous;
mod rule;

pub use asynchronous::{Async, Buffer};
pub use rule::{BiasCorrection, Rule, ServerState};
