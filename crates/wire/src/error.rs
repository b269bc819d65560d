//! What can go wrong between a caller and a service.

use crate::Address;
use std::io;

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call, a connection or a listener failed.
#[derive(thiserror::Error)]
pub enum Error {
    /// The connection ended; whether a call under way was executed is unknown. It is not sent again.
    #[error("{peer} closed the connection ({reason})")]
    Closed {
        /// The peer's address.
        peer: String,
        /// What ended it.
        reason: String,
    },
    /// The peer does not accept this run's token.
    #[error("{peer} refused the token: it belongs to another run; start both sides with the same token")]
    Refused {
        /// The peer's address.
        peer: String,
    },
    /// The peer speaks another version of the protocol, or another protocol.
    #[error("{peer} does not speak version {ours} of the wire protocol; run the same build on both sides")]
    Version {
        /// The peer's address.
        peer: String,
        /// The version of this side.
        ours: u32,
    },
    /// A message exceeds a limit of this side or of the peer; nothing of it was sent.
    #[error(
        "a message's {part} has {size} bytes, more than the limit of {limit}; raise `Limits::{part}` on both sides"
    )]
    TooLarge {
        /// `body` or `bulk`.
        part: &'static str,
        /// Bytes of the message's part.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A message's body could not be written by serde; nothing of it was sent.
    #[error("cannot serialise the message's body: {source}")]
    Encode {
        /// What postcard said.
        source: postcard::Error,
    },
    /// Bytes arrived that are no frame of this protocol, or a body of another type.
    #[error("malformed frame: {what}; do both sides run the same build?")]
    Decode {
        /// What was wrong.
        what: String,
    },
    /// The service answered with an error or panicked; the connection lives on.
    #[error("{0}")]
    Remote(String),
    /// The operating system refused an operation.
    #[error("cannot {doing} {address}: {source}")]
    Io {
        /// The operation, as in "connect to".
        doing: &'static str,
        /// To which address.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Refused to listen where other machines can connect.
    #[error(
        "{address} can be reached from other machines; listen on 127.0.0.1, or ask for it with `bind_beyond_loopback`"
    )]
    NotLoopback {
        /// The address asked for.
        address: Address,
    },
    /// Text that is no address.
    #[error("`{text}` is not an address; write `unix:/path` or `tcp:127.0.0.1:1234`")]
    Address {
        /// The text.
        text: String,
    },
    /// Text that is no token. The text itself is not shown: it may be most of a secret.
    #[error("a token has 64 hexadecimal digits; this text has {length} bytes or other characters")]
    Token {
        /// Bytes of the text.
        length: usize,
    },
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the peer is gone or cannot be reached, as opposed to a peer that answered with an error.
    pub fn is_peer_lost(&self) -> bool {
        matches!(self, Error::Closed { .. } | Error::Io { .. })
    }

    pub(crate) fn closed(peer: &str, reason: impl ToString) -> Error {
        Error::Closed { peer: peer.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn decode(what: impl ToString) -> Error {
        Error::Decode { what: what.to_string() }
    }

    pub(crate) fn io(doing: &'static str, address: &Address) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, address: address.to_string(), source }
    }
}
