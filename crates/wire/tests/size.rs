//! What a call takes up while it is under way: a run of a thousand workers and some servers has ten thousands of them.

use std::sync::Arc;
use syncline_wire::{Client, service};

/// What the service's own method keeps while it waits.
const KEPT: usize = 4096;

#[service]
trait Keeper {
    async fn keep(&self, number: u8) -> u8;
}

struct Own;

#[service]
impl Keeper for Own {
    async fn keep(&self, number: u8) -> u8 {
        let kept = [number; KEPT];
        tokio::task::yield_now().await;
        kept[usize::from(number)]
    }
}

#[tokio::test]
async fn a_call_takes_up_little_more_than_what_its_service_keeps() {
    let client = Client::<Own>::local(Arc::new(Own));
    let call = client.keep(3);
    let size = size_of_val(&call);
    assert!(size < 2 * KEPT, "{size}");
    assert_eq!(call.await.unwrap_or_default(), 3);
}
