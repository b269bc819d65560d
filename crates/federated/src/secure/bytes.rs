//! What a client sends and receives, in bytes: n clients, k neighbours, m elements of b bits.

use crate::Result;
use crate::error::within;

/// The bytes of one client in a round without dropouts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Bits of the ring: b + ceil(log2 n).
    pub ring_bits: u32,
    /// 64 + 88 k + ceil(m r / 8) + 36 k: keys, sealed shares, the masked input, revealed shares.
    pub sent: u64,
    /// 68 k + 88 k + ceil(k / 8): keys, sealed shares, who is live.
    pub received: u64,
    /// Sent and received over a plain upload of m b bits.
    pub over_plain: f64,
}

/// The traffic of one client.
///
/// # Errors
/// Unless there are 2 or more clients, 1 to n - 1 neighbours, and elements of 1 to 52 bits.
pub fn traffic(clients: usize, elements: u64, bits: u32, neighbours: usize) -> Result<Traffic> {
    within("the number of clients", clients, 2, 1 << 40)?;
    within("the number of neighbours", neighbours, 1, clients - 1)?;
    within("the number of elements", elements as usize, 1, 1 << 48)?;
    within("the number of bits", bits as usize, 1, 52)?;
    let ring_bits = bits + clients.next_power_of_two().trailing_zeros();
    let k = neighbours as u64;
    let sent = 64 + 88 * k + (elements * u64::from(ring_bits)).div_ceil(8) + 36 * k;
    let received = 68 * k + 88 * k + k.div_ceil(8);
    let plain = elements as f64 * f64::from(bits) / 8.0;
    Ok(Traffic { ring_bits, sent, received, over_plain: (sent + received) as f64 / plain })
}
