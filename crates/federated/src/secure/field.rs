//! GF(2^16) modulo x^16 + x^12 + x^3 + x + 1. No tables and no branches on values, since the values are secrets.

/// The modulus without its leading term.
const MODULUS: u16 = 0x100B;

/// a b.
pub(super) fn product(a: u16, b: u16) -> u16 {
    let (mut a, mut sum) = (a, 0u16);
    for bit in 0..16 {
        sum ^= a & mask(b >> bit);
        a = (a << 1) ^ (MODULUS & mask(a >> 15));
    }
    sum
}

/// All ones where the lowest bit is set.
fn mask(bit: u16) -> u16 {
    (bit & 1).wrapping_neg()
}

/// 1 / a = a^(2^16 - 2) for a that is not 0.
pub(super) fn inverse(a: u16) -> u16 {
    let (mut power, mut result) = (a, 1);
    // 2^16 - 2 has all bits but the lowest.
    for _ in 1..16 {
        power = product(power, power);
        result = product(result, power);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for a in 1..=u16::MAX {
            assert_eq!(product(a, inverse(a)), 1, "{a}");
        }
    }
}
