//! The secure sum of a round: real clients and a real server of [`crate::secure`], whose messages pass in memory.
//!
//! The graph is of all that were selected. Who was lost or late has sent keys and shares, but no input, so that its key is
//! rebuilt; with `dropout` some are lost once more before they reveal their shares. Whatever fails fails before anything is
//! revealed, and is a failed round.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt, SeedableRng};

use super::device::stream;
use super::settings::{SecureSum, Settings};
use super::work::{NoiseSource, Reply};
use crate::secure::{Client, FromClient, FromServer, Graph, Outcome, Quantiser, Server};
use crate::{Error, Result};

/// Who was selected and sent nothing that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped<'a> {
    pub clients: &'a [usize],
    /// The number of the round, from 0.
    pub round: u64,
}

/// What clients do with their changes before they are masked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    clip: f64,
    quantiser: Quantiser,
    /// The rows of the largest client, by which weights are divided; nothing where all weigh the same.
    largest: Option<f64>,
    seed: u64,
}

/// How a run sums without seeing.
pub(super) struct PrivateSum {
    secure: SecureSum,
    packing: Packing,
    dropout: f64,
    seed: u64,
    /// Keys never come from the run's seed. The sum does not depend on them, because masks cancel.
    secrets: NoiseSource,
}

/// A client's numbers.
pub(super) struct Input {
    client: usize,
    numbers: Vec<u64>,
}

/// A sum under way: who of its clients has an input, and what travelled.
pub(super) struct Exchange {
    server: Server,
    with_input: BTreeSet<u32>,
    bytes: [u64; 2],
}

/// What an exchange came to.
pub(super) struct Exchanged {
    numbers: Vec<u64>,
    /// Whose inputs are in the sum.
    pub clients: Vec<u32>,
    bytes: [u64; 2],
}

/// What is next in an exchange.
pub(super) enum Next {
    /// These messages go to these clients; who does not answer has dropped out.
    Send(Vec<(u32, FromServer)>),
    Over(Exchanged),
}

/// A sum.
pub(super) struct Summed {
    pub values: Vec<f64>,
    /// The sum of weights.
    pub weight: f64,
    /// Of all messages, up and down.
    pub bytes: [u64; 2],
}

impl PrivateSum {
    /// A sum of clients that have so many rows.
    pub(super) fn new(secure: SecureSum, samples: &[usize], settings: &Settings) -> Result<Self> {
        let packing = Packing::new(secure, samples, settings)?;
        let (dropout, seed) = (settings.dropout, settings.seed);
        Ok(Self { secure, packing, dropout, seed, secrets: rand::make_rng() })
    }

    /// The numbers of an answer in a round.
    pub(super) fn input(&self, reply: &Reply, round: u64) -> Input {
        Input { client: reply.client, numbers: self.packing.numbers(reply, round) }
    }

    /// The sum of all inputs.
    pub(super) fn sum(
        &mut self,
        inputs: Vec<Input>,
        dropped: Dropped<'_>,
        parameters: usize,
    ) -> Result<Summed> {
        let with_input: Vec<usize> = inputs.iter().map(|input| input.client).collect();
        let exchange = self.open(&with_input, dropped, parameters)?;
        let exchanged = self.exchange(exchange, inputs, dropped, parameters + 1)?;
        self.summed(&exchanged)
    }

    /// A sum whose clients are those with an input and those who were dropped on the way to it.
    pub(super) fn open(
        &self,
        with_input: &[usize],
        dropped: Dropped<'_>,
        parameters: usize,
    ) -> Result<Exchange> {
        let elements = parameters + 1;
        let with_input: BTreeSet<u32> = with_input.iter().map(|client| *client as u32).collect();
        let mut all: Vec<u32> = with_input.iter().copied().collect();
        all.extend(dropped.clients.iter().map(|client| *client as u32));
        all.sort_unstable();
        let others = all.len().saturating_sub(1);
        let neighbours = self.secure.neighbours.unwrap_or(usize::MAX).min(others);
        // A ring has as many on either side.
        let neighbours = if neighbours == others { neighbours } else { neighbours & !1 };
        let ring = self.packing.quantiser.ring(all.len())?;
        let graph = Graph::new(&all, neighbours, self.seed ^ dropped.round)?;
        let server = Server::new(dropped.round, graph, neighbours / 2 + 1, elements, ring)?;
        Ok(Exchange { server, with_input, bytes: [0; 2] })
    }

    /// The sum of what an exchange brought.
    pub(super) fn summed(&self, exchanged: &Exchanged) -> Result<Summed> {
        let mut values = self.packing.quantiser.sum(&exchanged.numbers, exchanged.clients.len());
        let weight = values.pop().unwrap_or(0.0) / self.secure.clip;
        if weight <= 0.0 {
            return Err(Error::SumFailed { reason: "the sum of weights is not positive".into() });
        }
        Ok(Summed { values, weight, bytes: exchanged.bytes })
    }

    /// The four stages, of clients that are here.
    fn exchange(
        &mut self,
        mut exchange: Exchange,
        inputs: Vec<Input>,
        dropped: Dropped<'_>,
        elements: usize,
    ) -> Result<Exchanged> {
        let mut clients = BTreeMap::new();
        for id in dropped.clients {
            // Who sends no input has said how long it would be all the same.
            clients.insert(*id as u32, new_client(*id, vec![0; elements], &mut self.secrets));
        }
        for input in inputs {
            let client = new_client(input.client, input.numbers, &mut self.secrets);
            clients.insert(input.client as u32, client);
        }
        let mut lost = stream(self.seed ^ 0x10f7, clients.len(), dropped.round);
        loop {
            let messages = match exchange.next()? {
                Next::Send(messages) => messages,
                Next::Over(exchanged) => return Ok(exchanged),
            };
            for (to, message) in messages {
                let is_last = matches!(message, FromServer::Unmask(_));
                if is_last && lost.random::<f64>() < self.dropout {
                    continue;
                }
                let Some(client) = clients.get_mut(&to) else { continue };
                exchange.answered(to, client.step(message)?)?;
            }
        }
    }
}

