//! Times as people write them: a number and its unit, `50us` or `1.5s`.

use std::time::Duration;

/// The longest time that can be written, in seconds, so that no sum of them overflows.
const LONGEST: f64 = 3600.0;

/// Reads a number with its unit, ns, us, ms or s; an hour at most.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let units = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Writes a time as [`parse_duration`] reads it.
pub fn write_duration(time: Duration) -> String {
    format!("{time:?}").replace('µ', "u")
}
