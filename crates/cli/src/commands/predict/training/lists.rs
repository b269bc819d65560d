//! Lists as options take them: `2,4,8..16`, `bsp,ssp:1..4`, `batch,batches:4`.

use std::str::FromStr;

use syncline::paramserv::Sync;

use crate::failure::Failure;

/// Entries of one option at most: each is a simulation.
const MOST: usize = 1000;

/// Numbers from 1 on; `what` is the option.
pub fn counts(what: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "{what} {text}: write up to {MOST} numbers from 1 on, and ranges, such as 2,4,8..16"
        ))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once("..").unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse::<usize>().ok();
            number.filter(|n| (1..=1_000_000_000).contains(n)).ok_or_else(wrong)
        };
        let range = number(from)?..=number(to)?;
        if range.clone().take(MOST + 1).count() + list.len() > MOST {
            return Err(wrong());
        }
        list.extend(range);
    }
    if list.is_empty() { Err(wrong()) } else { Ok(list) }
}

/// Policies.
pub fn policies(text: &str) -> Result<Vec<Sync>, Failure> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let range = part.split_once(':').and_then(|(name, range)| Some((name, range.split_once("..")?)));
        let Some((name, (from, to))) = range else {
            list.extend(named::<Sync>("--sync", part)?);
            continue;
        };
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| Failure::Usage(format!("--sync {part}: '{text}' is no number")))
        };
        for bound in (number(from)?..=number(to)?).take(MOST) {
            list.extend(named::<Sync>("--sync", &format!("{name}:{bound}"))?);
        }
    }
    Ok(list)
}

/// Values that have names.
pub fn named<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<Vec<T>, Failure> {
    let one =
        |part: &str| part.trim().parse().map_err(|error| Failure::Usage(format!("{what} {part}: {error}")));
    text.split(',').map(one).collect()
}
