//! IEEE 754's numbers of 16 bits, as NumPy and Parquet store them.

/// The number of these bits.
pub(crate) fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_are_what_they_are() {
        assert_eq!((half(0x3c00), half(0xc000), half(0x7bff)), (1.0, -2.0, 65504.0));
        assert_eq!((half(0x0001), half(0x8000)), (2f64.powi(-24), 0.0));
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }
}
