//! Lists as options take them: `2,4,8..16`, `bsp,ssp:1..4`, `batch,batches:4`.

use std::str::FromStr;

use syncline::paramserv::Policy;

use crate::failure::Failure;

/// Entries of one option at most: each is a simulation.
const MOST: usize = 1000;

/// Numbers from 1 on; `option` is named in the error.
pub fn numbers(option: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!(
            "{option} {text}: {why}; write up to {MOST} numbers from 1 on, and ranges, such as 2,4,8..16"
        ))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once("..").unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse::<usize>().ok().filter(|n| (1..=1_000_000_000).contains(n));
            number.ok_or_else(|| wrong(&format!("'{text}' is no number from 1 to 1000000000")))
        };
        list.extend(range(part, number(from)?, number(to)?, list.len()).map_err(|why| wrong(&why))?);
    }
    Ok(list)
}

/// Policies.
pub fn policies(text: &str) -> Result<Vec<Policy>, Failure> {
    let mut list = Vec::new();
    for part in &entries(text) {
        // A deadline belongs to every bound of a range.
        let (bounded, deadline) = part.find(',').map_or((&part[..], ""), |comma| part.split_at(comma));
        let bounds = bounded.split_once(':').and_then(|(name, range)| Some((name, range.split_once("..")?)));
        let Some((name, (from, to))) = bounds else {
            list.push(policy(part)?);
            continue;
        };
        let wrong = |why: &str| Failure::Usage(format!("--sync {part}: {why}"));
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong(&format!("'{text}' is no number")));
        let bounds = range(part, number(from)? as usize, number(to)? as usize, list.len());
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
pub fn named<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<Vec<T>, Failure> {
    let one =
        |part: &str| part.trim().parse().map_err(|error| Failure::Usage(format!("{what} {part}: {error}")));
    text.split(',').map(one).collect()
}

/// The range `part` of a list that has so many entries before it, or what is wrong with it.
fn range(
    part: &str,
    from: usize,
    to: usize,
    before: usize,
) -> Result<std::ops::RangeInclusive<usize>, String> {
    match () {
        () if from > to => Err(format!("'{part}' runs backwards")),
        () if to - from + before >= MOST => Err(format!("these are more than {MOST}")),
        () => Ok(from..=to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_numbers_and_ranges() {
        assert_eq!(numbers("--cores", "2, 4,6..8").unwrap(), [2, 4, 6, 7, 8]);
        for bad in ["", "0", "4..2", "2,16..4", "x", "1..", "1..1001", "1,1..1000", "-1"] {
            assert!(matches!(numbers("--cores", bad), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn lists_hold_policies_and_ranges_of_bounds() {
        let names: Vec<String> = policies("bsp,ssp:1..2").unwrap().iter().map(Policy::to_string).collect();
        assert_eq!(names, ["bsp", "ssp:1", "ssp:2"]);
        let list = policies("quorum:2..3,50ms, quorum:1,asp").unwrap();
        let names: Vec<String> = list.iter().map(Policy::to_string).collect();
        assert_eq!(names, ["quorum:2,50ms", "quorum:3,50ms", "quorum:1", "asp"]);
        for bad in
            ["", "ssp:4..1", "ssp:0..4294967295", "ssp:1..", "ssp:-1..2", "bsp:1..2", "bsp,5ms", "quorum:2,5"]
        {
            assert!(matches!(policies(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
