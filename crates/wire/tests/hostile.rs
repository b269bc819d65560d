//! Whatever bytes arrive: no panic, no hang, no call by a stranger, and the others are served on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Ask, Asks, Outcome, Probe, Served, until};
use syncline_wire::{
    Address, Call, CallError, Client, Error, Identity, Limits, Listener, Never, Service, Token,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// The secret's bytes.
fn secret(token: &Token) -> Vec<u8> {
    let hex = token.to_hex();
    (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// A mac as the handshake has it, written anew from its description.
fn mac(token: &Token, whose: &str, fixed: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret(token)).unwrap();
    mac.update(whose.as_bytes());
    mac.update(fixed);
    for part in parts {
        mac.update(&(part.len() as u32).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn hello(version: u32) -> Vec<u8> {
    [&b"syncline"[..], &version.to_le_bytes(), &[7; 32]].concat()
}

/// What a side says of itself: limits, no contract, first life, a name.
fn introduction() -> Vec<u8> {
    let numbers = [16_u64 << 20, 64 << 20, 0, 0].map(u64::to_le_bytes).concat();
    [&numbers[..], &[4], b"hand"].concat()
}

/// The proof that answers a challenge.
fn proof(token: &Token, version: u32, challenge: &[u8]) -> Vec<u8> {
    let (fixed, said) = ([&hello(version)[..], challenge].concat(), introduction());
    [&(said.len() as u16).to_le_bytes()[..], &said, &mac(token, "client", &fixed, &[&said])].concat()
}

/// Goes through the handshake; the server's verdict.
async fn enter(stream: &mut UnixStream, token: &Token, version: u32) -> Option<u8> {
    stream.write_all(&hello(version)).await.ok()?;
    let mut challenge = [0; 40];
    stream.read_exact(&mut challenge).await.ok()?;
    stream.write_all(&proof(token, version, &challenge)).await.ok()?;
    let mut head = [0; 3];
    stream.read_exact(&mut head).await.ok()?;
    let mut rest = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]])) + 32];
    stream.read_exact(&mut rest).await.ok()?;
    Some(head[0])
}

