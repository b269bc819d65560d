//! What fuzzers feed: bytes as a stranger or the holder of the secret may send them. Only they call this.

use crate::inbox::Inbox;
use crate::tensor::pool::Pools;
use crate::transport::{Accepted, Stream};
use crate::{Contract, Identity, Limits, Token, handshake};
use std::time::Duration;

fn limits() -> Limits {
    let (handshake, connect) = (Duration::from_millis(100), Duration::ZERO);
    Limits { body: 1 << 16, bulk: 1 << 16, handshake, connect, ..Limits::default() }
}

fn run<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    Some(runtime.block_on(work))
}

/// Reads `data` as frames, to their end or the first that is none.
pub fn frames(data: &[u8]) {
    let data = std::io::Cursor::new(data.to_vec());
    run(async {
        let mut inbox = Inbox::new(Box::new(data), limits(), Pools::new(&limits()));
        while let Ok(Some(received)) = inbox.receive().await {
            // As a request with and without tensors.
            let _ = inbox.read::<(u32, Vec<crate::AnyTensor>)>(received.parts, None);
        }
    });
}

/// Answers the handshake of a client that says `data`; nobody who guesses is let in.
pub fn handshake(data: &[u8]) {
    let read = Box::new(std::io::Cursor::new(data.to_vec()));
    run(async {
        let stream = Stream { read, write: Box::new(tokio::io::sink()) };
        let identity = Identity::from(Token::random());
        let admitted =
            handshake::receive(Accepted::Open(stream), &identity, Contract::UNKNOWN, &limits()).await;
        assert!(admitted.is_none(), "a guess was let in");
    });
}
