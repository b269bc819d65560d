//! The first bytes of a connection: both sides prove that they know the run's secret, without showing it, say who they
//! are, and compare what the service can be asked. From then on the narrower limits hold for both, so that what one side
//! sends, the other takes.
//!
//! ```text
//! client  hello      magic 8 | version 4 | nonce 32
//! server  challenge  magic 8 | nonce 32
//! client  proof      length 2 | limits, contract, incarnation, name | mac 32
//! server  verdict    code 1 | length 2 | limits, incarnation, name, or what its service can be asked | mac 32
//! ```
//! Each mac is HMAC-SHA256 (RFC 2104) under the secret over a label that says whose it is and all that was said before, both
//! nonces among it: a proof that was overheard is worth nothing on another connection, nor when sent back to its sender.
//!
//! All parts are bounded in length and the whole in time, so that a stranger cannot make a server keep anything. A stranger
//! is told so and learns nothing else, not even the version; no frame of his is read.

use crate::frame::array;
use crate::transport::{Accepted, Stream};
use crate::{Address, Contract, Error, Identity, Limits, Peer, Result, Token, peer};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MAGIC: [u8; 8] = *b"syncline";

/// Raised with every change of the handshake or the frame.
const VERSION: u32 = 2;

const NONCE: usize = 32;
const MAC: usize = 32;
const HELLO: usize = MAGIC.len() + 4 + NONCE;
const CHALLENGE: usize = MAGIC.len() + NONCE;

/// What a side says of itself, without its name.
const SELF: usize = 16 + 8 + 8 + 1;

/// Bytes of a proof's payload at most.
const PROOF: usize = SELF + peer::NAME;

/// Bytes of a verdict's payload at most: a text about a service of many methods is cut.
const VERDICT: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted = 1,
    WrongToken = 2,
    OtherVersion = 3,
    OtherContract = 4,
}

/// The client's side: connects, waiting for a server that does not listen yet, and introduces itself. Yields who answers
/// and the limits of the connection.
pub(crate) async fn open(
    address: &Address,
    identity: &Identity,
    contract: Contract,
    limits: &Limits,
) -> Result<(Stream, Peer, Limits)> {
    let at = address.to_string();
    let mut stream = Stream::connect(address, identity, limits).await?;
    let greeting = greet(&mut stream, identity, contract, limits, &at);
    let (peer, limits) = tokio::time::timeout(limits.handshake, greeting)
        .await
        .map_err(|_| Error::closed(&at, "no answer to the handshake in time"))??;
    Ok((stream, peer, limits))
}

async fn greet(
    stream: &mut Stream,
    identity: &Identity,
    contract: Contract,
    limits: &Limits,
    at: &str,
) -> Result<(Peer, Limits)> {
    let broken = |error| Error::closed(at, format_args!("during the handshake: {error}"));
    let nonce: [u8; NONCE] = rand::random();
    let hello = [&MAGIC[..], &VERSION.to_le_bytes(), &nonce].concat();
    stream.write.write_all(&hello).await.map_err(broken)?;
    let mut challenge = [0; CHALLENGE];
    stream.read.read_exact(&mut challenge).await.map_err(broken)?;
    if !challenge.starts_with(&MAGIC) {
        return Err(Error::Version { peer: at.to_owned(), ours: VERSION });
    }
    let mut said = Transcript::new(&hello, &challenge);
    let payload = introduce(identity.peer(), contract.digest(), limits);
    said.add(&payload);
    let mac = said.mac(&identity.token, "client");
    let proof = [&(payload.len() as u16).to_le_bytes()[..], &payload, &mac].concat();
    stream.write.write_all(&proof).await.map_err(broken)?;

    let mut head = [0; 3];
    stream.read.read_exact(&mut head).await.map_err(broken)?;
    let (payload, mac) = read_signed(stream, [head[1], head[2]], VERDICT).await.map_err(broken)?;
    said.add(&head[..1]);
    said.add(&payload);
    let refused = || Error::Refused { peer: at.to_owned() };
    match head[0] {
        code if code == Verdict::WrongToken as u8 => return Err(refused()),
        _ if !said.proves(&identity.token, "server", &mac) => {
            return Err(Error::Impostor { peer: at.to_owned() });
        }
        code if code == Verdict::Accepted as u8 => {}
        code if code == Verdict::OtherContract as u8 => {
            let difference = contract.difference(&String::from_utf8_lossy(&payload));
            return Err(Error::Contract { peer: at.to_owned(), difference });
        }
        _ => return Err(Error::Version { peer: at.to_owned(), ours: VERSION }),
    }
    let introduced = introduction(&payload).ok_or_else(|| Error::decode("a malformed introduction"))?;
    Ok((introduced.peer, limits.narrowed(introduced.body, introduced.bulk)))
}

/// The server's side: who it is and the limits of the connection, or `None` for somebody who is not let in.
pub(crate) async fn receive(
    accepted: Accepted,
    identity: &Identity,
    contract: Contract,
    limits: &Limits,
) -> Option<(Stream, Peer, Limits)> {
    let exchange = async {
        let mut stream = accepted.into_stream().await.ok()?;
        let (peer, limits) = answer(&mut stream, identity, contract, limits).await.ok()??;
        Some((stream, peer, limits))
    };
    tokio::time::timeout(limits.handshake, exchange).await.ok()?
}