impl Packing {
    /// What clients with so many rows do.
    pub(super) fn new(secure: SecureSum, samples: &[usize], settings: &Settings) -> Result<Self> {
        let quantiser = Quantiser::new(secure.clip, (1u64 << secure.bits) - 1)?;
        let largest = samples.iter().copied().max().unwrap_or(1) as f64;
        // With privacy all weigh the same.
        let largest = settings.privacy.is_none().then_some(largest);
        Ok(Self { clip: secure.clip, quantiser, largest, seed: settings.seed })
    }

    /// The numbers of an answer: its change times its weight, and the weight as one more.
    pub(super) fn numbers(&self, reply: &Reply, round: u64) -> Vec<u64> {
        let weight = self.largest.map_or(1.0, |largest| reply.samples / largest);
        let mut values: Vec<f64> = reply.change.iter().map(|value| weight * value).collect();
        // A weight of at most 1 uses the whole range of the quantiser.
        values.push(weight * self.clip);
        let mut rng = stream(self.seed ^ 0x5ec0, reply.client, round + 1);
        self.quantiser.quantise(&values, &mut rng)
    }
}

impl Exchange {
    /// Ends a stage, and says what is next. Who has no input is not asked for it.
    pub(super) fn next(&mut self) -> Result<Next> {
        let mut messages = match self.server.advance()? {
            Outcome::Send(messages) => messages,
            Outcome::Sum { numbers, clients } => {
                return Ok(Next::Over(Exchanged { numbers, clients, bytes: self.bytes }));
            }
        };
        self.bytes[1] += messages.iter().map(|(_, message)| message.bytes() as u64).sum::<u64>();
        messages.retain(|(to, message)| {
            !matches!(message, FromServer::Shares(_)) || self.with_input.contains(to)
        });
        Ok(Next::Send(messages))
    }

    /// A client has answered.
    ///
    /// # Errors
    /// When that is not what was asked for; it counts as no answer then.
    pub(super) fn answered(&mut self, from: u32, answer: FromClient) -> Result<()> {
        self.bytes[0] += answer.bytes() as u64;
        self.server.receive(from, answer)
    }
}

/// A client of one sum, whose keys come from `secrets`.
pub(super) fn new_client(id: usize, numbers: Vec<u64>, secrets: &mut NoiseSource) -> Client {
    let mut entropy = [0; 32];
    secrets.fill_bytes(&mut entropy);
    let mut client = Client::new(id as u32, entropy);
    client.prepare(numbers);
    client
}

/// Bytes of a masked input.
pub(super) fn input_bytes(secure: SecureSum, parameters: usize, clients: usize) -> u64 {
    let bits = u64::from(secure.bits) + u64::from(clients.next_power_of_two().trailing_zeros());
    ((parameters as u64 + 1) * bits).div_ceil(8)
}

/// A source of noise: the machine's, or for experiments the seed's.
pub(super) fn noise_source(settings: &Settings, purpose: u64) -> NoiseSource {
    match settings.privacy {
        Some(privacy) if !privacy.reproducible => rand::make_rng(),
        _ => NoiseSource::seed_from_u64(settings.seed ^ purpose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_learn::Score;

    fn reply(client: usize, samples: f64, change: Vec<f64>) -> Reply {
        let (control, is_short, score) = (None, true, Score::default());
        Reply { client, samples, steps: 1, change, control, is_short, score }
    }

    #[test]
    fn the_sum_is_the_weighted_mean_to_a_level_whoever_is_lost() {
        let secure = SecureSum { neighbours: None, clip: 2.0, bits: 20 };
        let mut sum = PrivateSum::new(secure, &[10, 30], &Settings::default()).unwrap();
        let replies =
            [(4, 30.0, [1.0, -1.5]), (7, 10.0, [0.5, 0.0]), (9, 20.0, [-1.0, 0.25]), (11, 30.0, [0.0; 2])];
        for lost in [vec![], vec![2], vec![2, 12]] {
            let inputs = replies
                .iter()
                .map(|(client, samples, change)| sum.input(&reply(*client, *samples, change.to_vec()), 3))
                .collect();
            let summed = sum.sum(inputs, Dropped { clients: &lost, round: 3 }, 2).unwrap();
            let mean: Vec<f64> = summed.values.iter().map(|value| value / summed.weight).collect();
            let exact = [(30.0 + 5.0 - 20.0) / 90.0, (-45.0 + 5.0) / 90.0];
            assert!(
                mean.iter().zip(exact).all(|(got, exact)| (got - exact).abs() < 1e-5),
                "{mean:?} {exact:?}"
            );
        }
    }

    #[test]
    fn too_few_left_is_a_failed_sum_and_no_panic() {
        let secure = SecureSum { neighbours: None, clip: 2.0, bits: 16 };
        let mut sum = PrivateSum::new(secure, &[1], &Settings::default()).unwrap();
        let inputs = vec![sum.input(&reply(1, 1.0, vec![1.0]), 1), sum.input(&reply(2, 1.0, vec![1.0]), 1)];
        let failed = sum.sum(inputs, Dropped { clients: &[3, 4, 5, 6], round: 1 }, 1);
        assert!(matches!(failed, Err(Error::SumFailed { .. })));
        assert!(sum.sum(Vec::new(), Dropped { clients: &[], round: 2 }, 1).is_err());
    }
}