/// A frame of these parts, each a code, its axes and its bytes.
fn frame(kind: u8, body: &[u8], parts: &[(u8, &[u64], Vec<u8>)]) -> Vec<u8> {
    let table: Vec<u8> = parts
        .iter()
        .flat_map(|(code, axes, _)| {
            [vec![*code, axes.len() as u8], axes.iter().flat_map(|axis| axis.to_le_bytes()).collect()]
                .concat()
        })
        .collect();
    let bulk: usize = parts.iter().map(|(.., bytes)| bytes.len()).sum();
    let mut bytes = vec![kind, parts.len() as u8];
    bytes.extend((table.len() as u16).to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(9u64.to_le_bytes());
    bytes.extend((bulk as u64).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes.extend(table);
    parts.iter().for_each(|(.., part)| bytes.extend(part));
    bytes
}

/// A body with three indices and forty values beside it.
fn with_parts(kind: u8, body: Vec<u8>) -> Vec<u8> {
    let indices = [1_u32, 2, 3].iter().flat_map(|index| index.to_le_bytes()).collect();
    let values = [0.5_f32; 40].iter().flat_map(|value| value.to_le_bytes()).collect();
    frame(kind, &[body, vec![1, 0, 1, 1]].concat(), &[(11, &[3], indices), (1, &[40], values)])
}

fn request(ask: &Ask) -> Vec<u8> {
    with_parts(1, postcard::to_stdvec(ask).unwrap())
}

async fn raw(served: &Served) -> UnixStream {
    let Address::Unix(path) = &served.address else { panic!("a Unix socket") };
    UnixStream::connect(path).await.unwrap()
}

/// Enters, sends the bytes and no more, and returns what the server says before it closes.
async fn exchange(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = raw(served).await;
    assert_eq!(enter(&mut stream, &served.token, 2).await, Some(1));
    finish(stream, bytes).await
}

/// Sends the bytes and no more, and returns what the server says before it closes.
async fn finish(mut stream: UnixStream, bytes: &[u8]) -> Vec<u8> {
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the server closes");
    answer
}

#[tokio::test]
async fn a_valid_frame_by_hand_is_answered() {
    let served = Served::unix(Limits::default()).await;
    let mut stream = raw(&served).await;
    assert_eq!(enter(&mut stream, &served.token, 2).await, Some(1));
    stream.write_all(&request(&Ask::Echo("hand".into()))).await.unwrap();
    let expected = with_parts(2, [&[4], &b"hand"[..]].concat());
    let mut reply = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(reply, expected);
    stream.write_all(&request(&Ask::Whose)).await.unwrap();
    let expected = frame(2, &[&[4], &b"hand"[..], &[0, 0]].concat(), &[]);
    let mut reply = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(reply, expected, "the caller's name is the one of the handshake");
}

#[tokio::test]
async fn wire3_a_wrong_secret_is_refused_before_any_message() {
    let served = Served::unix(Limits::default()).await;
    let refused = Client::<Probe>::connect(&served.address, &Token::random(), &Limits::default()).await;
    assert!(matches!(refused, Err(Error::Refused { .. })));
    let mut stream = raw(&served).await;
    assert_eq!(enter(&mut stream, &Token::random(), 2).await, Some(2));
    assert!(finish(stream, &request(&Ask::Echo("stranger".into()))).await.is_empty());
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn wire3_a_proof_that_was_overheard_is_worth_nothing() {
    let served = Served::unix(Limits::default()).await;
    let mut first = raw(&served).await;
    first.write_all(&hello(2)).await.unwrap();
    let mut challenge = [0; 40];
    first.read_exact(&mut challenge).await.unwrap();
    let overheard = proof(&served.token, 2, &challenge);
    first.write_all(&overheard).await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), 1);
    let mut replay = raw(&served).await;
    replay.write_all(&[hello(2), overheard].concat()).await.unwrap();
    replay.read_exact(&mut challenge).await.unwrap();
    assert_eq!(replay.read_u8().await.unwrap(), 2, "another challenge asks for another proof");
}

#[tokio::test]
async fn another_version_is_named_and_too_long_a_proof_is_not_read() {
    let served = Served::unix(Limits::default()).await;
    assert_eq!(enter(&mut raw(&served).await, &served.token, 1).await, Some(3));
    let stranger = enter(&mut raw(&served).await, &Token::random(), 1).await;
    assert_eq!(stranger, Some(2), "a stranger does not learn the version");
    let mut stream = raw(&served).await;
    stream.write_all(&[hello(2), vec![255, 255]].concat()).await.unwrap();
    let mut challenge = [0; 40];
    stream.read_exact(&mut challenge).await.unwrap();
    assert!(timeout(SOON, stream.read_u8()).await.expect("it is closed").is_err());
}

#[tokio::test]
async fn silent_strangers_lose_their_place() {
    let served = Served::unix(Limits { handshake: Duration::from_millis(50), ..Limits::default() }).await;
    let mut strangers = Vec::new();
    for number in 0..300 {
        let mut stranger = raw(&served).await;
        stranger.write_all(&hello(2)[..number % 45]).await.unwrap();
        strangers.push(stranger);
    }
    let client = timeout(SOON, served.client()).await.expect("strangers do not keep others out");
    assert_eq!(client.ask(Ask::Echo("in".into())).await.unwrap().body, "in");
    for mut stranger in strangers {
        // A whole hello is answered with a challenge; then there is silence all the same.
        let mut said = Vec::new();
        let _ = timeout(SOON, stranger.read_to_end(&mut said)).await.expect("silence ends");
        assert!(matches!(said.len(), 0 | 40));
    }
}

#[tokio::test]
async fn announced_lengths_beyond_the_limits_end_the_connection_with_the_reason() {
    let served = Served::unix(Limits { body: 100, bulk: 100, ..Limits::default() }).await;
    let mut huge_body = frame(1, &[], &[]);
    huge_body[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut huge_bulk = frame(1, &[], &[(1, &[0], vec![])]);
    huge_bulk[16..24].copy_from_slice(&[255; 8]);
    for (bytes, part) in [(huge_body, "body"), (huge_bulk, "bulk")] {
        let answer = exchange(&served, &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains(part) && text.contains("limit of 100"), "{text}");
    }
}

#[tokio::test]
async fn half_frames_end_only_their_connection() {
    let served = Served::unix(Limits::default()).await;
    let client = served.client().await;
    let whole = request(&Ask::Echo("half".into()));
    for length in 0..whole.len() {
        exchange(&served, &whole[..length]).await;
    }
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 0);
    assert_eq!(client.ask(Ask::Echo("whole".into())).await.unwrap().body, "whole");
}

/// A service of another type on the same address.
struct Other;

impl Service for Other {
    type Request = (u64, String, [u8; 8]);
    type Reply = ();
    type Error = Never;

    async fn call(&self, _: &Call<'_>, _: Self::Request) -> Result<(), Never> {
        Ok(())
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_named_to_its_caller() {
    let served = Served::unix(Limits::default()).await;
    let client = Client::<Other>::connect(&served.address, &served.token, &Limits::default()).await.unwrap();
    let error = client.call((u64::MAX, "?".into(), [255; 8])).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Wire(Error::Closed { reason, .. }) if reason.contains("body of another type")),
        "{error}"
    );
}

#[tokio::test]
async fn sockets_are_private_and_removed() {
    let served = Served::unix(Limits::default()).await;
    let Address::Unix(path) = served.address.clone() else { panic!("a Unix socket") };
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let taken = Listener::bind(&served.address, Token::random(), Limits::default()).await.err().unwrap();
    assert!(taken.to_string().contains("listen on unix:"), "{taken}");
    assert!(path.exists(), "a failed bind does not remove the other's socket");
    let listener = Arc::downgrade(&served.listener);
    drop(served);
    until(|| listener.strong_count() == 0).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn addresses_beyond_this_machine_must_be_asked_for() {
    let everywhere: Address = "tcp:0.0.0.0:0".parse().unwrap();
    let refused = Listener::bind(&everywhere, Token::random(), Limits::default()).await;
    assert!(matches!(refused, Err(Error::NotLoopback { .. })));
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Valid frames, one after another, with some bytes changed, removed or put in between.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let asks = prop_oneof![
        Just(Ask::Echo("text".into())),
        Just(Ask::Count),
        Just(Ask::Wait),
        Just(Ask::Sleep(1)),
        Just(Ask::Values(10)),
        Just(Ask::Fail("no".into())),
    ];
    let frames = prop::collection::vec(asks.prop_map(|ask| request(&ask)), 1..4);
    // Most changes hit the headers, where they hurt.
    let place =
        prop_oneof![3 => 0usize..32, 1 => any::<prop::sample::Index>().prop_map(|index| index.index(1000))];
    let changes = prop::collection::vec((place, any::<u8>(), 0u8..4), 1..6);
    (frames, changes).prop_map(|(frames, changes)| {
        let mut bytes = frames.concat();
        for (place, value, change) in changes {
            let place = place % bytes.len().max(1);
            match change {
                0 => bytes.truncate(place.max(1)),
                1 => bytes.insert(place, value),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = value,
            }
            if bytes.is_empty() {
                bytes.push(value);
            }
        }
        bytes
    })
}

#[test]
fn mutated_frames_end_at_most_their_own_connection() {
    let runtime = runtime();
    let served = runtime.block_on(Served::unix(Limits { bulk: 1 << 20, ..Limits::default() }));
    let client = runtime.block_on(served.client());
    proptest!(config(3000), |(bytes in mutated())| {
        runtime.block_on(exchange(&served, &bytes));
    });
    runtime.block_on(async {
        assert_eq!(client.ask(Ask::Echo("alive".into())).await.unwrap().body, "alive");
        timeout(SOON, until(|| served.probe.running.load(Ordering::SeqCst) == 0))
            .await
            .expect("no request is left");
    });
}

#[test]
fn garbage_instead_of_a_handshake_or_a_frame_is_refused() {
    let runtime = runtime();
    let served = runtime.block_on(Served::unix(Limits::default()));
    proptest!(config(500), |(bytes in prop::collection::vec(any::<u8>(), 0..400), known in 0usize..4)| {
        let known = &hello(2)[..[0, 8, 12, 44][known]];
        runtime.block_on(async { finish(raw(&served).await, &[known, &bytes[..]].concat()).await });
        runtime.block_on(exchange(&served, &bytes));
    });
    let client = runtime.block_on(served.client());
    assert_eq!(runtime.block_on(client.ask(Ask::Echo("alive".into()))).unwrap().body, "alive");
}

/// What a server says first: how many bytes of its challenge and, with a right proof or not, of its verdict.
#[derive(Clone, Copy)]
struct Greeting {
    challenge: usize,
    verdict: usize,
    knows: bool,
}

const WELCOME: Greeting = Greeting { challenge: 40, verdict: 3 + 37 + 32, knows: true };

/// A server that accepts one client and answers its first request with `bytes`, then closes.
async fn impostor(path: PathBuf, token: Token, greeting: Greeting, bytes: Vec<u8>) {
    let listener = UnixListener::bind(path).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = [0; 44];
    stream.read_exact(&mut hello).await.unwrap();
    let challenge = [&b"syncline"[..], &[9; 32]].concat();
    stream.write_all(&challenge[..greeting.challenge]).await.unwrap();
    if greeting.challenge < challenge.len() {
        return;
    }
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.unwrap();
    let mut said = vec![0; usize::from(u16::from_le_bytes(length))];
    stream.read_exact(&mut said).await.unwrap();
    stream.read_exact(&mut [0; 32]).await.unwrap();
    let secret = if greeting.knows { token } else { Token::random() };
    let (fixed, own) = ([&hello[..], &challenge].concat(), introduction());
    let mac = mac(&secret, "server", &fixed, &[&said, &[1], &own]);
    let verdict = [&[1][..], &(own.len() as u16).to_le_bytes(), &own, &mac].concat();
    assert_eq!(verdict.len(), WELCOME.verdict);
    stream.write_all(&verdict[..greeting.verdict]).await.unwrap();
    if greeting.verdict < verdict.len() {
        return;
    }
    let _ = stream.read(&mut [0; 1000]).await;
    let _ = stream.write_all(&bytes).await;
}

async fn call_impostor(greeting: Greeting, bytes: Vec<u8>) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let (path, token) = (directory.path().join("impostor"), Token::random());
    let server = tokio::spawn(impostor(path.clone(), token.clone(), greeting, bytes));
    let identity = Identity::new(token, "victim");
    let client = Client::<Probe>::connect(&Address::Unix(path), identity, &Limits::default()).await?;
    let outcome = timeout(SOON, client.ask(Ask::Wait)).await.expect("no call hangs");
    server.await.unwrap();
    outcome
}

fn is_closed(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CallError::Wire(Error::Closed { .. })))
}

