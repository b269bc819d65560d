//! Sums that nobody sees the parts of: SecAgg on the complete graph, SecAgg+ on a sparse one, as pure state
//! machines.
//!
//! (Bonawitz et al., ePrint 2017/281; Bell et al., ePrint 2020/704.) Each client adds to its quantised input a mask
//! of its own and one mask for each pair with a neighbour, which the other end subtracts; all arithmetic wraps
//! modulo 2^r. In the end the neighbours reveal shares: of a live client's own mask, or of a dropped client's key,
//! and never of both.
//!
//! | stage | a client sends | and is sent |
//! |---|---|---|
//! | setup | two public keys | its neighbours' keys |
//! | share | for each neighbour, sealed: a share of its mask and one of its key | what its neighbours sealed for it |
//! | masked | its masked input | which neighbours are live, which dropped |
//! | unmask | the shares that the sum needs | |
//!
//! SEC-1: masks are ChaCha20 streams under all 32 bytes of HKDF(ECDH), separated by round and purpose. SEC-2: a
//! client never reveals both shares of one peer, and answers one unmask request a round. SEC-3: the threshold
//! exceeds half of the neighbours. SEC-4: a message out of stage, of an unknown or repeated sender, or of a wrong
//! length is an error, and the state is unchanged; a new setup starts afresh from any stage. SEC-5: with fewer than
//! the threshold of live neighbours of anybody the sum fails before anything is revealed. SEC-6: nothing is a float
//! before the end. SEC-7: secrets are zeroised and never printed.
//!
//! Its limits: the server is honest but curious; it could hand out keys of its own making, against which clients
//! would need signed keys and a round of comparing lists.

pub mod bytes;
mod client;
mod field;
mod graph;
mod keys;
mod message;
mod packed;
pub mod plan;
mod quantise;
mod ring;
mod server;
pub mod shamir;

pub use client::Client;
pub use graph::Graph;
pub use message::{Advertised, FromClient, FromServer, Neighbours, Revealed, Sealed, Setup};
pub use packed::{pack, unpack};
pub use quantise::Quantiser;
pub use ring::Ring;
pub use server::{Outcome, Server};
