//! Training runs of our own parameter server: their rounds taken apart, fitted, and asked "what if".

mod busy;
mod check;
mod cycles;
mod prediction;
mod profile;

pub use check::Check;
pub use cycles::{Cycle, Cycles};
pub use prediction::{Prediction, Question};
pub use profile::JobProfile;
