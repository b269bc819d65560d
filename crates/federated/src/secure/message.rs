//! What travels between the server and the clients, and how many bytes it takes.

use serde::{Deserialize, Serialize};

use super::shamir::Share;

/// Bytes of a share of 32 bytes.
pub(super) const SHARE_BYTES: usize = 32;
/// Bytes of the two shares that are sealed together with their authentication.
pub(super) const SEALED_BYTES: usize = 2 * SHARE_BYTES + 16;

/// The parameters of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The round; larger than any before.
    pub round: u64,
    /// The client's neighbours, in increasing order: a holder's place in this list, from 1, is where its shares are
    /// evaluated.
    pub neighbours: Vec<u32>,
    /// Shares that rebuild a secret.
    pub threshold: usize,
    /// Numbers in an input.
    pub elements: usize,
    /// Bits of the ring.
    pub ring_bits: u32,
}

/// A client's public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertised {
    /// Whose.
    pub client: u32,
    /// Of the pair masks.
    pub mask: [u8; 32],
    /// Of the sealed shares.
    pub channel: [u8; 32],
}

/// Two shares that only their recipient can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Who sealed them.
    pub from: u32,
    /// Who can open them.
    pub to: u32,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// Which neighbours sent a masked input, and which only shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// Whose own mask is to be taken off.
    pub live: Vec<u32>,
    /// Whose pair masks are to be taken off.
    pub dropped: Vec<u32>,
}

/// One share that is revealed: of the own mask of a live client, of the key of a dropped one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revealed {
    /// Whose secret.
    pub of: u32,
    /// The share.
    pub share: Share,
}

/// From the server to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// A round begins.
    Setup(Setup),
    /// The keys of the client itself and of those of its neighbours that take part.
    Keys(Vec<Advertised>),
    /// What its neighbours sealed for it.
    Shares(Vec<Sealed>),
    /// Whose shares are needed.
    Unmask(Neighbours),
}

/// From a client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromClient {
    /// Its public keys.
    Advertised(Advertised),
    /// Its secrets' shares for its neighbours.
    Sealed(Vec<Sealed>),
    /// Its masked input, packed.
    Masked(Vec<u8>),
    /// The shares that were asked for.
    Revealed(Vec<Revealed>),
}

impl FromClient {
    /// Bytes on the wire: keys of 32 bytes; two numbers of 4 bytes and the sealed bytes; the packed input; a number
    /// of 4 bytes and a share of 32.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Advertised(_) => 64,
            Self::Sealed(sealed) => sealed.iter().map(|sealed| 8 + sealed.bytes.len()).sum(),
            Self::Masked(packed) => packed.len(),
            Self::Revealed(shares) => (4 + SHARE_BYTES) * shares.len(),
        }
    }
}

impl FromServer {
    /// Bytes on the wire; the setup, of a few numbers, and the client's own keys are not counted. The unmask
    /// request is a bit a neighbour.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Setup(_) => 0,
            Self::Keys(keys) => 68 * keys.len().saturating_sub(1),
            Self::Shares(sealed) => sealed.iter().map(|sealed| 8 + sealed.bytes.len()).sum(),
            Self::Unmask(Neighbours { live, dropped }) => (live.len() + dropped.len()).div_ceil(8),
        }
    }
}
