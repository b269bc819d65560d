//! The secure sum of a round: real clients and a real server of [`crate::secure`], whose messages pass in memory.
//!
//! The graph is of all that were selected. Who was lost or late has sent keys and shares, but no input, so that its key is
//! rebuilt; with `dropout` some are lost once more before they reveal their shares. Whatever fails fails before anything is
//! revealed, and is a failed round.

use rand::{Rng, RngExt, SeedableRng};

use super::device::stream;
use super::settings::{SecureSum, Settings};
use super::work::{NoiseSource, Reply};
use crate::secure::{Client, FromServer, Graph, Outcome, Quantiser, Server};
use crate::{Error, Result};

/// Who was selected and sent nothing that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped<'a> {
    pub clients: &'a [usize],
    /// The number of the round, from 0.
    pub round: u64,
}

/// How a run sums without seeing.
pub(super) struct PrivateSum {
    secure: SecureSum,
    quantiser: Quantiser,
    /// The rows of the largest client, by which weights are divided; nothing where all weigh the same.
    largest: Option<f64>,
    dropout: f64,
    seed: u64,
    /// Keys never come from the run's seed. The sum does not depend on them, because masks cancel.
    secrets: NoiseSource,
    draws: u64,
}

/// A client's numbers.
pub(super) struct Input {
    client: usize,
    numbers: Vec<u64>,
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
    pub(super) fn new(secure: SecureSum, largest: Option<f64>, settings: &Settings) -> Result<Self> {
        let quantiser = Quantiser::new(secure.clip, (1u64 << secure.bits) - 1)?;
        let (dropout, seed) = (settings.dropout, settings.seed);
        let secrets = rand::make_rng();
        Ok(Self { secure, quantiser, largest, dropout, seed, secrets, draws: 0 })
    }

    /// The numbers of an answer: its change times its weight, and the weight as one more.
    pub(super) fn input(&mut self, reply: &Reply) -> Input {
        let weight = self.largest.map_or(1.0, |largest| reply.samples / largest);
        let mut values: Vec<f64> = reply.change.iter().map(|value| weight * value).collect();
        // A weight of at most 1 uses the whole range of the quantiser.
        values.push(weight * self.secure.clip);
        self.draws += 1;
        let mut rng = stream(self.seed ^ 0x5ec0, reply.client, self.draws);
        Input { client: reply.client, numbers: self.quantiser.quantise(&values, &mut rng) }
    }

    /// The sum of all inputs.
    pub(super) fn sum(
        &mut self,
        inputs: Vec<Input>,
        dropped: Dropped<'_>,
        parameters: usize,
    ) -> Result<Summed> {
        let elements = parameters + 1;
        let mut all: Vec<u32> = inputs.iter().map(|input| input.client as u32).collect();
        all.extend(dropped.clients.iter().map(|client| *client as u32));
        all.sort_unstable();
        let others = all.len().saturating_sub(1);
        let neighbours = self.secure.neighbours.unwrap_or(usize::MAX).min(others);
        // A ring has as many on either side.
        let neighbours = if neighbours == others { neighbours } else { neighbours & !1 };
        let ring = self.quantiser.ring(all.len())?;
        let graph = Graph::new(&all, neighbours, self.seed ^ dropped.round)?;
        let server = Server::new(dropped.round, graph, neighbours / 2 + 1, elements, ring)?;
        let (numbers, live, bytes) = self.exchange(server, &all, inputs, elements, dropped.round)?;
        let mut values = self.quantiser.sum(&numbers, live);
        let weight = values.pop().unwrap_or(0.0) / self.secure.clip;
        if weight <= 0.0 {
            return Err(Error::SumFailed { reason: "the sum of weights is not positive".into() });
        }
        Ok(Summed { values, weight, bytes })
    }

    /// The four stages.
    fn exchange(
        &mut self,
        mut server: Server,
        all: &[u32],
        inputs: Vec<Input>,
        elements: usize,
        round: u64,
    ) -> Result<(Vec<u64>, usize, [u64; 2])> {
        let mut clients: Vec<Client> = all.iter().map(|id| Client::new(*id, self.entropy())).collect();
        let mut has_input = vec![false; all.len()];
        let place = |id: u32| all.binary_search(&id).ok();
        for client in &mut clients {
            // Who sends no input has said how long it would be all the same.
            client.prepare(vec![0; elements]);
        }
        for input in inputs {
            let Some(at) = place(input.client as u32) else { continue };
            clients[at].prepare(input.numbers);
            has_input[at] = true;
        }
        let mut lost = stream(self.seed ^ 0x10f7, all.len(), round);
        let mut bytes = [0u64; 2];
        loop {
            let messages = match server.advance()? {
                Outcome::Send(messages) => messages,
                Outcome::Sum { numbers, clients } => return Ok((numbers, clients.len(), bytes)),
            };
            for (to, message) in messages {
                let Some(at) = place(to) else { continue };
                bytes[1] += message.bytes() as u64;
                let (is_input, is_last) =
                    (matches!(message, FromServer::Shares(_)), matches!(message, FromServer::Unmask(_)));
                if is_input && !has_input[at] || is_last && lost.random::<f64>() < self.dropout {
                    continue;
                }
                let answer = clients[at].step(message)?;
                bytes[0] += answer.bytes() as u64;
                server.receive(to, answer)?;
            }
        }
    }

    fn entropy(&mut self) -> [u8; 32] {
        let mut entropy = [0; 32];
        self.secrets.fill_bytes(&mut entropy);
        entropy
    }
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
        let mut sum = PrivateSum::new(secure, Some(30.0), &Settings::default()).unwrap();
        let replies =
            [(4, 30.0, [1.0, -1.5]), (7, 10.0, [0.5, 0.0]), (9, 20.0, [-1.0, 0.25]), (11, 30.0, [0.0; 2])];
        for lost in [vec![], vec![2], vec![2, 12]] {
            let inputs = replies
                .iter()
                .map(|(client, samples, change)| sum.input(&reply(*client, *samples, change.to_vec())))
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
        let mut sum = PrivateSum::new(secure, None, &Settings::default()).unwrap();
        let inputs = vec![sum.input(&reply(1, 1.0, vec![1.0])), sum.input(&reply(2, 1.0, vec![1.0]))];
        let failed = sum.sum(inputs, Dropped { clients: &[3, 4, 5, 6], round: 1 }, 1);
        assert!(matches!(failed, Err(Error::SumFailed { .. })));
        assert!(sum.sum(Vec::new(), Dropped { clients: &[], round: 2 }, 1).is_err());
    }
}
