//! Servers between clients and the server (hierarchical averaging): an edge is a server to its clients, whose models it averages for some
//! rounds, and a client to the server, to which it answers with what came of that.
//!
//! EDGE-1: with one round an edge's answer weighs as its clients together, so that the server's mean is the mean of all clients, but for
//! rounding. EDGE-2: an edge adds in the order of its clients.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::{Error, Result};

/// Edges, each of which has a part of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    /// How many.
    pub count: usize,
    /// Rounds among an edge's own clients, before it answers.
    pub rounds: u64,
}

impl Edges {
    /// The names a user can give.
    pub const VALID: &'static str = "EDGES and EDGES:ROUNDS, such as 4:5 (each averages its own clients for five rounds, then the server averages the four)";

    /// The clients of an edge: neighbours, as evenly as can be.
    pub(super) fn clients(self, edge: usize, clients: usize) -> Range<usize> {
        edge * clients / self.count..(edge + 1) * clients / self.count
    }

    /// Whose client that is.
    pub(super) fn of(self, client: usize, clients: usize) -> usize {
        // The last edge that begins at it or before.
        ((client + 1) * self.count).div_ceil(clients) - 1
    }

    /// The number of an edge's round among all its rounds.
    pub(super) fn number(self, round: u64, inner: u64) -> u64 {
        round * self.rounds + inner
    }
}

/// The weighted mean of models in the order in which they come.
pub(super) struct Mean {
    from: Vec<f32>,
    change: Vec<f64>,
    pub weight: f64,
}

impl Mean {
    /// Of models that come of this one.
    pub(super) fn of(from: Vec<f32>) -> Self {
        let change = vec![0.0; from.len()];
        Self { from, change, weight: 0.0 }
    }

    /// What the models come of.
    pub(super) fn from(&self) -> &[f32] {
        &self.from
    }

    pub(super) fn add(&mut self, model: &[f32], weight: f64) {
        for ((sum, y), x) in self.change.iter_mut().zip(model).zip(&self.from) {
            *sum += weight * (f64::from(*y) - f64::from(*x));
        }
        self.weight += weight;
    }

    /// The mean, in single precision.
    pub(super) fn model(self) -> Vec<f32> {
        let weight = self.weight;
        let moved = |(x, sum): (&f32, &f64)| (f64::from(*x) + sum / weight) as f32;
        self.from.iter().zip(&self.change).map(moved).collect()
    }
}

impl FromStr for Edges {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "edges", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let (count, rounds) = text.split_once(':').unwrap_or((text, "1"));
        let (count, rounds) = (count.parse().map_err(|_| unknown())?, rounds.parse().map_err(|_| unknown())?);
        crate::error::within("the number of edges", count, 1, 1 << 20)?;
        crate::error::within("the rounds of an edge", rounds as usize, 1, 1 << 20)?;
        Ok(Self { count, rounds })
    }
}

impl fmt::Display for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_read_and_have_each_client_once() {
        let edges: Edges = "3:4".parse().unwrap();
        assert_eq!((edges.to_string().as_str(), "5".parse::<Edges>().unwrap().rounds), ("3:4", 1));
        for text in ["", "0", "3:0", "x", "3:", ":2", "3:4:5"] {
            assert!(text.parse::<Edges>().is_err(), "{text}");
        }
        for count in 1..=7 {
            for clients in count..20 {
                let edges = Edges { count, rounds: 1 };
                let of: Vec<usize> = (0..clients).map(|client| edges.of(client, clients)).collect();
                for edge in 0..count {
                    let own = edges.clients(edge, clients);
                    assert!(
                        !own.is_empty() && own.clone().all(|client| of[client] == edge),
                        "{count} {clients} {of:?}"
                    );
                }
                assert_eq!(edges.clients(count - 1, clients).end, clients);
            }
        }
    }
}
