//! What can go wrong between a caller and a service.

use crate::{Address, Never};
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call, a connection or a listener failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection ended; whether a call under way was executed is unknown. It is not sent again.
    #[error("{peer} closed the connection ({reason})")]
    Closed {
        /// The peer's address.
        peer: String,
        /// What ended it.
        reason: String,
    },
    /// The peer does not accept the proof that this side knows the run's secret.
    #[error("{peer} refused the token: it belongs to another run; start both sides with the same token")]
    Refused {
        /// The peer's address.
        peer: String,
    },
    /// The peer answered but could not prove that it knows this run's secret.
    #[error("{peer} does not know the run's secret: another program listens there")]
    Impostor {
        /// The peer's address.
        peer: String,
    },
    /// The two sides could not agree on an encrypted connection: the other shows no certificate of this run.
    #[error("{peer} does not belong to this run: {reason}")]
    Untrusted {
        /// The peer's address.
        peer: String,
        /// What TLS said.
        reason: String,
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
    /// The service panicked, or its answer could not be sent; the connection lives on.
    #[error("{0}")]
    Remote(String),
    /// The answer did not come in time. The service is told that it is no longer wanted.
    #[error("`{method}` was not answered within its deadline")]
    Deadline {
        /// What was asked.
        method: String,
    },
    /// The service has as many calls as it lets wait; this one was not begun.
    #[error("the service is busy, and {queue} calls wait already; call again later")]
    Busy {
        /// How many may wait.
        queue: usize,
    },
    /// A call could not be answered as a part of its batch.
    #[error("a batch failed: {0}")]
    Batch(String),
    /// No service is bound where the call went.
    #[error("no service is bound here: it was taken away, or never set")]
    NotBound,
    /// The two sides disagree about what the service can be asked.
    #[error("{peer} cannot answer these calls: {difference}; run the same build on both sides")]
    Contract {
        /// The peer's address.
        peer: String,
        /// Where they differ.
        difference: String,
    },
    /// A tensor of another number of elements, or of more than 32 axes.
    #[error("a shape of {shape} does not fit {elements} elements, or has more than 32 axes")]
    Shape {
        /// The shape asked for.
        shape: String,
        /// Elements there are.
        elements: usize,
    },
    /// A blocking call from within asynchronous code would stop the thread that has to answer it.
    #[error("a blocking call within asynchronous code; use the client itself and `.await`")]
    WithinAsync,
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
    #[error(
        "`{text}` is not an address; write `unix:/path`, `tcp:127.0.0.1:1234`, `tls:HOST:PORT` or `sim:NAME`"
    )]
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

    /// The answer to one method came where that to another was expected.
    #[doc(hidden)]
    pub fn mismatch(method: &str) -> Error {
        Error::decode(format_args!("an answer to another method than `{method}`"))
    }

    pub(crate) fn decode(what: impl ToString) -> Error {
        Error::Decode { what: what.to_string() }
    }

    pub(crate) fn io(doing: &'static str, address: &Address) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, address: address.to_string(), source }
    }
}

/// Why a call failed: the service said so, or it did not come to that.
///
/// ```
/// use syncline_wire::{CallError, Error, ServiceError};
/// fn advice(error: &CallError<ServiceError>) -> &'static str {
///     match error {
///         CallError::Service(_) => "the service was reached and refused",
///         CallError::Wire(Error::Deadline { .. }) => "it took too long",
///         CallError::Wire(error) if error.is_peer_lost() => "it is gone",
///         CallError::Wire(_) => "the call itself was wrong",
///     }
/// }
/// ```
pub enum CallError<E> {
    /// The service's own error, as it was there.
    Service(E),
    /// The way there and back.
    Wire(Error),
}

impl<E> CallError<E> {
    /// Whether the peer is gone or cannot be reached.
    pub fn is_peer_lost(&self) -> bool {
        matches!(self, CallError::Wire(error) if error.is_peer_lost())
    }

    /// The same with another error of the service.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            CallError::Service(error) => CallError::Service(change(error)),
            CallError::Wire(error) => CallError::Wire(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Service(error) => error.fmt(f),
            CallError::Wire(error) => error.fmt(f),
        }
    }
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl<E: fmt::Display> fmt::Debug for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: fmt::Display> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Service(_) => None,
            CallError::Wire(error) => Some(error),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        CallError::Wire(error)
    }
}

impl From<CallError<Never>> for Error {
    fn from(error: CallError<Never>) -> Error {
        match error {
            CallError::Service(never) => match never {},
            CallError::Wire(error) => error,
        }
    }
}

/// A failure as it travels back to the caller.
#[derive(Serialize, Deserialize)]
pub(crate) enum Reason<E> {
    Service(E),
    Remote(String),
    Deadline(String),
    Busy(u64),
    Batch(String),
    NotBound,
}

impl<E> From<CallError<E>> for Reason<E> {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(error) => Reason::Service(error),
            CallError::Wire(Error::Deadline { method }) => Reason::Deadline(method),
            CallError::Wire(Error::Busy { queue }) => Reason::Busy(queue as u64),
            CallError::Wire(Error::Batch(text)) => Reason::Batch(text),
            CallError::Wire(Error::NotBound) => Reason::NotBound,
            CallError::Wire(error) => Reason::Remote(error.to_string()),
        }
    }
}

impl<E> From<Reason<E>> for CallError<E> {
    fn from(reason: Reason<E>) -> Self {
        CallError::Wire(match reason {
            Reason::Service(error) => return CallError::Service(error),
            Reason::Remote(text) => Error::Remote(text),
            Reason::Deadline(method) => Error::Deadline { method },
            Reason::Busy(queue) => Error::Busy { queue: usize::try_from(queue).unwrap_or(usize::MAX) },
            Reason::Batch(text) => Error::Batch(text),
            Reason::NotBound => Error::NotBound,
        })
    }
}
