//! What there is of a run in a cluster.
//!
//! [`pod`], [`access`] and [`launcher`] say how its objects look, [`state`] what a pod tells of its node, [`hold`] and [`carry`]
//! are the command's two parts, [`launched`] is what becomes of runs that the cluster launches, and [`connection`] is how they reach the
//! cluster.

pub mod access;
pub mod carry;
pub mod connection;
mod error;
pub mod hold;
pub mod launched;
pub mod launcher;
pub mod pod;
pub mod state;
pub mod yaml;

pub use error::Error;
