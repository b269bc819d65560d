//! What stays with clients under a secure sum: their changes, and the keys of the sums that they take part in.

use std::collections::BTreeMap;

use super::super::settings::Settings;
use super::super::sum::{Packing, new_client};
use super::super::work::{NoiseSource, Reply};
use crate::Result;
use crate::secure::{Client, FromClient, FromServer};

/// The changes and keys of a node's clients.
pub(super) struct Vault {
    packing: Packing,
    /// By client: its last round, and its numbers.
    held: BTreeMap<usize, (u64, Vec<u64>)>,
    /// Clients of the sums under way, and whether they have an input.
    clients: BTreeMap<usize, (Client, bool)>,
    secrets: NoiseSource,
}

impl Vault {
    /// The vault of a run with secure sums, whose clients have so many rows; nothing of one without.
    pub(super) fn new(settings: &Settings, samples: &[usize]) -> Result<Option<Self>> {
        let Some(secure) = settings.secure else { return Ok(None) };
        let packing = Packing::new(secure, samples, settings)?;
        let (held, clients) = (BTreeMap::new(), BTreeMap::new());
        Ok(Some(Self { packing, held, clients, secrets: rand::make_rng() }))
    }

    /// Keeps what a client has come to, and leaves in the answer whether it is made of numbers: NaN where it is not.
    pub(super) fn keep(&mut self, reply: &mut Reply, round: u64) {
        if reply.change.iter().all(|value| value.is_finite()) {
            self.held.insert(reply.client, (round, self.packing.numbers(reply, round)));
            reply.change = Vec::new();
        } else {
            reply.change = vec![f64::NAN];
        }
    }

    /// A client's answer to a message of the sum; nothing where it refuses, or has nothing to give.
    pub(super) fn step(&mut self, client: usize, message: FromServer) -> Option<FromClient> {
        if let FromServer::Setup(setup) = &message {
            let held = self.held.get(&client).filter(|(round, _)| *round == setup.round);
            // Who sends no input says how long it would be all the same.
            let numbers = held.map_or_else(|| vec![0; setup.elements], |(_, numbers)| numbers.clone());
            let has_input = held.is_some();
            self.clients.insert(client, (new_client(client, numbers, &mut self.secrets), has_input));
        }
        let (of_sum, has_input) = self.clients.get_mut(&client)?;
        if matches!(message, FromServer::Shares(_)) && !*has_input {
            return None;
        }
        of_sum.step(message).ok()
    }
}
