//! Lists and ranges as every option takes them: `2,4,8..16`, `2..64:2` in steps, `0.1..0.9:0.05`, `bsp,ssp:1..4`. Both ends of a
//! range belong to it.

use std::{fmt::Display, str::FromStr};

use syncline::paramserv::Policy;

use crate::failure::Failure;

/// Entries of one option at most: each is a simulation.
const MOST: usize = 1000;

/// Rates of one option at most.
const MOST_RATES: usize = 100_000;

/// Numbers from 1 on; `option` is named in the error.
pub fn numbers(option: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!(
            "{option} {text}: {why}; write up to {MOST} numbers from 1 on, and ranges, such as 2,4,8..16 or 2..64:2"
        ))
    };
    let number = |text: &str| {
        let number = text.trim().parse::<usize>().ok().filter(|n| (1..=1_000_000_000).contains(n));
        number.ok_or_else(|| wrong(&format!("'{text}' is no number from 1 to 1000000000")))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let Some(Parts { from, to, step }) = Parts::of(part) else {
            list.extend(
                range(part, number(part)?..=number(part)?, 1, list.len()).map_err(|why| wrong(&why))?,
            );
            continue;
        };
        let step = step.map_or(Ok(1), number)?;
        list.extend(range(part, number(from)?..=number(to)?, step, list.len()).map_err(|why| wrong(&why))?);
    }
    Ok(list)
}

/// Policies.
pub fn policies(text: &str) -> Result<Vec<Policy>, Failure> {
    let mut list = Vec::new();
    for part in &entries(text) {
        // A deadline belongs to every bound of a range.
        let (bounded, deadline) = part.find(',').map_or((&part[..], ""), |comma| part.split_at(comma));
        let bounds = bounded.split_once(':').and_then(|(name, range)| Some((name, Parts::of(range)?)));
        let Some((name, Parts { from, to, step })) = bounds else {
            list.push(policy(part)?);
            continue;
        };
        let wrong = |why: &str| Failure::Usage(format!("--sync {part}: {why}"));
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong(&format!("'{text}' is no number")));
        let step = step.map_or(Ok(1), number)? as usize;
        let bounds = range(part, number(from)? as usize..=number(to)? as usize, step, list.len());
        for bound in bounds.map_err(|why| wrong(&why))? {
            list.push(policy(&format!("{name}:{bound}{deadline}"))?);
        }
    }
    Ok(list)
}

fn policy(text: &str) -> Result<Policy, Failure> {
    text.trim().parse().map_err(|error| Failure::Usage(format!("--sync {text}: {error}")))
}

/// The entries of a list of policies: what begins with a digit is the deadline of the one before it.
fn entries(text: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for part in text.split(',') {
        match entries.last_mut() {
            Some(last) if part.trim_start().starts_with(|first: char| first.is_ascii_digit()) => {
                last.push(',');
                last.push_str(part.trim());
            }
            _ => entries.push(part.to_owned()),
        }
    }
    entries
}

/// Values that have names.
pub fn named<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<Vec<T>, Failure> {
    let one =
        |part: &str| part.trim().parse().map_err(|error| Failure::Usage(format!("{what} {part}: {error}")));
    text.split(',').map(one).collect()
}

/// Rates above 0: `0.1,0.5`, or `0.1..0.9:0.05`, whose step must be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates(pub Vec<f64>);

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let number = part.trim().parse::<f64>().ok().filter(|rate| *rate > 0.0 && rate.is_finite());
            let example = "write rates above 0 such as 0.1,0.5, or FROM..TO:STEP, as in 0.1..0.9:0.05";
            number.ok_or_else(|| format!("'{part}' is no rate: {example}"))
        };
        let mut rates = Vec::new();
        for part in text.split(',') {
            let Some(Parts { from, to, step }) = Parts::of(part) else {
                rates.push(number(part)?);
                continue;
            };
            let step = step
                .ok_or_else(|| format!("'{part}' has no step: write FROM..TO:STEP, as in 0.1..0.9:0.05"))?;
            let (from, to, step) = (number(from)?, number(to)?, number(step)?);
            // The end belongs to the range although its last step is rounded.
            let steps = ((to - from) / step + 1e-9).floor();
            if steps < 0.0 {
                return Err(format!("'{part}' runs backwards"));
            }
            if steps + rates.len() as f64 >= MOST_RATES as f64 {
                return Err(format!("'{part}' has too many rates, more than {MOST_RATES}"));
            }
            // 0.1 + 2 x 0.1 is meant to be 0.3, not 0.30000000000000004.
            let rounded = |i: usize| ((from + i as f64 * step) * 1e12).round() / 1e12;
            rates.extend((0..=steps as usize).map(rounded));
        }
        Ok(Self(rates))
    }
}