async fn answer(
    stream: &mut Stream,
    identity: &Identity,
    contract: Contract,
    limits: &Limits,
) -> io::Result<Option<(Peer, Limits)>> {
    let mut hello = [0; HELLO];
    stream.read.read_exact(&mut hello).await?;
    if !hello.starts_with(&MAGIC) {
        return Ok(None);
    }
    let nonce: [u8; NONCE] = rand::random();
    let challenge = [&MAGIC[..], &nonce].concat();
    stream.write.write_all(&challenge).await?;
    let mut length = [0; 2];
    stream.read.read_exact(&mut length).await?;
    let (payload, mac) = read_signed(stream, length, PROOF).await?;
    let mut said = Transcript::new(&hello, &challenge);
    said.add(&payload);
    let introduced = introduction(&payload);
    // The secret comes before the version: a stranger does not learn even that.
    let verdict = match &introduced {
        _ if !said.proves(&identity.token, "client", &mac) => Verdict::WrongToken,
        _ if hello[8..12] != VERSION.to_le_bytes() => Verdict::OtherVersion,
        None => Verdict::OtherVersion,
        Some(introduced) if !fits(contract.digest(), introduced.contract) => Verdict::OtherContract,
        Some(_) => Verdict::Accepted,
    };
    let payload = match verdict {
        Verdict::Accepted => introduce(identity.peer(), contract.digest(), limits),
        Verdict::OtherContract => {
            let text = contract.to_string();
            text.as_bytes()[..text.floor_char_boundary(VERDICT)].to_vec()
        }
        Verdict::WrongToken | Verdict::OtherVersion => Vec::new(),
    };
    said.add(&[verdict as u8]);
    said.add(&payload);
    let mac = if verdict == Verdict::WrongToken { [0; MAC] } else { said.mac(&identity.token, "server") };
    let length = (payload.len() as u16).to_le_bytes();
    stream.write.write_all(&[&[verdict as u8][..], &length, &payload, &mac].concat()).await?;
    let admitted = introduced.filter(|_| verdict == Verdict::Accepted);
    Ok(admitted.map(|client| (client.peer, limits.narrowed(client.body, client.bulk))))
}

/// A service made by hand does not know what it can be asked, and is believed to fit.
fn fits(one: u64, other: u64) -> bool {
    one == other || one == 0 || other == 0
}

/// A payload of so many bytes, at most `most`, and its mac.
async fn read_signed(stream: &mut Stream, length: [u8; 2], most: usize) -> io::Result<(Vec<u8>, [u8; MAC])> {
    let length = usize::from(u16::from_le_bytes(length));
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a part of the handshake is too long"));
    }
    let (mut payload, mut mac) = (vec![0; length], [0; MAC]);
    stream.read.read_exact(&mut payload).await?;
    stream.read.read_exact(&mut mac).await?;
    Ok((payload, mac))
}

/// What a side says of itself.
struct Introduction {
    body: usize,
    bulk: usize,
    contract: u64,
    peer: Peer,
}

fn introduce(peer: &Peer, contract: u64, limits: &Limits) -> Vec<u8> {
    let numbers = [limits.body as u64, limits.bulk as u64, contract, peer.incarnation];
    let mut payload = numbers.map(u64::to_le_bytes).concat();
    let name = &peer.name[..peer.name.floor_char_boundary(peer::NAME)];
    payload.push(name.len() as u8);
    payload.extend(name.as_bytes());
    payload
}

fn introduction(payload: &[u8]) -> Option<Introduction> {
    let (fixed, name) = payload.split_at_checked(SELF)?;
    let number = |at| u64::from_le_bytes(array(fixed, at));
    let size = |at| usize::try_from(number(at)).unwrap_or(usize::MAX);
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() == usize::from(fixed[SELF - 1]))?;
    let peer = Peer { name: name.to_owned(), incarnation: number(24) };
    Some(Introduction { body: size(0), bulk: size(8), contract: number(16), peer })
}

/// All that was said so far.
struct Transcript(Vec<u8>);

impl Transcript {
    fn new(hello: &[u8], challenge: &[u8]) -> Transcript {
        Transcript([hello, challenge].concat())
    }

    /// Adds a part with its length, so that no two conversations read alike.
    fn add(&mut self, part: &[u8]) {
        self.0.extend((part.len() as u32).to_le_bytes());
        self.0.extend(part);
    }

    fn keyed(&self, token: &Token, whose: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(token.bytes()).ok()?;
        mac.update(whose.as_bytes());
        mac.update(&self.0);
        Some(mac)
    }

    fn mac(&self, token: &Token, whose: &str) -> [u8; MAC] {
        // HMAC takes keys of any length.
        self.keyed(token, whose).map_or([0; MAC], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether `mac` is right, in a time that does not depend on where it is wrong.
    fn proves(&self, token: &Token, whose: &str, mac: &[u8; MAC]) -> bool {
        self.keyed(token, whose).is_some_and(|keyed| keyed.verify_slice(mac).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_introduction_round_trips_and_a_cut_one_is_refused() {
        let peer = Peer { name: "worker/é".to_owned(), incarnation: 3 };
        let payload = introduce(&peer, 77, &Limits { body: 5, bulk: 6, ..Limits::default() });
        let read = introduction(&payload).unwrap();
        assert_eq!((read.body, read.bulk, read.contract, read.peer), (5, 6, 77, peer));
        assert!((0..payload.len()).all(|length| introduction(&payload[..length]).is_none()));
        let long = Peer::new("é".repeat(300));
        assert!(introduce(&long, 0, &Limits::default()).len() <= PROOF);
    }

    #[test]
    fn a_mac_belongs_to_its_side_its_secret_and_its_words() {
        let (token, mut said) = (Token::random(), Transcript::new(b"hello", b"challenge"));
        said.add(b"payload");
        let mac = said.mac(&token, "client");
        assert!(said.proves(&token, "client", &mac));
        assert!(!said.proves(&token, "server", &mac), "sent back");
        assert!(!said.proves(&Token::random(), "client", &mac));
        let mut other = Transcript::new(b"hello", b"challengf");
        other.add(b"payload");
        assert!(!other.proves(&token, "client", &mac), "on another connection");
    }
}
