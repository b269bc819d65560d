//! Who is at the other end: a node and which of its lives it is; and what proves that it belongs to the run.

use crate::Token;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a name at most.
pub(crate) const NAME: usize = 255;

/// A node of the run: its name, and its incarnation, which a restarted node raises.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// Such as `worker/2`; empty where nobody said.
    pub name: String,
    /// 0 for the first life.
    pub incarnation: u64,
}

impl Peer {
    /// The first life of the node of this name.
    pub fn new(name: impl Into<String>) -> Peer {
        Peer { name: name.into(), incarnation: 0 }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.incarnation) {
            ("", _) => f.write_str("somebody"),
            (name, 0) => f.write_str(name),
            (name, incarnation) => write!(f, "{name}#{incarnation}"),
        }
    }
}

/// What a node shows in a handshake: the run's secret, by proof and not by showing it, and who it is.
///
/// A [`Token`] alone is an identity without a name.
///
/// ```
/// use syncline_wire::{Identity, Token};
/// let identity = Identity::new(Token::random(), "worker/2").incarnation(1);
/// assert_eq!(identity.peer().to_string(), "worker/2#1");
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) token: Token,
    pub(crate) peer: Peer,
}

impl Identity {
    /// The node of this name, cut to 255 bytes.
    pub fn new(token: Token, name: impl Into<String>) -> Identity {
        let mut peer = Peer::new(name);
        peer.name.truncate(peer.name.floor_char_boundary(NAME));
        Identity { token, peer }
    }

    /// Which of the node's lives it is.
    #[must_use]
    pub fn incarnation(mut self, incarnation: u64) -> Identity {
        self.peer.incarnation = incarnation;
        self
    }

    /// Who it is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl From<Token> for Identity {
    fn from(token: Token) -> Identity {
        Identity::new(token, "")
    }
}

impl From<&Token> for Identity {
    fn from(token: &Token) -> Identity {
        Identity::from(token.clone())
    }
}

impl From<&Identity> for Identity {
    fn from(identity: &Identity) -> Identity {
        identity.clone()
    }
}
