//! Limits, back-pressure, giving up, and traffic in both directions at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Ask, Asks, Message, Outcome, Probe, Served, until};
use syncline_wire::{Address, CallError, Client, Error, Limits, Tensor, Token};
use tokio::time::timeout;

/// What must not hang; a machine under load may be slow.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("nothing hangs")
}

fn spawn(client: &Client<Probe>, ask: Ask) -> tokio::task::JoinHandle<Outcome> {
    let client = client.clone();
    tokio::spawn(async move { client.ask(ask).await })
}

#[tokio::test]
async fn c23_the_concurrency_limit_holds() {
    for in_flight in [1, 3] {
        let served = Served::unix(Limits { in_flight, ..Limits::default() }).await;
        let client = served.client().await;
        let calls: Vec<_> = (0..20).map(|_| spawn(&client, Ask::Sleep(2))).collect();
        for call in calls {
            assert_eq!(soon(call).await.unwrap().unwrap().body, "slept");
        }
        assert_eq!(served.probe.most_running.load(Ordering::SeqCst), in_flight);
    }
}

#[tokio::test]
async fn gathered_replies_do_not_starve_the_reader_of_slots() {
    // Several requests arrive in one read, and each reply must leave before the next request may start.
    let served = Served::unix(Limits { in_flight: 1, ..Limits::default() }).await;
    let client = served.client().await;
    let calls: Vec<_> = (0..200).map(|number| spawn(&client, Ask::Echo(format!("{number}")))).collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(soon(call).await.unwrap().unwrap().body, number.to_string());
    }
}

#[tokio::test]
async fn a_full_server_stops_reading_and_goes_on_later() {
    let served = Served::unix(Limits { in_flight: 2, ..Limits::default() }).await;
    let (client, other) = (served.client().await, served.client().await);
    let calls: Vec<_> = (0..6).map(|_| spawn(&client, Ask::Wait)).collect();
    until(|| served.probe.running.load(Ordering::SeqCst) == 2).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 2, "the third waits in the socket");
    let opening = async {
        while !calls.iter().all(|call| call.is_finished()) {
            other.ask(Ask::Open).await.unwrap();
        }
    };
    soon(opening).await;
    assert_eq!(served.probe.most_running.load(Ordering::SeqCst), 3, "two waiting, and the one that opens");
}

#[tokio::test]
async fn a_call_given_up_is_forgotten_and_its_late_reply_discarded() {
    let served = Served::unix(Limits::default()).await;
    let client = served.client().await;
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(3), client.ask(Ask::Wait)).await.is_err());
    }
    // WIRE-5: nobody opens the gate; the services learn that they are not waited for.
    soon(until(|| served.probe.running.load(Ordering::SeqCst) == 0)).await;
    for number in 0..20 {
        let reply = client.ask(Ask::Echo(number.to_string())).await.unwrap();
        assert_eq!(reply.body, number.to_string(), "no late reply is taken for this one");
    }
}

#[tokio::test]
async fn a_large_call_given_up_half_sent_leaves_the_connection_whole() {
    let served = Served::unix(Limits::default()).await;
    let client = served.client().await;
    let values = Tensor::from(vec![1.0; 4 << 20]);
    for _ in 0..5 {
        let request = Message::from(Ask::Echo("large".into())).with_values(values.clone());
        // Polled once: the socket has taken a part.
        assert!(timeout(Duration::ZERO, client.ask(request)).await.is_err());
        assert_eq!(soon(client.ask(Ask::Echo("small".into()))).await.unwrap().body, "small");
    }
}

