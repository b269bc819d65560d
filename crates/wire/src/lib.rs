//! How nodes talk: typed services, clients and bulk tensors.
//!
//! A [`Service`] answers typed requests. A [`Client`] of it calls it where it is: in the same process directly, on
//! the caller's task, with tensors handed over as shared memory; in another process over a Unix socket or loopback
//! TCP, through a [`Listener`]; in a simulation over a modelled [`Network`], in virtual time. Small messages are written by serde; the bulk of a [`Message`] (`f32` values and `u32`
//! indices) is never touched by a serialiser: it leaves by scatter/gather and is read straight into reused buffers.
//!
//! What every caller may rely on:
//! - WIRE-1: a call is sent at most once. It is never sent again by itself.
//! - WIRE-2: a call never outlives its peer: when the connection ends, every waiting call fails with [`Error::Closed`].
//! - WIRE-3: no length is believed before it is compared with the [`Limits`], and no message is read before the peer
//!   has shown the run's [`Token`].
//! - WIRE-4: replies come in any order; a call that waits long does not hold up the others. Frames themselves leave one
//!   after another: a small call behind a large message waits until that has left.
//!
//! It is built on tokio for sockets and tasks, postcard for small bodies, bytemuck to see numbers as bytes without `unsafe`,
//! rand for the token, and rustix for one socket option that tokio lacks.
//!
//! ```
//! use std::sync::Arc;
//! use syncline_wire::{Client, Message, Service, ServiceError};
//!
//! struct Doubler;
//!
//! impl Service for Doubler {
//!     type Request = ();
//!     type Reply = u64;
//!     async fn call(&self, request: Message<()>) -> Result<Message<u64>, ServiceError> {
//!         let values = request.values.ok_or_else(|| ServiceError::new("values are missing"))?;
//!         let doubled: Vec<f32> = values.iter().map(|value| 2.0 * value).collect();
//!         Ok(Message::from(values.len() as u64).with_values(doubled))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let client = Client::local(Arc::new(Doubler));
//! let reply = client.call(Message::from(()).with_values(vec![1.0, 2.5])).await?;
//! assert_eq!(reply.body, 2);
//! assert_eq!(reply.values.as_deref(), Some(&[2.0, 5.0][..]));
//! # Ok::<(), syncline_wire::Error>(())
//! # }).unwrap();
//! ```

// Bulk payloads are the machine's own little-endian words.
#[cfg(target_endian = "big")]
compile_error!(
    "syncline-wire sends tensors as little-endian memory and does not support big-endian machines"
);

mod address;
mod bulk;
mod caught;
mod client;
mod connection;
mod error;
mod frame;
mod handshake;
mod inbox;
mod limits;
mod listener;
mod message;
mod method;
mod network;
mod outbox;
mod pending;
mod pool;
mod service;
mod simulated;
mod token;
mod transport;

pub use address::Address;
pub use bulk::{Bulk, Indices, Tensor};
pub use client::Client;
pub use error::{Error, Result};
pub use limits::Limits;
pub use listener::Listener;
pub use message::Message;
pub use network::{Disturbance, Fault, LinkModel, Network, NetworkError, Party, When};
pub use pool::{Pool, Reuse};
pub use service::{Service, ServiceError};
pub use simulated::{Net, SimulatedLink};
pub use token::Token;
