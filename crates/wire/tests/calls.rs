//! What a caller sees, the same in process, over a Unix socket and over TCP.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Ask, Asks, Message, Served, everywhere, until};
use syncline_wire::{CallError, Error, Limits};

#[tokio::test]
async fn messages_round_trip() {
    for (client, _served) in everywhere().await {
        for length in [0, 1, 3, 2047, 2048, 100_000, 1 << 20] {
            let values: Vec<f32> = (0..length).map(|value| value as f32).collect();
            let indices: Vec<u32> = (0..length / 2).map(|index| index * 3).collect();
            let request = Message::from(Ask::Echo("é".repeat(length as usize % 5000)));
            let reply =
                client.ask(request.with_values(values.clone()).with_indices(indices.clone())).await.unwrap();
            assert_eq!(reply.body.chars().count(), length as usize % 5000);
            assert!(reply.values.unwrap()[..] == values[..]);
            assert!(reply.indices.unwrap()[..] == indices[..]);
        }
    }
}

#[tokio::test]
async fn absent_and_empty_parts_stay_distinct() {
    for (client, _served) in everywhere().await {
        let request = || Message::from(Ask::Count);
        let seen = async |request| client.ask(request).await.unwrap().body;
        assert_eq!(seen(request()).await, "[None, None]");
        assert_eq!(seen(request().with_values(vec![])).await, "[None, Some(0)]");
        assert_eq!(seen(request().with_indices(vec![])).await, "[Some(0), None]");
        let reply = client.ask(Ask::Echo(String::new())).await.unwrap();
        assert!(reply.values.is_none() && reply.indices.is_none());
    }
}

#[tokio::test]
async fn every_bit_of_a_nan_is_kept() {
    let patterns = [0x7fc0_0000, 0x7f80_0001, 0xffff_ffff, 0x7fa5_5aa5, 0x8000_0000, 0x0000_0001];
    for (client, _served) in everywhere().await {
        let values: Vec<f32> = patterns.iter().map(|&bits| f32::from_bits(bits)).collect();
        let reply = client.ask(Message::from(Ask::Echo(String::new())).with_values(values)).await.unwrap();
        let bits: Vec<u32> = reply.values.unwrap().iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, patterns);
    }
}

#[tokio::test]
async fn c4_errors_and_panics_reach_the_caller_and_the_connection_lives() {
    for (client, _served) in everywhere().await {
        let failed = client.ask(Ask::Fail("no such shard".into())).await.unwrap_err();
        assert!(matches!(&failed, CallError::Service(error) if error.to_string() == "no such shard"));
        let panicked = client.ask(Ask::Panic("no such shard".into())).await.unwrap_err();
        assert!(matches!(&panicked, CallError::Wire(Error::Remote(text)) if text.contains("no such shard")));
        assert!(!failed.is_peer_lost() && !panicked.is_peer_lost());
        assert_eq!(client.ask(Ask::Echo("alive".into())).await.unwrap().body, "alive");
    }
}

#[tokio::test]
async fn wire4_a_call_that_waits_does_not_hold_up_others() {
    for (client, _served) in everywhere().await {
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.ask(Ask::Wait).await }
        });
        // The gate opens for those who wait already, so it is opened until the waiting one has arrived.
        let mut passed = 0;
        while !waiting.is_finished() {
            assert_eq!(client.ask(Ask::Echo("passes".into())).await.unwrap().body, "passes");
            client.ask(Ask::Open).await.unwrap();
            tokio::task::yield_now().await;
            passed += 1;
        }
        assert_eq!(waiting.await.unwrap().unwrap().body, "waited");
        assert!(passed > 0);
    }
}

#[tokio::test]
async fn many_calls_at_once_get_each_its_own_reply() {
    for (client, _served) in everywhere().await {
        let calls: Vec<_> = (0..500)
            .map(|number: u32| {
                let client = client.clone();
                tokio::spawn(async move {
                    let ask = Message::from(Ask::Echo(number.to_string()))
                        .with_indices(vec![number; number as usize]);
                    (number, client.ask(ask).await.unwrap())
                })
            })
            .collect();
        for call in calls {
            let (number, reply) = call.await.unwrap();
            assert_eq!(reply.body, number.to_string());
            assert!(reply.indices.unwrap()[..] == vec![number; number as usize]);
        }
    }
}

#[tokio::test]
async fn wire2_waiting_calls_fail_when_the_server_ends() {
    for served in [Served::unix(Limits::default()).await, Served::tcp(Limits::default()).await] {
        let client = served.client().await;
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.ask(Ask::Wait).await })
            })
            .collect();
        until(|| served.probe.running.load(Ordering::SeqCst) == 10).await;
        served.server.abort();
        for call in waiting {
            let outcome = tokio::time::timeout(Duration::from_secs(5), call).await.expect("no call hangs");
            assert!(matches!(outcome.unwrap(), Err(CallError::Wire(Error::Closed { .. }))));
        }
        assert!(client.ask(Ask::Open).await.unwrap_err().is_peer_lost());
        assert_eq!(served.probe.started.load(Ordering::SeqCst), 10, "WIRE-1: nothing is sent again");
    }
}
