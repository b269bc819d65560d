//! Lists of numbers as an option takes them.

use crate::failure::Failure;

/// The most numbers that one option may ask for.
const MOST: usize = 10_000;

/// Reads `2,4,8..16`; `option` is named in the error.
pub fn numbers(option: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!("--{option} {text}: {why}; write numbers and ranges such as 2,4,8..16"))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once("..").unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().parse::<usize>().ok().filter(|n| (1..=1_000_000).contains(n));
            number.ok_or_else(|| wrong(&format!("'{text}' is no number from 1 to 1000000")))
        };
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return Err(wrong(&format!("'{part}' runs backwards")));
        }
        if to - from + list.len() >= MOST {
            return Err(wrong(&format!("these are more than {MOST}")));
        }
        list.extend(from..=to);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_numbers_and_ranges() {
        assert_eq!(numbers("cores", "2, 4,6..8").unwrap(), [2, 4, 6, 7, 8]);
        for bad in ["", "0", "4..2", "x", "1..", "1..1000000", "-1"] {
            assert!(matches!(numbers("cores", bad), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
