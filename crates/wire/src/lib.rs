//! How nodes talk: typed services, clients and tensors.
//!
//! A [`Service`] answers typed requests; most are written as a trait with the attribute [`macro@service`]. A [`Client`] of it calls it where it is: in the same process the object itself, on the caller's
//! task, with tensors handed over as shared memory; in another process over a Unix socket or TCP, through a [`Listener`];
//! between hosts with TLS (feature `tls`); in a simulation over a modelled [`Network`], in virtual time. Messages are written by serde, except for their
//! [`Tensor`]s, which no serialiser touches: they leave by scatter/gather and are read straight into reused buffers.
//!
//! What every caller may rely on:
//! - WIRE-1: a call is sent at most once. It is never sent again by itself, unless its method says that this does no harm.
//! - WIRE-2: a call never outlives its peer: when the connection ends, every waiting call fails with [`Error::Closed`].
//! - WIRE-3: no length is believed before it is compared with the [`Limits`], and no message is read before the peer
//!   has proved that it knows the run's [`Token`].
//! - WIRE-4: replies come in any order; a call that waits long does not hold up the others. Frames themselves leave one
//!   after another: a small call behind a large message waits until that has left.
//! - WIRE-5: a call that its caller gives up is dropped by its service, and a [`Replies`] stream that nobody reads any more.
//! - WIRE-6: errors arrive as what they are: a service's own type, or an [`Error`] of the way.
//!
//! It is built on tokio for sockets and tasks, postcard for small bodies, bytemuck to see numbers as bytes without
//! `unsafe`, half for the 16-bit floats, rand, hmac and sha2 for the handshake, and rustix for one socket option that tokio
//! lacks.
//!
//! ```
//! use std::sync::Arc;
//! use serde::{Deserialize, Serialize};
//! use syncline_wire::{Call, CallError, Client, Service, ServiceError, Tensor};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Scale {
//!     by: f32,
//!     values: Tensor<f32>,
//! }
//!
//! struct Scaler;
//!
//! impl Service for Scaler {
//!     type Request = Scale;
//!     type Reply = Tensor<f32>;
//!     type Error = ServiceError;
//!     async fn call(&self, _: &Call<'_>, scale: Scale) -> Result<Tensor<f32>, ServiceError> {
//!         if !scale.by.is_finite() {
//!             return Err(ServiceError::new("a factor must be finite"));
//!         }
//!         Ok(scale.values.iter().map(|value| scale.by * value).collect::<Vec<_>>().into())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let client = Client::local(Arc::new(Scaler));
//! let scaled = client.call(Scale { by: 2.0, values: vec![1.0, 2.5].into() }).await?;
//! assert_eq!(scaled[..], [2.0, 5.0]);
//! let refused = client.call(Scale { by: f32::NAN, values: Tensor::default() }).await;
//! assert!(matches!(refused, Err(CallError::Service(_))));
//! # Ok::<(), CallError<ServiceError>>(())
//! # }).unwrap();
//! ```

// Bulk payloads are the machine's own little-endian words.
#[cfg(target_endian = "big")]
compile_error!(
    "syncline-wire sends tensors as little-endian memory and does not support big-endian machines"
);

mod adapters;
mod address;
mod batch;
mod blocking;
mod call;
mod caught;
mod client;
mod connection;
mod contract;
mod edges;
mod error;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod hosted;
mod inbox;
mod limits;
mod link;
mod listener;
mod method;
mod network;
mod outbox;
mod parts;
mod peer;
mod pending;
mod replies;
mod service;
mod tensor;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
mod token;
mod transport;

pub use adapters::{FromFn, Rebind, Unbound, from_fn};
pub use address::Address;
pub use batch::{Batcher, Batching};
pub use blocking::Blocking;
pub use call::{Call, Cancellation};
pub use client::{Asking, Client};
pub use contract::{Contract, Method};
pub use edges::{EdgeFigures, Edges, Passed};
pub use error::{CallError, Error, Result};
pub use half::{bf16, f16};
pub use hosted::{Health, Hosted};
pub use limits::Limits;
pub use link::simulated::{Net, SimulatedLink};
pub use listener::Listener;
pub use network::{Disturbance, Fault, LinkModel, Network, NetworkError, Party, When};
pub use parts::Packed;
pub use peer::{Identity, Peer};
pub use replies::Replies;
pub use service::{Bounds, Never, Service, ServiceError};
pub use syncline_runtime::Elapsed;
pub use syncline_service::service;
pub use tensor::Tensor;
pub use tensor::any::AnyTensor;
pub use tensor::element::{Dtype, Element};
pub use tensor::pool::{Pool, Reuse};
pub use tensor::shape::Shape;
pub use tensor::stack::Stack;
pub use token::Token;

/// What the attribute `#[service]` writes names these.
#[doc(hidden)]
pub mod __private {
    pub use serde;
}
