//! The first bytes of a connection: the client shows the token, the version and its limits, the server answers whether it
//! accepts, and its own limits. From then on the narrower limits hold for both, so that what one side sends, the other takes.
//!
//! Both parts have a fixed length and a deadline, so that a stranger cannot make a server keep anything. A wrong token is
//! answered and the connection closed before any frame is read.

use crate::frame::array;
use crate::transport::Stream;
use crate::{Address, Error, Limits, Result, Token};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MAGIC: [u8; 8] = *b"syncline";

/// Raised with every change of the handshake or the frame.
const VERSION: u32 = 1;

const LIMITS: usize = 16;
const HELLO: usize = MAGIC.len() + Token::LENGTH + 4 + LIMITS;
const WELCOME: usize = MAGIC.len() + 1 + LIMITS;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted = 1,
    WrongToken = 2,
    OtherVersion = 3,
}

/// The client's side: connects, waiting for a server that does not listen yet, and introduces itself.
pub(crate) async fn open(address: &Address, token: &Token, limits: &Limits) -> Result<(Stream, Limits)> {
    let peer = address.to_string();
    let mut stream = Stream::connect(address, limits).await?;
    let welcome = tokio::time::timeout(limits.connect, greet(&mut stream, token, limits))
        .await
        .map_err(|_| Error::closed(&peer, "no answer to the handshake in time"))?
        .map_err(|error| Error::closed(&peer, format_args!("during the handshake: {error}")))?;
    let limits = read_welcome(&welcome, limits, peer)?;
    Ok((stream, limits))
}

/// The server's side: the limits of the connection, or `None` for a stranger.
pub(crate) async fn receive(stream: &mut Stream, token: &Token, limits: &Limits) -> Option<Limits> {
    let exchange = async {
        let mut hello = [0; HELLO];
        stream.read.read_exact(&mut hello).await?;
        let (verdict, shown) = judge(&hello, token);
        stream.write.write_all(&welcome(verdict, limits)).await?;
        io::Result::Ok((verdict == Verdict::Accepted).then(|| narrowed(limits, &shown)))
    };
    tokio::time::timeout(limits.handshake, exchange).await.ok()?.ok()?
}

async fn greet(stream: &mut Stream, token: &Token, limits: &Limits) -> io::Result<[u8; WELCOME]> {
    let hello = [&MAGIC[..], token.bytes(), &VERSION.to_le_bytes(), &show(limits)].concat();
    stream.write.write_all(&hello).await?;
    let mut welcome = [0; WELCOME];
    stream.read.read_exact(&mut welcome).await?;
    Ok(welcome)
}

/// The token comes before the version: a stranger does not learn even that.
fn judge(hello: &[u8; HELLO], token: &Token) -> (Verdict, [u8; LIMITS]) {
    let shown: [u8; Token::LENGTH] = array(hello, MAGIC.len());
    let knows = token.matches(&shown) && hello.starts_with(&MAGIC);
    let version: [u8; 4] = array(hello, MAGIC.len() + Token::LENGTH);
    let verdict = match knows {
        false => Verdict::WrongToken,
        true if version != VERSION.to_le_bytes() => Verdict::OtherVersion,
        true => Verdict::Accepted,
    };
    (verdict, array(hello, HELLO - LIMITS))
}

/// A refused stranger learns no limits.
fn welcome(verdict: Verdict, limits: &Limits) -> Vec<u8> {
    let shown = if verdict == Verdict::Accepted { show(limits) } else { [0; LIMITS] };
    [&MAGIC[..], &[verdict as u8], &shown].concat()
}

fn read_welcome(welcome: &[u8; WELCOME], limits: &Limits, peer: String) -> Result<Limits> {
    match (welcome.starts_with(&MAGIC), welcome[MAGIC.len()]) {
        (true, verdict) if verdict == Verdict::Accepted as u8 => {
            Ok(narrowed(limits, &array(welcome, WELCOME - LIMITS)))
        }
        (true, verdict) if verdict == Verdict::WrongToken as u8 => Err(Error::Refused { peer }),
        _ => Err(Error::Version { peer, ours: VERSION }),
    }
}

fn show(limits: &Limits) -> [u8; LIMITS] {
    let (body, bulk) = ((limits.body as u64).to_le_bytes(), (limits.bulk as u64).to_le_bytes());
    std::array::from_fn(|at| if at < 8 { body[at] } else { bulk[at - 8] })
}

fn narrowed(limits: &Limits, shown: &[u8; LIMITS]) -> Limits {
    let number = |at| usize::try_from(u64::from_le_bytes(array(shown, at))).unwrap_or(usize::MAX);
    limits.narrowed(number(0), number(8))
}
