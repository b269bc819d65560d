//! Networks of [candle](https://docs.rs/candle-core) and [burn](https://docs.rs/burn-core) as models of syncline's parameter
//! server: the library computes outputs and derivatives, the parameter server holds the parameters, makes the steps and decides
//! who waits for whom.
//!
//! Each library is a feature, `candle` and `burn`; a user of one does not build the other. A network that is written with either becomes
//! a [`Model`](syncline_learn::Model) by [`Adapted`], under any [`Loss`](syncline_learn::Loss), and goes wherever a model goes: every policy,
//! executor, optimiser, checkpoints, traces. [`Layout`] says which of the flat parameters are which tensor of the network.
//!
//! What a network must be:
//! - a function of its parameters and the rows alone. What a layer keeps beside its parameters and changes while it computes, such as
//!   the running means of a batch normalisation, stays with one worker and is refused when the model is made; group and layer
//!   normalisation keep nothing;
//! - over dense rows of 32-bit numbers, on a device of the CPU for gradients that are the same on every executor.
//!
//! Dropout draws from the library's own generator, which no seed of a run reaches: a run with it cannot be repeated to the bit.

mod adapted;
#[cfg(feature = "burn")]
mod burn;
#[cfg(feature = "candle")]
mod candle;
mod error;
mod layout;

pub use adapted::{Adapted, Network};
#[cfg(feature = "burn")]
pub use burn::Burn;
#[cfg(feature = "candle")]
pub use candle::Candle;
pub use error::{Error, Result};
pub use layout::{Layout, NamedTensor};
