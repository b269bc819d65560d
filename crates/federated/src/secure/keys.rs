//! Keys of a client, and what two clients agree on.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Separates these keys from those of any other protocol.
const PROTOCOL: &[u8] = b"syncline secure sum 1";

/// A secret of 32 bytes that is erased when it goes.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// What a client draws for one round.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Secrets {
    /// The key whose agreements make the pair masks.
    pub mask: [u8; 32],
    /// The key whose agreements seal shares.
    pub channel: [u8; 32],
    /// The seed of its own mask.
    pub own: [u8; 32],
    /// The seed of the shares' polynomials.
    pub polynomials: [u8; 32],
}

impl Secrets {
    /// Derives the secrets of a setup from the client's entropy. `count` tells the setups of a client apart, so
    /// that a server that names one round twice gets masks of two different secrets.
    pub(super) fn derive(entropy: &[u8; 32], round: u64, count: u64) -> Self {
        let of = |purpose: &[u8]| *derive(entropy, purpose, &[&round.to_le_bytes(), &count.to_le_bytes()]);
        Self {
            mask: of(b"mask key"),
            channel: of(b"channel key"),
            own: of(b"own mask"),
            polynomials: of(b"polynomials"),
        }
    }
}

/// HKDF-SHA256 of some key material, for one purpose and context.
fn derive(material: &[u8], purpose: &[u8], context: &[&[u8]]) -> Secret {
    let mut key = Zeroizing::new([0; 32]);
    let info = [&[purpose, b"|"], context].concat().concat();
    // 32 bytes are far below the limit of 255 hashes, the one way in which this can fail.
    let expanded = Hkdf::<Sha256>::new(Some(PROTOCOL), material).expand(&info, &mut key[..]);
    debug_assert!(expanded.is_ok(), "32 bytes can be expanded");
    key
}

/// The public key of a secret.
pub(super) fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// The key of the mask of a pair in a round, the same at both ends; none where the other's key is no proper point.
pub(super) fn pair_mask(secret: &[u8; 32], other: &[u8; 32], round: u64, pair: (u32, u32)) -> Option<Secret> {
    let (low, high) = (pair.0.min(pair.1), pair.0.max(pair.1));
    agree(secret, other, b"pair mask", &[&round.to_le_bytes(), &low.to_le_bytes(), &high.to_le_bytes()])
}

/// The key of a client's own mask in a round.
pub(super) fn own_mask(seed: &[u8; 32], round: u64, client: u32) -> Secret {
    derive(seed, b"own mask stream", &[&round.to_le_bytes(), &client.to_le_bytes()])
}

/// Random words of the shares' polynomials.
pub(super) fn polynomial_words(seed: &[u8; 32]) -> impl FnMut() -> u16 {
    let mut stream = ChaCha20::new(seed.into(), &[0; 12].into());
    move || {
        let mut word = [0; 2];
        stream.apply_keystream(&mut word);
        u16::from_le_bytes(word)
    }
}

fn agree(secret: &[u8; 32], other: &[u8; 32], purpose: &[u8], context: &[&[u8]]) -> Option<Secret> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*other));
    // A point of small order would make a key that everybody knows.
    shared.was_contributory().then(|| derive(shared.as_bytes(), purpose, context))
}

/// One direction between two clients in a round.
#[derive(Clone, Copy)]
pub(super) struct Channel {
    pub round: u64,
    pub from: u32,
    pub to: u32,
}

impl Channel {
    fn context(self) -> [u8; 16] {
        let mut context = [0; 16];
        context[..8].copy_from_slice(&self.round.to_le_bytes());
        context[8..12].copy_from_slice(&self.from.to_le_bytes());
        context[12..].copy_from_slice(&self.to.to_le_bytes());
        context
    }

    fn cipher(self, secret: &[u8; 32], other: &[u8; 32]) -> Option<ChaCha20Poly1305> {
        let key = agree(secret, other, b"channel", &[&self.context()])?;
        Some(ChaCha20Poly1305::new((&*key).into()))
    }

    /// Seals a message. The key is of this round and direction alone and seals one message, so the nonce is 0.
    pub(super) fn seal(self, secret: &[u8; 32], other: &[u8; 32], message: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: message, aad: &self.context() };
        self.cipher(secret, other)?.encrypt(&[0; 12].into(), payload).ok()
    }

    /// Opens a sealed message; none where it is not from that sender, of another round, or changed.
    pub(super) fn open(
        self,
        secret: &[u8; 32],
        other: &[u8; 32],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: sealed, aad: &self.context() };
        self.cipher(secret, other)?.decrypt(&[0; 12].into(), payload).ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_and_a_third_does_not() {
        let secrets: Vec<Secrets> = (0..3).map(|i| Secrets::derive(&[i; 32], 1, 0)).collect();
        let publics: Vec<[u8; 32]> = secrets.iter().map(|secrets| public(&secrets.mask)).collect();
        let mask = |own: usize, other: usize, round| {
            pair_mask(&secrets[own].mask, &publics[other], round, (own as u32, other as u32)).unwrap()
        };
        assert_eq!(mask(0, 1, 7), mask(1, 0, 7));
        assert_ne!(mask(0, 1, 7), mask(0, 1, 8), "of another round");
        assert_ne!(mask(0, 1, 7), mask(2, 1, 7));
        assert!(pair_mask(&secrets[0].mask, &[0; 32], 7, (0, 1)).is_none(), "a point of small order");
    }

    #[test]
    fn a_changed_message_does_not_open() {
        let (a, b) = (Secrets::derive(&[1; 32], 1, 0), Secrets::derive(&[2; 32], 1, 0));
        let channel = Channel { round: 5, from: 1, to: 2 };
        let sealed = channel.seal(&a.channel, &public(&b.channel), b"share").unwrap();
        let open = |channel: Channel, sealed: &[u8]| channel.open(&b.channel, &public(&a.channel), sealed);
        assert_eq!(open(channel, &sealed).unwrap().as_slice(), b"share");
        assert!(open(Channel { round: 6, ..channel }, &sealed).is_none(), "replayed in another round");
        assert!(open(Channel { from: 2, to: 1, ..channel }, &sealed).is_none(), "sent back");
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(open(channel, &flipped).is_none());
        }
    }
}
