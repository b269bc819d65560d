//! A service to call, and how a run failed.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicU64, Ordering};

use syncline_program::{Error, Failure, Run};
use syncline_wire::{Call, Never, Service};

/// Adds up what it is given and answers with the sum so far.
#[derive(Default)]
pub struct Counter(pub AtomicU64);

impl Service for Counter {
    type Request = u64;
    type Reply = u64;
    type Error = Never;
    async fn call(&self, _: &Call<'_>, by: u64) -> Result<u64, Never> {
        Ok(self.0.fetch_add(by, Ordering::Relaxed) + by)
    }
}

/// How a node failed, and with it the run.
pub fn failure<T: std::fmt::Debug>(run: Run<T>) -> Failure {
    match run.wait().unwrap_err() {
        Error::NodeFailed(failure) => *failure,
        other => panic!("another error: {other}"),
    }
}
