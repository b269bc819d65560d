//! Numbers in text. A feature must be finite: one NaN would make every parameter that it meets NaN.

use super::quoted;

/// Reads a number that fits an `f32`, or says what was found instead.
pub(super) fn finite(text: &[u8]) -> Result<f32, String> {
    let text = text.trim_ascii();
    match any(text) {
        Some(number) if number.is_finite() => Ok(number),
        _ if text.is_empty() => {
            Err("the cell is empty: fill missing values in, or leave such rows out".into())
        }
        Some(number) if number.is_nan() => {
            Err(format!("{} is a missing value: fill it in, or leave the row out", quoted(text)))
        }
        Some(_) => {
            Err(format!("{} is infinite or too large for a 32-bit float: rescale the column", quoted(text)))
        }
        None => Err(format!("{} is not a number", quoted(text))),
    }
}

/// Reads anything that Rust calls a number, also `nan` and `inf`.
pub(super) fn any(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}
