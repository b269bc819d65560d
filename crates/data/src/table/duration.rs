//! Lengths of time as people and programs write them: `3h 4min`, `2 years 3 months`, `1 day, 2:03:04`, `PT3H4M`, `26:30:00`.

/// Days of a year and of its twelfth, of the Gregorian calendar on average.
const YEAR: f64 = 365.2425;
const MONTH: f64 = YEAR / 12.0;

/// A length of time in days, if the cell is one.
pub(super) fn days(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        // Python and pandas have the sign at the days only: `-1 days +22:00:00`.
        Some(rest) if rest.contains("day") && rest.contains(':') => return python(rest),
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text),
    };
    let length = match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(rest),
        None => spelt(text),
    };
    length.map(|days| sign * days)
}

/// `1 day +22:00:00` after its minus, which belongs to the day alone.
fn python(text: &str) -> Option<f64> {
    let (date, clock) = text.rsplit_once([' ', '+'])?;
    Some(clock_days(clock)? - spelt(date.trim_end_matches(['+', ' ', ',']))?)
}

/// Numbers with their units, and a clock at the end.
fn spelt(text: &str) -> Option<f64> {
    let (mut rest, mut sum, mut last) = (text.trim(), 0.0, f64::INFINITY);
    while !rest.is_empty() {
        if rest.contains(':') && !rest.contains(char::is_alphabetic) {
            // Only days and longer stand before a clock.
            return (last >= 1.0)
                .then(|| clock_days(rest.trim_start_matches('+')))
                .flatten()
                .map(|clock| sum + clock);
        }
        let (number, after) = leading_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let unit = unit(&after[..end])?;
        // From long to short, each once.
        if unit >= last {
            return None;
        }
        (sum, last) = (sum + number * unit, unit);
        rest = after[end..].trim_start_matches(['.', ',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    last.is_finite().then_some(sum)
}

/// What follows the `P` of ISO 8601: `3DT4H5M`, where `M` is a month before the `T` and a minute after it.
fn iso(text: &str) -> Option<f64> {
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let mut sum = 0.0;
    for (mut rest, names) in
        [(date, [('Y', YEAR), ('M', MONTH), ('W', 7.0), ('D', 1.0)]), (time, TIME_OF_ISO)]
    {
        let mut names = names.into_iter();
        while !rest.is_empty() {
            let (number, after) = leading_number(rest)?;
            let name = after.chars().next()?.to_ascii_uppercase();
            sum += number * names.find(|&(of, _)| of == name)?.1;
            rest = &after[1..];
        }
    }
    (!date.is_empty() || !time.is_empty()).then_some(sum)
}

/// The last one has no name of its own and never matches.
const TIME_OF_ISO: [(char, f64); 4] =
    [('H', 1.0 / 24.0), ('M', 1.0 / 1440.0), ('S', 1.0 / 86_400.0), ('\0', 0.0)];

/// A number without a sign, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    Some((number.parse().ok()?, after))
}

/// `26:30`, `26:30:05.25` as days; hours may be any number.
fn clock_days(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let mut part = || parts.next().map(|part| leading_number(part).filter(|(_, after)| after.is_empty()));
    let (hours, minutes) = (part()??.0, part()??.0);
    let seconds = part().map_or(Some(0.0), |seconds| Some(seconds?.0))?;
    let sound = hours.fract() == 0.0 && minutes.fract() == 0.0 && minutes < 60.0 && seconds < 60.0;
    (sound && parts.next().is_none()).then_some((hours + minutes / 60.0 + seconds / 3600.0) / 24.0)
}

/// The days of a unit.
fn unit(name: &str) -> Option<f64> {
    // A capital letter alone is more often a code, such as `2D` and `3D`.
    let lower = if name.len() > 1 { name.to_ascii_lowercase() } else { name.to_owned() };
    Some(match lower.as_str() {
        "y" | "yr" | "yrs" | "year" | "years" => YEAR,
        "mo" | "mos" | "mth" | "mths" | "month" | "months" => MONTH,
        "w" | "wk" | "wks" | "week" | "weeks" => 7.0,
        "d" | "day" | "days" => 1.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 1.0 / 24.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 1.0 / 1440.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0 / 86_400.0,
        "ms" | "msec" | "millisecond" | "milliseconds" => 1.0 / 86_400e3,
        "us" | "µs" | "μs" | "microsecond" | "microseconds" => 1.0 / 86_400e6,
        "ns" | "nanosecond" | "nanoseconds" => 1.0 / 86_400e9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn lengths_of_time_are_read_as_people_and_programs_write_them() {
        let hours = |hours: f64| Some(hours / 24.0);
        for (text, length) in [
            ("3h 4min", hours(3.0 + 4.0 / 60.0)),
            ("2h 50m", hours(2.0 + 5.0 / 6.0)),
            ("19h", hours(19.0)),
            ("90 min", hours(1.5)),
            ("90 Min.", hours(1.5)),
            ("1.5 hours", hours(1.5)),
            ("1 hour and 30 minutes", hours(1.5)),
            ("2 days 03:04:05", hours(51.0 + 4.0 / 60.0 + 5.0 / 3600.0)),
            ("1 day, 2:00:00", hours(26.0)),
            ("-1 days +22:00:00", hours(-2.0)),
            ("-1 day, 22:00:00", hours(-2.0)),
            ("26:30:00", hours(26.5)),
            ("PT3H30M", hours(3.5)),
            ("P1DT0.5H", hours(24.5)),
            ("-PT30M", hours(-0.5)),
            ("P2W", Some(14.0)),
            ("3 weeks", Some(21.0)),
            ("250 ms", Some(0.25 / 86_400.0)),
            ("1 year 6 months", Some(1.5 * 365.2425)),
            ("P1M", Some(365.2425 / 12.0)),
        ] {
            let read = days(text);
            let near = read.zip(length).is_some_and(|(read, length)| (read - length).abs() < 1e-9);
            assert!(near, "{text}: {read:?}, not {length:?}");
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_none() {
        for text in [
            "3D",
            "2D",
            "P",
            "PT",
            "Paris",
            "4min 3h",
            "3h 4h",
            "h",
            "12",
            "1.2.3h",
            "10+ years",
            "3 km",
            "5 m 3",
            "1:75",
            "12:30:61",
            "1:2:3:4",
            "3h 12:30",
            "PT3D",
            "P3H",
            "pine 3",
            "",
            "-",
            "1e3 h",
            "P1Dé",
            "3 é",
        ] {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