#[tokio::test]
async fn half_a_handshake_fails_the_connection() {
    for challenge in 0..40 {
        let outcome = call_impostor(Greeting { challenge, ..WELCOME }, Vec::new()).await;
        assert!(is_closed(&outcome), "{challenge}: {outcome:?}");
    }
    for verdict in 0..WELCOME.verdict {
        let outcome = call_impostor(Greeting { verdict, ..WELCOME }, Vec::new()).await;
        assert!(is_closed(&outcome), "{verdict}: {outcome:?}");
    }
}

#[tokio::test]
async fn wire3_a_server_that_does_not_know_the_secret_is_not_asked_anything() {
    let outcome = call_impostor(Greeting { knows: false, ..WELCOME }, Vec::new()).await;
    assert!(matches!(outcome, Err(CallError::Wire(Error::Impostor { .. }))), "{outcome:?}");
}

#[tokio::test]
async fn a_silent_server_fails_the_connection_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent");
    let _listener = UnixListener::bind(&path).unwrap();
    let limits = Limits { connect: Duration::from_millis(30), ..Limits::default() };
    let (address, token) = (Address::Unix(path), Token::random());
    let silent = Client::<Probe>::connect(&address, &token, &limits);
    let error = timeout(SOON, silent).await.expect("silence ends").unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
}

#[tokio::test]
async fn wire2_half_a_reply_fails_the_call() {
    let whole = with_parts(2, vec![2, b'o', b'k']);
    for length in 0..whole.len() {
        let outcome = call_impostor(WELCOME, whole[..length].to_vec()).await;
        assert!(is_closed(&outcome), "{length}: {outcome:?}");
    }
}

#[test]
fn a_hostile_server_cannot_hang_or_crash_its_caller() {
    let runtime = runtime();
    proptest!(config(500), |(bytes in mutated(), kind in 1u8..10)| {
        let mut bytes = bytes;
        bytes[0] = kind;
        // A mutation may hit upon the number of the one call; any other answer ends the connection.
        let answered = bytes.get(8..16) == Some(&[0; 8]);
        let outcome = runtime.block_on(call_impostor(WELCOME, bytes));
        prop_assert!(answered || is_closed(&outcome), "{outcome:?}");
    });
}
