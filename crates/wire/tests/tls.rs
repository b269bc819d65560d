//! Calls over TLS: they work, nobody on the way reads them, and who is not of the run gets nothing.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Ask, Asks, Message, Probe};
use syncline_wire::{Address, Client, Error, Limits, Listener, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn quick() -> Limits {
    Limits { handshake: Duration::from_secs(5), connect: Duration::ZERO, ..Limits::default() }
}

/// Serves at an encrypted port of this machine; its address.
async fn serve(token: &Token) -> Address {
    let address = "tls:127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&address, token, quick()).await.unwrap();
    let bound = listener.address().clone();
    tokio::spawn(async move { listener.serve(Arc::new(Probe::default())).await });
    bound
}

fn port(address: &Address) -> u16 {
    let Address::Tls { port, .. } = address else { panic!("{address}") };
    *port
}

/// Passes bytes on to `port` and keeps all that it sees; its own port.
async fn eavesdrop(port: u16, seen: Arc<Mutex<Vec<u8>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut piece = vec![0; 1 << 16];
                while let Ok(read @ 1..) = from.read(&mut piece).await {
                    seen.lock().unwrap().extend(&piece[..read]);
                    to.write_all(&piece[..read]).await.unwrap();
                }
            });
        }
    });
    own
}

#[tokio::test]
async fn what_passes_cannot_be_read_on_the_way() {
    let token = Token::random();
    let address = serve(&token).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tapped = eavesdrop(port(&address), Arc::clone(&seen)).await;
    let tapped = format!("tls:127.0.0.1:{tapped}").parse().unwrap();
    let client = Client::<Probe>::connect(&tapped, &token, &quick()).await.unwrap();
    let (text, values) = ("a word that is easily known again", vec![1.5_f32; 100_000]);
    let sent = Message::from(Ask::Echo(text.to_owned())).with_values(values.clone());
    let answer = client.ask(sent).await.unwrap();
    assert_eq!((answer.body.as_str(), &answer.values.unwrap()[..]), (text, &values[..]));
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 2 * 4 * values.len());
    let holds = |what: &[u8]| seen.windows(what.len()).any(|window| window == what);
    assert!(!holds(text.as_bytes()) && !holds(b"syncline\x02") && !holds(&1.5_f32.to_le_bytes().repeat(8)));
}

/// Passes bytes on to `port`, a little at a time; its own port.
async fn drip(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
            tokio::spawn(async move {
                let mut piece = vec![0; 1 << 14];
                while let Ok(read @ 1..) = from.read(&mut piece).await {
                    to.write_all(&piece[..read]).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    own
}

/// Where a socket takes no more, TLS keeps what it has made of the last piece.
#[tokio::test]
async fn messages_larger_than_the_systems_buffers_arrive_whole() {
    let token = Token::random();
    let address = serve(&token).await;
    let slow = drip(port(&address)).await;
    let slow = format!("tls:127.0.0.1:{slow}").parse().unwrap();
    let client = Client::<Probe>::connect(&slow, &token, &quick()).await.unwrap();
    // Of all sizes, so that in some the last piece finds the socket full.
    for round in 0..60 {
        let values = vec![round as f32; 1_000_000 + 40_961 * round];
        let sent = Message::from(Ask::Echo(String::new())).with_values(values.clone());
        let answer = tokio::time::timeout(Duration::from_secs(20), client.ask(sent)).await;
        assert!(answer.expect("it stands still").unwrap().values.unwrap()[..] == values[..], "round {round}");
    }
}

#[tokio::test]
async fn who_is_not_of_the_run_gets_nothing() {
    let address = serve(&Token::random()).await;
    let other = Client::<Probe>::connect(&address, Token::random(), &quick()).await;
    let error = other.err().unwrap();
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    // Without encryption.
    let open = format!("tcp:127.0.0.1:{}", port(&address)).parse().unwrap();
    assert!(Client::<Probe>::connect(&open, Token::random(), &quick()).await.is_err());
    let mut plain = TcpStream::connect(("127.0.0.1", port(&address))).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // An alert of TLS at most.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.len() < 16, "{answer:?}");
}

#[tokio::test]
async fn a_client_speaks_to_no_stranger() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tls:{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut stranger, _) = listener.accept().await.unwrap();
        stranger.write_all(&[b'x'; 64]).await.unwrap();
        let mut heard = Vec::new();
        let _ = stranger.read_to_end(&mut heard).await;
    });
    let refused = Client::<Probe>::connect(&address, Token::random(), &quick()).await;
    assert!(matches!(refused.err().unwrap(), Error::Untrusted { .. }));
}