#[tokio::test]
async fn a_local_call_given_up_stops_at_its_await_point() {
    let probe = Arc::new(Probe::default());
    let client = Client::local(Arc::clone(&probe));
    assert!(timeout(Duration::from_millis(3), client.ask(Ask::Wait)).await.is_err());
    assert_eq!(probe.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn local_tensors_are_shared_not_copied() {
    let client = Client::local(Arc::new(Probe::default()));
    let values = Tensor::from(vec![1.0; 1000]);
    let request = Message::from(Ask::Echo(String::new())).with_values(values.clone());
    let reply = client.ask(request).await.unwrap().values.unwrap();
    assert_eq!(reply.as_ptr(), values.as_ptr());
    assert_eq!(client.reuse().taken, 0);
}

#[tokio::test]
async fn receive_buffers_are_used_again() {
    let served = Served::unix(Limits::default()).await;
    let client = served.client().await;
    let values = Tensor::from(vec![1.0; 1 << 18]);
    for _ in 0..20 {
        let request = Message::from(Ask::Echo(String::new())).with_values(values.clone());
        assert_eq!(client.ask(request).await.unwrap().values.unwrap().len(), 1 << 18);
    }
    assert_eq!((client.reuse().taken, client.reuse().reused), (20, 19));
    let server = served.listener.reuse();
    assert!(server.taken == 20 && server.reused >= 18, "{server:?}");
}

#[tokio::test]
async fn both_sides_push_64_mib_at_once_while_small_calls_pass() {
    for served in [Served::unix(Limits::default()).await, Served::tcp(Limits::default()).await] {
        let client = served.client().await;
        let values = Tensor::from((0..16 << 20).map(|value| value as f32).collect::<Vec<_>>());
        let large = |client: Client<Probe>, values: Tensor<f32>| async move {
            let request = Message::from(Ask::Echo("large".into())).with_values(values.clone());
            assert!(client.ask(request).await.unwrap().values.unwrap() == values);
        };
        let pushes: Vec<_> = (0..3).map(|_| tokio::spawn(large(client.clone(), values.clone()))).collect();
        while !pushes.iter().all(|push| push.is_finished()) {
            let small: Vec<_> =
                (0..20).map(|number| spawn(&client, Ask::Echo(format!("{number}")))).collect();
            for (number, call) in small.into_iter().enumerate() {
                assert_eq!(soon(call).await.unwrap().unwrap().body, number.to_string());
            }
        }
        for push in pushes {
            soon(push).await.unwrap();
        }
    }
}

/// Threads that call, read and flush at the same time reach every order of cork, stall and wake.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reply_arrives_under_a_mixed_load_on_several_threads() {
    let served = Served::unix(Limits { in_flight: 7, ..Limits::default() }).await;
    let client = served.client().await;
    let caller = |client: Client<Probe>, caller: usize| async move {
        for round in 0..150 {
            let size = [0, 1, 5_000, 200_000][(caller + round) % 4];
            let ask = if round % 10 == 0 { Ask::Sleep(1) } else { Ask::Values(size) };
            let expected = if round % 10 == 0 { None } else { Some(size) };
            let request = Message::from(ask).with_values(vec![0.0; size / 2]);
            let reply = soon(client.ask(request)).await.unwrap();
            assert_eq!(reply.values.map(|values| values.len()), expected);
        }
    };
    let callers: Vec<_> = (0..16).map(|number| tokio::spawn(caller(client.clone(), number))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn messages_over_the_limits_are_not_sent_and_the_connection_lives() {
    let served = Served::unix(Limits { body: 1000, bulk: 4000, ..Limits::default() }).await;
    let client = served.client().await;
    let large_body = client.ask(Ask::Echo("x".repeat(1001))).await.unwrap_err();
    assert!(
        matches!(large_body, CallError::Wire(Error::TooLarge { part: "body", limit: 1000, .. })),
        "{large_body}"
    );
    let request = Message::from(Ask::Count).with_values(vec![0.0; 600]).with_indices(vec![0; 401]);
    let large_bulk = client.ask(request).await.unwrap_err();
    assert!(
        matches!(large_bulk, CallError::Wire(Error::TooLarge { part: "bulk", size: 4004, limit: 4000 })),
        "{large_bulk}"
    );
    let large_reply = client.ask(Ask::Values(1001)).await.unwrap_err();
    assert!(
        matches!(&large_reply, CallError::Wire(Error::Remote(text)) if text.contains("limit of 4000")),
        "{large_reply}"
    );
    assert_eq!(client.ask(Ask::Values(1000)).await.unwrap().values.unwrap().len(), 1000);
    assert_eq!(served.probe.started.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_callers_narrower_limits_hold_for_replies() {
    let served = Served::unix(Limits::default()).await;
    let narrow = Limits { bulk: 400, ..Limits::default() };
    let client = Client::<Probe>::connect(&served.address, &served.token, &narrow).await.unwrap();
    assert!(matches!(client.ask(Ask::Values(101)).await, Err(CallError::Wire(Error::Remote(_)))));
    assert_eq!(client.ask(Ask::Values(100)).await.unwrap().values.unwrap().len(), 100);
}

#[tokio::test]
async fn c9_a_client_waits_for_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("late"));
    let (token, limits) = (Token::random(), Limits::default());
    let connecting = tokio::spawn({
        let (address, token, limits) = (address.clone(), token.clone(), limits.clone());
        async move { Client::<Probe>::connect(&address, &token, &limits).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!connecting.is_finished());
    let listener = syncline_wire::Listener::bind(&address, token, limits).await.unwrap();
    tokio::spawn(async move { listener.serve(Arc::new(Probe::default())).await });
    let client = connecting.await.unwrap().unwrap();
    assert_eq!(client.ask(Ask::Echo("hello".into())).await.unwrap().body, "hello");
}

#[tokio::test]
async fn c10_nobody_listening_fails_at_the_deadline() {
    let limits = Limits { connect: Duration::from_millis(30), ..Limits::default() };
    let nobody = Address::Unix("/nonexistent/socket".into());
    let error = Client::<Probe>::connect(&nobody, &Token::random(), &limits).await.unwrap_err();
    assert!(error.is_peer_lost() && error.to_string().contains("unix:/nonexistent/socket"), "{error}");
}

#[test]
fn wire2_calls_fail_when_the_runtime_of_the_connection_is_gone() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (servers, connecting) = (runtime(), runtime());
    let (client, _served) = connecting.block_on(async {
        let served = servers.spawn(async { Served::unix(Limits::default()).await });
        let driver =
            std::thread::spawn(move || servers.block_on(served).map(|served| (served, servers)).unwrap());
        let (served, servers) = driver.join().unwrap();
        std::thread::spawn(move || servers.block_on(std::future::pending::<()>()));
        (served.client().await, served)
    });
    let calling = runtime();
    let call = calling.spawn({
        let client = client.clone();
        async move { client.ask(Ask::Wait).await }
    });
    // Polled until it waits for its reply, which nobody reads.
    calling.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    drop(connecting);
    let outcome = calling.block_on(async { soon(call).await }).unwrap();
    assert!(matches!(outcome, Err(CallError::Wire(Error::Closed { .. }))));
    // A later call opens the connection again, in the runtime where it is made.
    let reply = calling.block_on(async { soon(client.ask(Ask::Echo("again".into()))).await });
    assert_eq!(reply.unwrap().body, "again");
}
