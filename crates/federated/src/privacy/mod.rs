//! Differential privacy of a client's whole contribution (add or remove one client).
//!
//! A round clips each change to a length, adds Gaussian noise to the *sum*, and divides by the *expected* number of
//! clients ([`Mechanism`]). [`Accountant`] says what several rounds spend. With Poisson sampling at rate q the
//! amplified account holds; with samples of fixed size, or without sampling, q is 1.

mod accountant;
mod clipping;
mod gaussian;
mod mechanism;
mod rdp;

pub use accountant::{Accountant, Orders, noise_for};
pub use clipping::{AdaptiveClip, split_noise};
pub use gaussian::exact_delta;
pub use mechanism::Mechanism;
pub use rdp::rdp;
