//! Whatever bytes arrive: no panic, no hang, no call by a stranger, and the others are served on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Ask, Probe, Served, until};
use syncline_wire::{Address, Client, Error, Limits, Listener, Message, Service, ServiceError, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// The client's part of the handshake, byte by byte.
fn hello(token: &Token, version: u32) -> Vec<u8> {
    let hex = token.to_hex();
    let secret = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
    let limits = [(16u64 << 20).to_le_bytes(), (64u64 << 20).to_le_bytes()].concat();
    [b"syncline".to_vec(), secret.collect(), version.to_le_bytes().to_vec(), limits].concat()
}

/// The server's part when it accepts.
fn welcome() -> Vec<u8> {
    [
        b"syncline".to_vec(),
        vec![1],
        (16u64 << 20).to_le_bytes().to_vec(),
        (64u64 << 20).to_le_bytes().to_vec(),
    ]
    .concat()
}

fn frame(kind: u8, body: &[u8], indices: Option<&[u32]>, values: Option<&[f32]>) -> Vec<u8> {
    let parts = u8::from(indices.is_some()) | u8::from(values.is_some()) << 1;
    let (indices, values) = (indices.unwrap_or(&[]), values.unwrap_or(&[]));
    let mut bytes = vec![kind, parts, 0, 0];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(9u64.to_le_bytes());
    bytes.extend((indices.len() as u32).to_le_bytes());
    bytes.extend((values.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.extend(indices.iter().flat_map(|index| index.to_le_bytes()));
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn request(ask: &Ask) -> Vec<u8> {
    frame(1, &postcard::to_stdvec(ask).unwrap(), Some(&[1, 2, 3]), Some(&[0.5; 40]))
}

async fn raw(served: &Served) -> UnixStream {
    let Address::Unix(path) = &served.address else { panic!("a Unix socket") };
    UnixStream::connect(path).await.unwrap()
}

/// Sends the bytes and no more, and returns what the server says before it closes.
async fn exchange(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = raw(served).await;
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
    stream.write_all(&[hello(&served.token, 1), request(&Ask::Echo("hand".into()))].concat()).await.unwrap();
    let mut answer = vec![0; welcome().len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..9], welcome()[..9]);
    let expected = frame(2, &[&[4], &b"hand"[..]].concat(), Some(&[1, 2, 3]), Some(&[0.5; 40]));
    let mut reply = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn wire3_a_wrong_token_is_refused_before_any_message() {
    let served = Served::unix(Limits::default()).await;
    let refused = Client::<Probe>::connect(&served.address, &Token::random(), &Limits::default()).await;
    assert!(matches!(refused, Err(Error::Refused { .. })));
    let stranger = [hello(&Token::random(), 1), request(&Ask::Echo("stranger".into()))].concat();
    let answer = exchange(&served, &stranger).await;
    assert_eq!(answer[8..], [&[2u8][..], &[0; 16]].concat(), "refused, and no limits shown");
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_version_is_named() {
    let served = Served::unix(Limits::default()).await;
    assert_eq!(exchange(&served, &hello(&served.token, 2)).await[8], 3);
    assert_eq!(
        exchange(&served, &hello(&Token::random(), 2)).await[8],
        2,
        "a stranger does not learn the version"
    );
}

#[tokio::test]
async fn silent_strangers_lose_their_place() {
    let served = Served::unix(Limits { handshake: Duration::from_millis(50), ..Limits::default() }).await;
    let mut strangers = Vec::new();
    for number in 0..300 {
        let mut stranger = raw(&served).await;
        stranger.write_all(&hello(&served.token, 1)[..number % 40]).await.unwrap();
        strangers.push(stranger);
    }
    let client = timeout(SOON, served.client()).await.expect("strangers do not keep others out");
    assert_eq!(client.call(Ask::Echo("in".into())).await.unwrap().body, "in");
    for mut stranger in strangers {
        let closed = timeout(SOON, stranger.read(&mut [0; 8])).await.expect("silence ends");
        assert!(matches!(closed, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn announced_lengths_beyond_the_limits_end_the_connection_with_the_reason() {
    let served = Served::unix(Limits { body: 100, bulk: 100, ..Limits::default() }).await;
    let mut huge_body = frame(1, &[], None, None);
    huge_body[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut huge_bulk = frame(1, &[], Some(&[]), Some(&[]));
    huge_bulk[16..24].copy_from_slice(&[255; 8]);
    for (bytes, part) in [(huge_body, "body"), (huge_bulk, "bulk")] {
        let answer = exchange(&served, &[hello(&served.token, 1), bytes].concat()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains(part) && text.contains("limit of 100"), "{text}");
    }
}

#[tokio::test]
async fn half_frames_end_only_their_connection() {
    let served = Served::unix(Limits::default()).await;
    let client = served.client().await;
    let whole = [hello(&served.token, 1), request(&Ask::Echo("half".into()))].concat();
    for length in 0..whole.len() {
        exchange(&served, &whole[..length]).await;
    }
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 0);
    assert_eq!(client.call(Ask::Echo("whole".into())).await.unwrap().body, "whole");
}

/// A service of another type on the same address.
struct Other;

impl Service for Other {
    type Request = (u64, String, [u8; 8]);
    type Reply = ();

    async fn call(&self, _: Message<Self::Request>) -> Result<Message<()>, ServiceError> {
        Ok(().into())
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_named_to_its_caller() {
    let served = Served::unix(Limits::default()).await;
    let client = Client::<Other>::connect(&served.address, &served.token, &Limits::default()).await.unwrap();
    let error = client.call((u64::MAX, "?".into(), [255; 8])).await.unwrap_err();
    assert!(
        matches!(&error, Error::Closed { reason, .. } if reason.contains("body of another type")),
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
    let greeting = hello(&served.token, 1);
    proptest!(config(3000), |(bytes in mutated())| {
        runtime.block_on(exchange(&served, &[greeting.clone(), bytes].concat()));
    });
    runtime.block_on(async {
        assert_eq!(client.call(Ask::Echo("alive".into())).await.unwrap().body, "alive");
        timeout(SOON, until(|| served.probe.running.load(Ordering::SeqCst) == 0))
            .await
            .expect("no request is left");
    });
}

#[test]
fn garbage_instead_of_a_handshake_or_a_frame_is_refused() {
    let runtime = runtime();
    let served = runtime.block_on(Served::unix(Limits::default()));
    let greeting = hello(&served.token, 1);
    proptest!(config(500), |(bytes in prop::collection::vec(any::<u8>(), 0..200), greeted in any::<prop::sample::Index>())| {
        let known = &greeting[..[0, 8, 44, greeting.len()][greeted.index(4)]];
        runtime.block_on(exchange(&served, &[known, &bytes].concat()));
    });
    let client = runtime.block_on(served.client());
    assert_eq!(runtime.block_on(client.call(Ask::Echo("alive".into()))).unwrap().body, "alive");
}

/// A server that accepts one client and answers its first request with `bytes`, then closes.
async fn impostor(path: PathBuf, greeting: Vec<u8>, bytes: Vec<u8>) {
    let listener = UnixListener::bind(path).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 60]).await.unwrap();
    stream.write_all(&greeting).await.unwrap();
    if greeting.len() < welcome().len() {
        return;
    }
    let _ = stream.read(&mut [0; 1000]).await;
    let _ = stream.write_all(&bytes).await;
}

async fn call_impostor(greeting: Vec<u8>, bytes: Vec<u8>) -> Result<Message<String>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("impostor");
    let server = tokio::spawn(impostor(path.clone(), greeting, bytes));
    let client = Client::<Probe>::connect(&Address::Unix(path), &Token::random(), &Limits::default()).await?;
    let outcome = timeout(SOON, client.call(Ask::Wait)).await.expect("no call hangs");
    server.await.unwrap();
    outcome
}

#[tokio::test]
async fn half_a_handshake_fails_the_connection() {
    for length in 0..welcome().len() {
        let outcome = call_impostor(welcome()[..length].to_vec(), Vec::new()).await;
        assert!(matches!(outcome, Err(Error::Closed { .. })), "{length}: {outcome:?}");
    }
    let other = call_impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Vec::new()).await;
    assert!(matches!(other, Err(Error::Version { .. })), "{other:?}");
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
    let whole = frame(2, &[2, b'o', b'k'], None, Some(&[1.0; 10]));
    for length in 0..whole.len() {
        let outcome = call_impostor(welcome(), whole[..length].to_vec()).await;
        assert!(matches!(outcome, Err(Error::Closed { .. })), "{length}: {outcome:?}");
    }
}

#[test]
fn a_hostile_server_cannot_hang_or_crash_its_caller() {
    let runtime = runtime();
    proptest!(config(500), |(bytes in mutated(), kind in 1u8..6)| {
        let mut bytes = bytes;
        bytes[0] = kind;
        // A mutation may hit upon the number of the one call; any other answer ends the connection.
        let answered = bytes.get(8..16) == Some(&[0; 8]);
        let outcome = runtime.block_on(call_impostor(welcome(), bytes));
        prop_assert!(answered || matches!(outcome, Err(Error::Closed { .. })), "{outcome:?}");
    });
}
