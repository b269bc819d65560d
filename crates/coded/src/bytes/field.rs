//! Arithmetic of GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11D), of which x is a generator: sums are exclusive
//! ors, products go by logarithms.

/// x^i for i < 255, twice, so that a sum of two logarithms needs no remainder.
static EXP: [u8; 510] = exponentials();
/// The logarithms of 1..=255.
static LOG: [u8; 256] = logarithms();

const fn exponentials() -> [u8; 510] {
    let mut table = [0; 510];
    let mut value: u16 = 1;
    let mut i = 0;
    while i < 255 {
        table[i] = value as u8;
        table[i + 255] = value as u8;
        value <<= 1;
        if value & 0x100 != 0 {
            value ^= 0x11D;
        }
        i += 1;
    }
    table
}

const fn logarithms() -> [u8; 256] {
    let exp = exponentials();
    let mut table = [0; 256];
    let mut i = 0;
    while i < 255 {
        table[exp[i] as usize] = i as u8;
        i += 1;
    }
    table
}

pub(super) fn product(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    EXP[usize::from(LOG[usize::from(a)]) + usize::from(LOG[usize::from(b)])]
}

/// 1 / a for a that is not 0.
pub(super) fn inverse(a: u8) -> u8 {
    EXP[255 - usize::from(LOG[usize::from(a)])]
}

/// sum += factor * bytes.
pub(super) fn add_multiple(sum: &mut [u8], factor: u8, bytes: &[u8]) {
    if factor == 0 {
        return;
    }
    // One table a factor, instead of two look-ups a byte.
    let multiples: [u8; 256] = std::array::from_fn(|byte| product(factor, byte as u8));
    for (sum, byte) in sum.iter_mut().zip(bytes) {
        *sum ^= multiples[usize::from(*byte)];
    }
}

/// Solves system * x = right in place by Gauss and Jordan's elimination, the rows of `right` being bytes; `None`
/// where the system is singular.
pub(super) fn solve(system: &mut [Vec<u8>], right: &mut [Vec<u8>]) -> Option<()> {
    let size = system.len();
    for column in 0..size {
        let pivot = (column..size).find(|&row| system[row][column] != 0)?;
        system.swap(column, pivot);
        right.swap(column, pivot);
        let scale = inverse(system[column][column]);
        for value in system[column].iter_mut().chain(right[column].iter_mut()) {
            *value = product(scale, *value);
        }
        let (pivot_row, pivot_right) = (system[column].clone(), right[column].clone());
        for row in (0..size).filter(|row| *row != column) {
            let factor = system[row][column];
            add_multiple(&mut system[row], factor, &pivot_row);
            add_multiple(&mut right[row], factor, &pivot_right);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for a in 1..=255u8 {
            assert_eq!(product(a, inverse(a)), 1);
            assert_eq!(product(a, 0), 0);
        }
        // x * x^7 = x^8 = x^4 + x^3 + x^2 + 1.
        assert_eq!(product(2, 128), 0x1D);
    }
}