/// The parts of `FROM..TO` or `FROM..TO:STEP`.
struct Parts<'a> {
    from: &'a str,
    to: &'a str,
    step: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Nothing if it is no range.
    fn of(text: &'a str) -> Option<Self> {
        let (from, rest) = text.split_once("..")?;
        // Rust's sign for "both ends" is understood: they always are.
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        let (to, step) = rest.split_once(':').map_or((rest, None), |(to, step)| (to, Some(step)));
        Some(Self { from, to, step })
    }
}

/// The range `part` of a list that has so many entries before it, or what is wrong with it.
fn range(
    part: &str,
    ends: std::ops::RangeInclusive<usize>,
    step: usize,
    before: usize,
) -> Result<impl Iterator<Item = usize> + use<>, String> {
    let (from, to) = (*ends.start(), *ends.end());
    match () {
        () if step == 0 => Err(format!("'{part}' has a step of 0")),
        () if from > to => Err(format!("'{part}' runs backwards")),
        () if (to - from) / step + before >= MOST => Err(format!("these are more than {MOST}")),
        () => Ok(ends.step_by(step)),
    }
}

/// One number, or a range of which only the ends matter: `7`, `1..5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<T> {
    pub first: T,
    pub last: T,
}

impl<T: FromStr + Copy + PartialOrd + Display> FromStr for Span<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = |text: &str| {
            text.trim().parse().map_err(|_| format!("`{text}` is not a number; write 3 or 1..5"))
        };
        let (first, last) = match Parts::of(text) {
            Some(Parts { step: Some(_), .. }) => {
                return Err(format!("`{text}` needs no step; write 3 or 1..5"));
            }
            Some(Parts { from, to, .. }) => (end(from)?, end(to)?),
            None => (end(text)?, end(text)?),
        };
        if first <= last {
            Ok(Self { first, last })
        } else {
            Err(format!("{first} is greater than {last}; the smaller end comes first"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_numbers_and_ranges() {
        assert_eq!(numbers("--cores", "2, 4,6..8").unwrap(), [2, 4, 6, 7, 8]);
        assert_eq!(numbers("--cores", "2..9:3,1..=2").unwrap(), [2, 5, 8, 1, 2]);
        assert_eq!(numbers("--cores", "1..1000000000:100000000").unwrap().len(), 10);
        for bad in
            ["", "0", "4..2", "2,16..4", "x", "1..", "1..1001", "1,1..1000", "-1", "1..4:0", "1..4:x", "2:3"]
        {
            assert!(matches!(numbers("--cores", bad), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn lists_hold_policies_and_ranges_of_bounds() {
        let names =
            |text: &str| -> Vec<String> { policies(text).unwrap().iter().map(Policy::to_string).collect() };
        assert_eq!(names("bsp,ssp:1..2"), ["bsp", "ssp:1", "ssp:2"]);
        assert_eq!(names("ssp:1..6:2"), ["ssp:1", "ssp:3", "ssp:5"]);
        let quorums = ["quorum:2,50ms", "quorum:3,50ms", "quorum:1", "asp"];
        assert_eq!(names("quorum:2..3,50ms, quorum:1,asp"), quorums);
        for bad in [
            "",
            "ssp:4..1",
            "ssp:0..4294967295",
            "ssp:1..",
            "ssp:-1..2",
            "bsp:1..2",
            "ssp:1..2:0",
            "bsp,5ms",
            "quorum:2,5",
        ] {
            assert!(matches!(policies(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn rates_are_lists_and_ranges_with_both_ends() {
        let rates: Rates = "0.1..0.9:0.05".parse().unwrap();
        assert_eq!(rates.0.len(), 17);
        assert_eq!((rates.0[4], rates.0[16]), (0.3, 0.9));
        assert_eq!("0.5, 1..2:0.5".parse(), Ok(Rates(vec![0.5, 1.0, 1.5, 2.0])));
        for bad in [
            "",
            "0",
            "-1",
            "nan",
            "0.1..0.9",
            "0..1:0.1",
            "0.5..0.1:0.1",
            "0.1..0.2:0",
            "a..b:c",
            "1..2:1e-9",
        ] {
            assert!(bad.parse::<Rates>().is_err(), "{bad}");
        }
    }

    #[test]
    fn both_ends_of_a_span_count() {
        assert_eq!("1..5".parse(), Ok(Span { first: 1, last: 5 }));
        assert_eq!("0.1..=1".parse(), Ok(Span { first: 0.1, last: 1.0 }));
        assert_eq!("7".parse(), Ok(Span { first: 7, last: 7 }));
        for bad in ["5..1", "a..b", "1..5:2", ""] {
            assert!(bad.parse::<Span<u64>>().is_err(), "{bad}");
        }
    }
}
