//! Numbers of r bits side by side, so that a masked input costs what it must and not 8 bytes a value.

use super::Ring;
use crate::{Error, Result};

/// ceil(count x bits / 8) bytes; the lowest bits come first.
pub fn pack(ring: Ring, values: &[u64]) -> Vec<u8> {
    let bits = ring.bits();
    let mut bytes = Vec::with_capacity((values.len() * bits as usize).div_ceil(8));
    let (mut held, mut count) = (0u128, 0);
    for value in values {
        held |= u128::from(ring.wrap(*value)) << count;
        count += bits;
        while count >= 8 {
            bytes.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        bytes.push(held as u8);
    }
    bytes
}

/// `count` numbers.
///
/// # Errors
/// When the bytes are not as many as so many numbers take.
pub fn unpack(ring: Ring, bytes: &[u8], count: usize) -> Result<Vec<u64>> {
    let bits = ring.bits();
    let needed = (count * bits as usize).div_ceil(8);
    if bytes.len() != needed {
        let must = format!("{needed}, for {count} numbers of {bits} bits");
        return Err(Error::OutOfRange {
            what: "the bytes of a masked input",
            got: bytes.len().to_string(),
            must,
        });
    }
    let mut values = Vec::with_capacity(count);
    let (mut held, mut available) = (0u128, 0);
    let mut bytes = bytes.iter();
    while values.len() < count {
        while available < bits {
            // There are enough of them, as was checked.
            held |= u128::from(bytes.next().copied().unwrap_or(0)) << available;
            available += 8;
        }
        values.push(ring.wrap(held as u64));
        held >>= bits;
        available -= bits;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_undone() {
        for bits in [1, 7, 8, 20, 33, 63] {
            let ring = Ring::new(bits).unwrap();
            let values: Vec<u64> =
                (0..37u64).map(|i| ring.wrap(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
            let bytes = pack(ring, &values);
            assert_eq!(bytes.len(), (37 * bits as usize).div_ceil(8));
            assert_eq!(unpack(ring, &bytes, 37).unwrap(), values);
            assert!(unpack(ring, &bytes[1..], 37).is_err());
        }
    }
}
