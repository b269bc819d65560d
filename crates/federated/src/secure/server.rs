//! The server of the secure sum: it passes messages on and takes off what the shares allow it to.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::message::{Advertised, FromClient, FromServer, Neighbours, Revealed, SEALED_BYTES, Sealed, Setup};
use super::ring::Sign;
use super::shamir::{self, Share};
use super::{Graph, Ring, keys, unpack};
use crate::error::within;
use crate::{Error, Result};

/// The server of one round. Messages come in any order within a stage ([`Server::receive`]); [`Server::advance`]
/// ends the stage for those who have not answered.
#[derive(Debug)]
pub struct Server {
    round: u64,
    graph: Graph,
    threshold: usize,
    elements: usize,
    ring: Ring,
    stage: Stage,
    keys: BTreeMap<u32, Advertised>,
    sealed: BTreeMap<u32, Vec<Sealed>>,
    masked: BTreeMap<u32, Vec<u64>>,
    revealed: BTreeMap<u32, Vec<Revealed>>,
}

/// What the server is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Keys,
    Shares,
    Masked,
    Unmask,
    Over,
}

/// What the end of a stage brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Messages for clients.
    Send(Vec<(u32, FromServer)>),
    /// The sum of the inputs of the live clients, in the ring.
    Sum {
        /// One number an element.
        numbers: Vec<u64>,
        /// Whose inputs are in it.
        clients: Vec<u32>,
    },
}

impl Server {
    /// A round over a graph of clients.
    ///
    /// # Errors
    /// Unless the threshold is more than half of every client's neighbours and at most all of them.
    pub fn new(round: u64, graph: Graph, threshold: usize, elements: usize, ring: Ring) -> Result<Self> {
        for client in graph.clients() {
            let neighbours = graph.of(client).len();
            within("the threshold", threshold, neighbours / 2 + 1, neighbours)?;
        }
        Ok(Self {
            round,
            graph,
            threshold,
            elements,
            ring,
            stage: Stage::New,
            keys: BTreeMap::new(),
            sealed: BTreeMap::new(),
            masked: BTreeMap::new(),
            revealed: BTreeMap::new(),
        })
    }

    /// Takes a client's message.
    ///
    /// # Errors
    /// When it is out of stage, of an unknown client or one that answered already, or malformed. The state is
    /// unchanged then.
    pub fn receive(&mut self, from: u32, message: FromClient) -> Result<()> {
        let refused = |reason: String| Err(Error::Refused { from, stage: self.stage.name(), reason });
        match (self.stage, message) {
            (Stage::Keys, FromClient::Advertised(keys)) => {
                if self.graph.of(from).is_empty() || keys.client != from || self.keys.contains_key(&from) {
                    return refused("it is no client of the round, or has sent its keys".into());
                }
                self.keys.insert(from, keys);
            }
            (Stage::Shares, FromClient::Sealed(sealed)) => {
                if self.sealed.contains_key(&from) || !self.keys.contains_key(&from) {
                    return refused("it sent no keys, or has sent its shares".into());
                }
                let recipients: BTreeSet<u32> = sealed.iter().map(|sealed| sealed.to).collect();
                let expected: BTreeSet<u32> = self.neighbours_with(from, &self.keys).collect();
                let whole = sealed.iter().all(|one| one.from == from && one.bytes.len() == SEALED_BYTES);
                if !whole || sealed.len() != expected.len() || recipients != expected {
                    return refused("its shares are not one for each of its neighbours".into());
                }
                self.sealed.insert(from, sealed);
            }
            (Stage::Masked, FromClient::Masked(packed)) => {
                if self.masked.contains_key(&from) || !self.sealed.contains_key(&from) {
                    return refused("it sent no shares, or has sent its input".into());
                }
                match unpack(self.ring, &packed, self.elements) {
                    Ok(values) => self.masked.insert(from, values),
                    Err(error) => return refused(error.to_string()),
                };
            }
            (Stage::Unmask, FromClient::Revealed(shares)) => {
                if self.revealed.contains_key(&from) || !self.masked.contains_key(&from) {
                    return refused("it sent no input, or has revealed its shares".into());
                }
                let of: BTreeSet<u32> = shares.iter().map(|share| share.of).collect();
                let expected: BTreeSet<u32> = self.neighbours_with(from, &self.sealed).collect();
                if of.len() != shares.len() || of != expected {
                    return refused("its shares are not those that were asked for".into());
                }
                self.revealed.insert(from, shares);
            }
            _ => return refused("such a message is not expected now".into()),
        }
        Ok(())
    }

    /// Ends the stage.
    ///
    /// # Errors
    /// When too few clients are left: the round is over then, and nothing was revealed.
    pub fn advance(&mut self) -> Result<Outcome> {
        let outcome = self.next();
        if outcome.is_err() {
            self.stage = Stage::Over;
        }
        outcome
    }

