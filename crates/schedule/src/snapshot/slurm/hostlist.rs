//! Names of nodes as Slurm shortens them: `n[1-3,07],m2`.

/// The most names of one list: more is no cluster.
const MOST: usize = 100_000;

/// Every name of a list. What is not a range stays as it is written.
pub fn hosts(list: &str) -> Vec<String> {
    let mut all = Vec::new();
    for one in split(list) {
        expand(&one, &mut all);
    }
    all.truncate(MOST);
    all
}

/// At the commas outside of brackets.
fn split(list: &str) -> Vec<String> {
    let (mut all, mut depth) = (vec![String::new()], 0);
    for letter in list.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(letter);
        }
    }
    all.retain(|one| !one.is_empty() && one != "(null)");
    all
}

fn expand(one: &str, all: &mut Vec<String>) {
    let parts = one
        .split_once('[')
        .and_then(|(head, rest)| rest.split_once(']').map(|(ranges, tail)| (head, ranges, tail)));
    let Some((head, ranges, tail)) = parts else { return all.push(one.to_owned()) };
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(from), Ok(until)) = (first.parse::<usize>(), last.parse::<usize>()) else {
            return all.push(one.to_owned());
        };
        for number in (from..=until).take(MOST.saturating_sub(all.len())) {
            let width = first.len();
            expand(&format!("{head}{number:0width$}{tail}"), all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lists_and_zeros_are_spelt_out() {
        assert_eq!(hosts("n[1-3,07],m2"), ["n1", "n2", "n3", "n07", "m2"]);
        assert_eq!(hosts("r[1-2]n[08-09]"), ["r1n08", "r1n09", "r2n08", "r2n09"]);
        assert_eq!(hosts("login"), ["login"]);
        assert!(hosts("").is_empty() && hosts("(null)").is_empty());
        assert_eq!(hosts("n[1-999999999]").len(), MOST);
    }
}
