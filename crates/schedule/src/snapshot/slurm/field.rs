//! Values as the versions of Slurm write them.

use serde_json::Value;

use crate::calendar::days;

/// A number, whether it stands as it is, in words or as an object; none if it is not set or without end.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Object(fields) => {
            let is = |flag: &str| fields.get(flag).and_then(Value::as_bool).unwrap_or(false);
            if !is("set") || is("infinite") { None } else { fields.get("number")?.as_f64() }
        }
        _ => None,
    }
}

/// A word, whether it stands alone or first in a list.
pub fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        Value::Array(all) => all.first().map_or("", text),
        _ => "",
    }
}

/// All words of a list, or the one that stands alone; with commas between them or not.
pub fn words(value: Option<&Value>) -> Vec<String> {
    let split =
        |text: &str| text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    match value {
        Some(Value::String(text)) => split(text),
        Some(Value::Array(all)) => all.iter().flat_map(|one| split(text(one))).collect(),
        _ => Vec::new(),
    }
}

/// Seconds of `DAYS-HOURS:MINUTES:SECONDS`; none: without end, or nothing of the kind.
pub fn duration(text: &str) -> Option<f64> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let parts: Option<Vec<f64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    let seconds = match parts?.as_slice() {
        [hours, minutes, seconds] => 3600.0 * hours + 60.0 * minutes + seconds,
        [minutes, seconds] => 60.0 * minutes + seconds,
        [minutes] => 60.0 * minutes,
        _ => return None,
    };
    Some(86_400.0 * days.parse::<f64>().ok()? + seconds)
}

/// Seconds since 1970 of `2026-11-29T16:39:55`, which is in the time zone of the cluster: it is taken for UTC.
pub fn clock(text: &str) -> Option<f64> {
    let (date, time) = text.split_once('T')?;
    let date: Option<Vec<i64>> = date.split('-').map(|part| part.parse().ok()).collect();
    let [year, month, day] = date?.try_into().ok()?;
    Some(86_400.0 * days(year, month, day)? as f64 + duration(time)?)
}

/// Amounts of `gpu:2`, `gres:gpu:a100:4(S:0-1)`, `gres/gpu=2`, with commas between them: kind and count. Those of a type count as of their
/// kind, and as of the type too (`gpu:a100`).
pub fn gres(text: &str) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    let mut depth = 0_i32;
    let mut split = String::new();
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth > 0 => {}
            letter => split.push(letter),
        }
    }
    for one in split.split(',').filter(|one| !one.is_empty()) {
        let one = one.trim_start_matches("gres:").trim_start_matches("gres/");
        let mut parts: Vec<&str> = one.split([':', '=']).collect();
        let count = parts.last().and_then(|last| amount(last));
        if count.is_some() {
            parts.pop();
        }
        if let Some(kind) = parts.first().filter(|kind| !kind.is_empty() && **kind != "N/A") {
            all.push(((*kind).to_owned(), count.unwrap_or(1.0)));
            if let Some(of_type) = parts.get(1).filter(|of_type| !of_type.is_empty()) {
                all.push((format!("{kind}:{of_type}"), count.unwrap_or(1.0)));
            }
        }
    }
    all
}

/// A count, which may be in thousands or millions of 1024: `4`, `2K`.
fn amount(text: &str) -> Option<f64> {
    let units = [("K", 1024.0), ("M", 1_048_576.0), ("G", 1_073_741_824.0)];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1.0));
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<f64>().ok().filter(|_| whole).map(|count| count * factor)
}

/// What `a&b|c` asks of each node's features: of each set one. Of `[a*2&b]`, which wants so many nodes of each, the counts are left out.
pub fn features(text: &str) -> Vec<Vec<String>> {
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    for letter in text.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            // Without brackets around it a comma stands for `&`.
            '&' | ',' if depth <= 0 => parts.push(String::new()),
            // Nodes of either kind will do for a part of the job.
            '&' => parts.iter_mut().last().into_iter().for_each(|part| part.push('|')),
            letter => parts.iter_mut().last().into_iter().for_each(|part| part.push(letter)),
        }
    }
    let name = |one: &str| one.split('*').next().unwrap_or("").trim().to_owned();
    let any = |part: &String| part.split('|').map(name).filter(|one| !one.is_empty()).collect::<Vec<_>>();
    parts.iter().map(any).filter(|any| !any.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_old_and_new_versions_are_read() {
        assert_eq!(number(&json!(5)), Some(5.0));
        assert_eq!(number(&json!({"set": true, "infinite": false, "number": 5})), Some(5.0));
        assert_eq!(number(&json!({"set": true, "infinite": true, "number": 0})), None);
        assert_eq!(number(&json!({"set": false, "infinite": false, "number": 0})), None);
        assert_eq!(number(&json!(null)), None);
        assert_eq!(text(&json!(["RUNNING", "COMPLETING"])), "RUNNING");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration("1-02:03:04"), Some(93_784.0));
        assert_eq!(duration("00:20:00"), Some(1200.0));
        assert_eq!(duration("UNLIMITED"), None);
        assert_eq!(clock("1970-01-01T00:00:00"), Some(0.0));
        assert_eq!(clock("2026-11-29T16:39:55"), Some(1_795_970_395.0));
        assert_eq!(clock("2024-02-29T12:00:00"), Some(1_709_208_000.0));
        assert_eq!(clock("Unknown"), None);
    }

    #[test]
    fn devices_are_counted_by_kind() {
        let gpus = |text: &str| {
            gres(text).iter().filter(|(kind, _)| kind == "gpu").map(|(_, count)| count).sum::<f64>()
        };
        assert_eq!(gpus("gpu:2"), 2.0);
        assert_eq!(gpus("gpu:a100:4(S:0-1),gpu:t4:1,shard:8"), 5.0);
        assert_eq!(gpus("gres:gpu:3"), 3.0);
        assert_eq!(gpus("gpu:1(IDX:0,2)"), 1.0);
        assert_eq!(gpus("gres/gpu=4"), 4.0);
        assert_eq!(gpus("gpu"), 1.0);
        assert_eq!(gpus("N/A"), 0.0);
        let of_type =
            |text: &str| gres(text).into_iter().filter(|(kind, _)| kind.contains(':')).collect::<Vec<_>>();
        assert_eq!(of_type("gpu:a100:4(S:0-1),gpu:2"), [("gpu:a100".to_owned(), 4.0)]);
        assert_eq!(gres("shard:2K"), [("shard".to_owned(), 2048.0)]);
    }

    #[test]
    fn features_are_sets_of_which_one_each_will_do() {
        assert_eq!(features("a&b|c"), [vec!["a"], vec!["b", "c"]]);
        assert_eq!(features("(a|b)&c"), [vec!["a", "b"], vec!["c"]]);
        assert_eq!(features("[rack1*2&rack2*4]"), [vec!["rack1", "rack2"]]);
        assert!(features("").is_empty());
    }
}