    fn next(&mut self) -> Result<Outcome> {
        match self.stage {
            Stage::New => {
                self.stage = Stage::Keys;
                let setups =
                    self.graph.clients().map(|client| (client, FromServer::Setup(self.setup(client))));
                Ok(Outcome::Send(setups.collect()))
            }
            Stage::Keys => {
                self.enough("keys", self.keys.keys(), &self.keys)?;
                self.stage = Stage::Shares;
                let of = |client: &u32| {
                    let own = std::iter::once(*client);
                    let keys =
                        own.chain(self.neighbours_with(*client, &self.keys)).map(|other| self.keys[&other]);
                    (*client, FromServer::Keys(keys.collect()))
                };
                Ok(Outcome::Send(self.keys.keys().map(of).collect()))
            }
            Stage::Shares => {
                self.enough("shares", self.sealed.keys(), &self.sealed)?;
                self.stage = Stage::Masked;
                let of = |client: &u32| {
                    let from = self.neighbours_with(*client, &self.sealed);
                    let sealed =
                        from.filter_map(|from| self.sealed[&from].iter().find(|one| one.to == *client));
                    (*client, FromServer::Shares(sealed.cloned().collect()))
                };
                Ok(Outcome::Send(self.sealed.keys().map(of).collect()))
            }
            Stage::Masked => {
                // SEC-5: also of those who dropped out, since their keys must be rebuilt; before anybody is asked
                // to reveal anything.
                self.enough("masked inputs", self.sealed.keys(), &self.masked)?;
                self.stage = Stage::Unmask;
                let of = |client: &u32| {
                    let neighbours = self.neighbours_with(*client, &self.sealed);
                    let (live, dropped) = neighbours.partition(|other| self.masked.contains_key(other));
                    (*client, FromServer::Unmask(Neighbours { live, dropped }))
                };
                Ok(Outcome::Send(self.masked.keys().map(of).collect()))
            }
            Stage::Unmask => {
                let numbers = self.unmasked()?;
                self.stage = Stage::Over;
                Ok(Outcome::Sum { numbers, clients: self.masked.keys().copied().collect() })
            }
            Stage::Over => Err(Error::SumFailed { reason: "the round is over".into() }),
        }
    }

    fn setup(&self, client: u32) -> Setup {
        Setup {
            round: self.round,
            neighbours: self.graph.of(client).to_vec(),
            threshold: self.threshold,
            elements: self.elements,
            ring_bits: self.ring.bits(),
        }
    }

    /// A client's neighbours that are among those who answered.
    fn neighbours_with<V>(&self, client: u32, answered: &BTreeMap<u32, V>) -> impl Iterator<Item = u32> {
        self.graph.of(client).iter().copied().filter(|other| answered.contains_key(other))
    }

    /// Refuses to go on when one of the clients `of` has too few neighbours that answered.
    fn enough<'a, V>(
        &self,
        what: &str,
        of: impl Iterator<Item = &'a u32>,
        answered: &BTreeMap<u32, V>,
    ) -> Result<()> {
        if answered.is_empty() {
            return Err(Error::SumFailed { reason: format!("nobody sent {what}") });
        }
        for client in of {
            let found = self.neighbours_with(*client, answered).count();
            if found < self.threshold {
                let needed = self.threshold;
                let reason =
                    format!("{found} neighbours of client {client} sent {what}, {needed} are needed");
                return Err(Error::SumFailed { reason });
            }
        }
        Ok(())
    }

    /// The sum of the masked inputs less the live clients' own masks and the pair masks with dropped ones.
    fn unmasked(&self) -> Result<Vec<u64>> {
        let mut sum = vec![0u64; self.elements];
        for values in self.masked.values() {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum = self.ring.add(*sum, *value);
            }
        }
        for client in self.sealed.keys() {
            let secret = self.rebuild(*client)?;
            if self.masked.contains_key(client) {
                let mask = keys::own_mask(&secret, self.round, *client);
                self.ring.mask(&mut sum, &mask, Sign::Minus);
            } else {
                self.take_off_pairs(&mut sum, *client, &secret)?;
            }
        }
        Ok(sum)
    }

    /// A client's secret from the shares that its neighbours revealed.
    fn rebuild(&self, client: u32) -> Result<Zeroizing<[u8; 32]>> {
        let neighbours = self.graph.of(client);
        let shares: Vec<Share> = neighbours
            .iter()
            .enumerate()
            .filter_map(|(place, neighbour)| {
                let revealed = self.revealed.get(neighbour)?.iter().find(|revealed| revealed.of == client)?;
                Some(Share { at: place as u16 + 1, words: revealed.share.words })
            })
            .collect();
        let shares: Vec<&Share> = shares.iter().collect();
        let secret = shamir::rebuild(&shares, self.threshold).map_err(|error| Error::SumFailed {
            reason: format!("the secret of client {client} cannot be rebuilt: {error}"),
        })?;
        Ok(Zeroizing::new(secret))
    }

    /// Takes off the masks that a dropped client's live neighbours added for their pair with it.
    fn take_off_pairs(&self, sum: &mut [u64], dropped: u32, secret: &[u8; 32]) -> Result<()> {
        let failed =
            |reason: &str| Error::SumFailed { reason: format!("the key of client {dropped} {reason}") };
        if keys::public(secret) != self.keys[&dropped].mask {
            return Err(failed("was rebuilt wrongly: a revealed share is false"));
        }
        for live in self.neighbours_with(dropped, &self.masked) {
            let pair = keys::pair_mask(secret, &self.keys[&live].mask, self.round, (live, dropped));
            let pair = pair.ok_or_else(|| failed("is not a proper one"))?;
            self.ring.mask(sum, &pair, Sign::of_pair(live, dropped).opposite());
        }
        Ok(())
    }
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Keys => "setup",
            Self::Shares => "share",
            Self::Masked => "masked",
            Self::Unmask => "unmask",
            Self::Over => "over",
        }
    }
}
