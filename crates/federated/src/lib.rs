//! Federated learning: many unreliable clients, few rounds, private sums; as pure values, and as runs in virtual time.
//!
//! A round selects clients ([`Selection`]), each works for a while ([`Local`]), the answers are folded ([`fold`])
//! and the server steps ([`server`]). [`privacy`] accounts for what a round gives away, [`secure`] sums answers
//! that nobody sees, [`compress`] makes them smaller, [`gossip`] does without a server. [`drift`] has closed forms
//! of what strategies converge to on unlike clients, against which they are tested. A [`Federation`] brings them together:
//! clients with rows of their own ([`Deal`]) train a model of `syncline-learn` on a virtual clock.
//!
//! ```
//! use syncline_federated::fold::{Answer, Fold, Krum, Mean};
//!
//! let answer = |client, value| Answer { client, samples: 1.0, values: vec![value] };
//! let answers = [answer(0, 0.9), answer(1, 1.1), answer(2, 1.0), answer(3, 1.05), answer(4, -80.0)];
//! assert!(Mean.fold(&answers)?.values[0] < -10.0);            // one liar moves the mean anywhere
//! assert!(Krum::new(1).fold(&answers)?.values[0] > 0.8);       // and Krum nowhere
//! # Ok::<(), syncline_federated::Error>(())
//! ```
//!
//! The parts know no clock, no socket, no file and no thread; randomness comes from seeds, and secrets from outside. Runs
//! have a gate of `syncline-round`, the virtual clock of `syncline-runtime`, models of `syncline-learn`, and write what
//! happened with `syncline-trace`.

mod client;
pub mod compress;
mod deal;
pub mod drift;
mod error;
pub mod experiment;
pub mod fold;
pub mod gossip;
pub mod privacy;
mod run;
pub mod secure;
pub mod select;
pub mod server;
mod source;
pub mod synthetic;

pub use client::{Local, LocalRule, normalised_change};
pub use deal::Deal;
pub use error::{Error, Result};
pub use run::{
    Asked, ClientReport, Compression, Devices, Edges, Evaluated, Factor, Fairness, Federation, Fitted,
    FoldName, Late, Liars, Lie, Line, NoisePlace, OnRound, OwnClients, OwnStep, Partial, Participation,
    Privacy, PrivacyReport, Report, RoundReport, SecureSum, Select, Settings, Strategy, Totals, Trained,
    WaitedFor, deal_labels,
};
pub use select::Selection;
pub use source::{Clients, ClientsBy, Generated, HeldOut, Source, devices, suitable};
pub use syncline_round::Neighbours;

/// The chapter's listings are compiled as tests.
#[doc = include_str!("../../../docs/book/federated.md")]
#[cfg(doctest)]
struct Chapter;
