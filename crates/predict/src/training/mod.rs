//! Training runs of our own parameter server: their rounds taken apart, fitted, and asked "what if".

mod backups;
mod busy;
mod check;
mod cost;
mod cycles;
mod line;
mod machine;
mod prediction;
mod price;
mod profile;
mod question;
mod setup;
mod simulation;
mod speed;
mod stream;
mod support;
mod tail;
mod variation;
mod world;

pub use backups::Backup;
pub use check::Check;
pub use cost::{Compute, Exchange, Gradients, Serving};
pub use cycles::{Cycle, Cycles};
pub use machine::{Machine, Machines};
pub use prediction::Prediction;
pub use price::SyncPrice;
pub use profile::{JobProfile, PROFILE_FORMAT};
pub use question::Question;
pub use setup::{Injected, Setup};
pub use speed::Placement;
pub use stream::{Sojourn, Stream, StreamAnswer};
pub use tail::Tail;
pub use variation::Variation;
