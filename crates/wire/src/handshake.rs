//! The first bytes of a connection: the client shows the token and the version, the server answers what it accepts.
//!
//! Both parts have a fixed length and a deadline, so that a stranger cannot make a server keep anything. A wrong token is
//! answered and the connection closed before any frame is read.

use crate::transport::Stream;
use crate::{Error, Limits, Result, Token};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MAGIC: [u8; 8] = *b"syncline";

/// Raised with every change of the handshake or the frame.
const VERSION: u32 = 1;

const HELLO: usize = MAGIC.len() + Token::LENGTH + 4;
const WELCOME: usize = MAGIC.len() + 1 + 4 + 8 + 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted = 1,
    WrongToken = 2,
    OtherVersion = 3,
}

/// The client's side. Returns the limits that hold on this connection: the narrower of both sides.
pub(crate) async fn greet(stream: &mut Stream, token: &Token, limits: &Limits, peer: &str) -> Result<Limits> {
    let exchange = async {
        stream.write.write_all(&hello(token)).await?;
        let mut welcome = [0; WELCOME];
        stream.read.read_exact(&mut welcome).await?;
        io::Result::Ok(welcome)
    };
    let welcome = tokio::time::timeout(limits.handshake, exchange)
        .await
        .map_err(|_| Error::closed(peer, "no answer to the handshake in time"))?
        .map_err(|error| Error::closed(peer, format_args!("during the handshake: {error}")))?;
    read_welcome(&welcome, limits, peer)
}

/// The server's side.
pub(crate) async fn receive(stream: &mut Stream, token: &Token, limits: &Limits) -> Result<()> {
    let exchange = async {
        let mut hello = [0; HELLO];
        stream.read.read_exact(&mut hello).await?;
        let verdict = judge(&hello, token);
        stream.write.write_all(&welcome(verdict, limits)).await?;
        io::Result::Ok(verdict)
    };
    let outcome = tokio::time::timeout(limits.handshake, exchange).await;
    match outcome.map_err(|_| "no handshake in time").map(Result::ok) {
        Ok(Some(Verdict::Accepted)) => Ok(()),
        Ok(Some(Verdict::WrongToken)) => Err(Error::decode("wrong token")),
        Ok(Some(Verdict::OtherVersion)) => Err(Error::decode("another version of the protocol")),
        Ok(None) => Err(Error::decode("the connection ended in the handshake")),
        Err(late) => Err(Error::decode(late)),
    }
}

fn hello(token: &Token) -> Vec<u8> {
    [&MAGIC[..], token.bytes(), &VERSION.to_le_bytes()].concat()
}

/// The token comes before the version: a stranger does not learn even that.
fn judge(hello: &[u8; HELLO], token: &Token) -> Verdict {
    let (magic, rest) = hello.split_at(MAGIC.len());
    let (shown, version) = rest.split_at(Token::LENGTH);
    let knows = shown.try_into().is_ok_and(|shown| token.matches(shown));
    match knows && magic == MAGIC {
        false => Verdict::WrongToken,
        true if version != VERSION.to_le_bytes() => Verdict::OtherVersion,
        true => Verdict::Accepted,
    }
}

/// A refused stranger learns no limits.
fn welcome(verdict: Verdict, limits: &Limits) -> Vec<u8> {
    let shown = |limit: usize| if verdict == Verdict::Accepted { limit as u64 } else { 0 };
    let (body, bulk) = (shown(limits.body).to_le_bytes(), shown(limits.bulk).to_le_bytes());
    [&MAGIC[..], &[verdict as u8], &VERSION.to_le_bytes(), &body, &bulk].concat()
}

fn read_welcome(welcome: &[u8; WELCOME], limits: &Limits, peer: &str) -> Result<Limits> {
    let number = |start: usize| {
        let bytes: [u8; 8] = std::array::from_fn(|offset| welcome[start + offset]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    };
    let peer = || peer.to_owned();
    match (welcome.starts_with(&MAGIC), welcome[MAGIC.len()]) {
        (true, verdict) if verdict == Verdict::Accepted as u8 => Ok(Limits {
            body: limits.body.min(number(WELCOME - 16)),
            bulk: limits.bulk.min(number(WELCOME - 8)),
            ..limits.clone()
        }),
        (true, verdict) if verdict == Verdict::WrongToken as u8 => Err(Error::Refused { peer: peer() }),
        _ => Err(Error::Version { peer: peer(), ours: VERSION }),
    }
}
