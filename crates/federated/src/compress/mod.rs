//! Fewer bytes from clients to the server.

mod quantise;
mod top_k;

pub use quantise::{Qsgd, Quantised};
pub use top_k::{Sparse, TopK};
