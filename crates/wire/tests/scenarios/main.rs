//! Parity: one list of scenarios, each in process, over a Unix socket, over TCP, and in virtual time. What differs between
//! the ways to a service is its speed, never its answer. Names begin with the number of the behaviour that they hold.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod batches;
mod bench;
mod calls;
mod lost;
