//! A client of the secure sum.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::keys::{self, Channel, Secrets};
use super::message::{
    Advertised, FromClient, FromServer, Neighbours, Revealed, SEALED_BYTES, SHARE_BYTES, Sealed, Setup,
};
use super::ring::Sign;
use super::shamir::{self, Share};
use super::{Ring, pack};
use crate::{Error, Result};

/// A result, or the reason for a refusal.
type Checked<T> = std::result::Result<T, String>;

/// A client: it takes messages of the server and answers each, or refuses it and stays as it was.
pub struct Client {
    id: u32,
    entropy: Zeroizing<[u8; 32]>,
    setups: u64,
    last_round: Option<u64>,
    input: Zeroizing<Vec<u64>>,
    stage: Stage,
}

/// Where a client is in a round.
enum Stage {
    Idle,
    Advertised(Box<Round>),
    Shared(Box<Round>),
    Masked(Box<Round>),
    Done,
}

/// What a client knows of its round.
struct Round {
    setup: Setup,
    ring: Ring,
    secrets: Secrets,
    keys: BTreeMap<u32, Advertised>,
    /// The shares that neighbours sealed for this client: of their own mask, and of their mask key.
    held: BTreeMap<u32, (Share, Share)>,
}

impl Client {
    /// A client with 32 bytes of its own from a cryptographic generator, never used elsewhere.
    pub fn new(id: u32, entropy: [u8; 32]) -> Self {
        Self {
            id,
            entropy: Zeroizing::new(entropy),
            setups: 0,
            last_round: None,
            input: Zeroizing::new(Vec::new()),
            stage: Stage::Idle,
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The numbers that it will put into the sum.
    pub fn prepare(&mut self, input: Vec<u64>) {
        self.input = Zeroizing::new(input);
    }

    /// Answers a message of the server.
    ///
    /// # Errors
    /// When the message is out of stage or breaks a rule of the protocol. The state is unchanged then.
    pub fn step(&mut self, message: FromServer) -> Result<FromClient> {
        match message {
            FromServer::Setup(setup) => self.set_up(setup),
            FromServer::Keys(keys) => self.share(keys),
            FromServer::Shares(sealed) => self.mask(&sealed),
            FromServer::Unmask(neighbours) => self.unmask(&neighbours),
        }
    }

    fn refused<T>(&self, reason: impl Into<String>) -> Result<T> {
        let stage = match self.stage {
            Stage::Idle => "idle",
            Stage::Advertised(_) => "setup",
            Stage::Shared(_) => "share",
            Stage::Masked(_) => "masked",
            Stage::Done => "done",
        };
        Err(Error::Refused { from: 0, stage, reason: reason.into() })
    }

    /// From any stage: a new round.
    fn set_up(&mut self, setup: Setup) -> Result<FromClient> {
        let ring = Ring::new(setup.ring_bits)?;
        let count = setup.neighbours.len();
        if self.last_round.is_some_and(|last| setup.round <= last) {
            return self.refused(format!("round {} is not after the last one", setup.round));
        }
        if setup.neighbours.contains(&self.id) || !setup.neighbours.is_sorted_by(|a, b| a < b) {
            return self.refused("the neighbours are not others in increasing order");
        }
        // SEC-3: else a lying server could split the live clients and have both halves unmasked.
        if setup.threshold <= count / 2 || setup.threshold > count || count > usize::from(u16::MAX) {
            return self
                .refused(format!("a threshold of {} of {count} neighbours is not safe", setup.threshold));
        }
        if self.input.len() != setup.elements {
            let found = self.input.len();
            return self
                .refused(format!("the input has {found} numbers, the round wants {}", setup.elements));
        }
        let secrets = Secrets::derive(&self.entropy, setup.round, self.setups);
        let (mask, channel) = (keys::public(&secrets.mask), keys::public(&secrets.channel));
        self.setups += 1;
        self.last_round = Some(setup.round);
        let round = Round { setup, ring, secrets, keys: BTreeMap::new(), held: BTreeMap::new() };
        self.stage = Stage::Advertised(Box::new(round));
        Ok(FromClient::Advertised(Advertised { client: self.id, mask, channel }))
    }

    /// The neighbours' keys come: shares of this client's secrets go.
    fn share(&mut self, advertised: Vec<Advertised>) -> Result<FromClient> {
        let Stage::Advertised(round) = &self.stage else {
            return self.refused("it is not the time for keys");
        };
        if let Err(reason) = self.check_keys(round, &advertised) {
            return self.refused(reason);
        }
        let keys: BTreeMap<u32, Advertised> = advertised
            .into_iter()
            .filter(|keys| keys.client != self.id)
            .map(|keys| (keys.client, keys))
            .collect();
        let sealed = match round.seal_shares(self.id, &keys) {
            Ok(sealed) => sealed,
            Err(reason) => return self.refused(reason),
        };
        if let Stage::Advertised(mut round) = std::mem::replace(&mut self.stage, Stage::Idle) {
            round.keys = keys;
            self.stage = Stage::Shared(round);
        }
        Ok(FromClient::Sealed(sealed))
    }

    fn check_keys(&self, round: &Round, advertised: &[Advertised]) -> Checked<()> {
        let own = (keys::public(&round.secrets.mask), keys::public(&round.secrets.channel));
        let mut clients = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for keys in advertised {
            if keys.client != self.id && !round.setup.neighbours.contains(&keys.client) {
                return Err(format!("client {} is no neighbour", keys.client));
            }
            if !clients.insert(keys.client) || !seen.insert(keys.mask) || !seen.insert(keys.channel) {
                return Err(format!(
                    "a client or a key comes twice, the second time of client {}",
                    keys.client
                ));
            }
            if keys.client == self.id && (keys.mask, keys.channel) != own {
                return Err("the client's own keys were changed".into());
            }
        }
        if !clients.contains(&self.id) {
            return Err("the client's own keys are missing".into());
        }
        if clients.len() - 1 < round.setup.threshold {
            let (found, needed) = (clients.len() - 1, round.setup.threshold);
            return Err(format!("keys of {found} neighbours, {needed} are needed"));
        }
        Ok(())
    }

    /// The neighbours' shares come: the masked input goes.
    fn mask(&mut self, sealed: &[Sealed]) -> Result<FromClient> {
        let Stage::Shared(round) = &self.stage else { return self.refused("it is not the time for shares") };
        let opened = round.open_shares(self.id, sealed);
        let masked = opened.and_then(|held| Ok((round.masked(self.id, &self.input, &held)?, held)));
        let (masked, held) = match masked {
            Ok(both) => both,
            Err(reason) => return self.refused(reason),
        };
        if let Stage::Shared(mut round) = std::mem::replace(&mut self.stage, Stage::Idle) {
            round.held = held;
            self.stage = Stage::Masked(round);
        }
        Ok(FromClient::Masked(masked))
    }

    /// The server says who is live: the shares that it needs go, once.
    fn unmask(&mut self, neighbours: &Neighbours) -> Result<FromClient> {
        let Stage::Masked(round) = &self.stage else { return self.refused("it is not the time to unmask") };
        let revealed = match round.reveal(neighbours) {
            Ok(revealed) => revealed,
            Err(reason) => return self.refused(reason),
        };
        // SEC-2: whatever is asked next, the shares are gone.
        self.stage = Stage::Done;
        Ok(FromClient::Revealed(revealed))
    }
}

impl Round {
    /// A neighbour's place among the holders, from 1.
    fn place(&self, neighbour: u32) -> Option<usize> {
        self.setup.neighbours.iter().position(|other| *other == neighbour).map(|at| at + 1)
    }

    fn seal_shares(&self, own: u32, keys: &BTreeMap<u32, Advertised>) -> Checked<Vec<Sealed>> {
        let mut words = keys::polynomial_words(&self.secrets.polynomials);
        let (threshold, holders) = (self.setup.threshold, self.setup.neighbours.len());
        let of_mask = shamir::split(&self.secrets.own, threshold, holders, &mut words);
        let of_key = shamir::split(&self.secrets.mask, threshold, holders, &mut words);
        let seal = |(neighbour, keys): (&u32, &Advertised)| {
            let at = self.place(*neighbour).ok_or_else(|| format!("client {neighbour} is no neighbour"))? - 1;
            let both = Zeroizing::new([of_mask[at].to_bytes(), of_key[at].to_bytes()].concat());
            let channel = Channel { round: self.setup.round, from: own, to: *neighbour };
            let bytes = channel.seal(&self.secrets.channel, &keys.channel, &both);
            let bytes = bytes.ok_or_else(|| format!("the key of client {neighbour} is not a proper one"))?;
            Ok(Sealed { from: own, to: *neighbour, bytes })
        };
        keys.iter().map(seal).collect()
    }

    fn open_shares(&self, own: u32, sealed: &[Sealed]) -> Checked<BTreeMap<u32, (Share, Share)>> {
        let at = |from: u32| format!("the shares of client {from}");
        let mut held = BTreeMap::new();
        for Sealed { from, to, bytes } in sealed {
            let Some(keys) = self.keys.get(from).filter(|_| *to == own) else {
                return Err(format!("{} are not for this client", at(*from)));
            };
            if bytes.len() != SEALED_BYTES {
                return Err(format!("{} have {} bytes instead of {SEALED_BYTES}", at(*from), bytes.len()));
            }
            let channel = Channel { round: self.setup.round, from: *from, to: own };
            let opened = channel.open(&self.secrets.channel, &keys.channel, bytes);
            let opened = opened.ok_or_else(|| format!("{} were changed on their way", at(*from)))?;
            // Where the sender evaluated its polynomials is this client's place in the sender's list, which only
            // the server knows: it puts the place back when it rebuilds.
            let share = |half: usize| {
                let mut bytes = [0; SHARE_BYTES];
                bytes.copy_from_slice(&opened[half * SHARE_BYTES..][..SHARE_BYTES]);
                Share::from_bytes(0, &bytes)
            };
            if held.insert(*from, (share(0), share(1))).is_some() {
                return Err(format!("{} came twice", at(*from)));
            }
        }
        if held.len() < self.setup.threshold {
            return Err(format!("shares of {} neighbours, {} are needed", held.len(), self.setup.threshold));
        }
        Ok(held)
    }

    /// The input, its own mask, and the masks with the neighbours whose shares arrived.
    fn masked(&self, own: u32, input: &[u64], held: &BTreeMap<u32, (Share, Share)>) -> Checked<Vec<u8>> {
        let mut values =
            Zeroizing::new(input.iter().map(|value| self.ring.wrap(*value)).collect::<Vec<u64>>());
        let round = self.setup.round;
        self.ring.mask(&mut values, &keys::own_mask(&self.secrets.own, round, own), Sign::Plus);
        for neighbour in held.keys() {
            let pair = self
                .keys
                .get(neighbour)
                .and_then(|keys| keys::pair_mask(&self.secrets.mask, &keys.mask, round, (own, *neighbour)));
            let pair = pair.ok_or_else(|| format!("the key of client {neighbour} is not a proper one"))?;
            self.ring.mask(&mut values, &pair, Sign::of_pair(own, *neighbour));
        }
        Ok(pack(self.ring, &values))
    }

    fn reveal(&self, neighbours: &Neighbours) -> Checked<Vec<Revealed>> {
        let Neighbours { live, dropped } = neighbours;
        let mut asked = BTreeSet::new();
        for client in live.iter().chain(dropped) {
            if !self.held.contains_key(client) || !asked.insert(*client) {
                return Err(format!("client {client} is asked for twice, or is none whose shares are held"));
            }
        }
        if live.len() < self.setup.threshold {
            return Err(format!("{} live neighbours, {} are needed", live.len(), self.setup.threshold));
        }
        let of_masks =
            live.iter().filter_map(|of| Some(Revealed { of: *of, share: self.held.get(of)?.0.clone() }));
        let of_keys =
            dropped.iter().filter_map(|of| Some(Revealed { of: *of, share: self.held.get(of)?.1.clone() }));
        Ok(of_masks.chain(of_keys).collect())
    }
}
