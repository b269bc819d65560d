//! Numbers with the digits that a reader can use: three of a measurement, all of a count.

/// The thin space that groups digits; it does not break over lines.
const THIN: char = '\u{202f}';

/// What stands for no number.
const NONE: &str = "-";

/// A time in the unit that suits it, with three digits: `12.3 us`, `4.57 s`, `1.20 h`.
pub fn seconds(time: f64) -> String {
    const UNITS: [(f64, &str); 7] =
        [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (86_400.0, "d")];
    scaled(time, "s", &UNITS, |unit| match unit {
        // Seconds up to a thousand are read more easily than minutes; two days than 48 hours are not.
        "s" => 1000.0,
        "min" => 60.0,
        "h" => 100.0,
        _ => 1000.0,
    })
}

/// A time given in milliseconds, as [`seconds`].
pub fn milliseconds(time: f64) -> String {
    seconds(time / 1e3)
}

/// A time and the ends of its interval in one unit: `4.66 (4.41 .. 4.80) ms`.
pub fn seconds_within([low, value, high]: [f64; 3]) -> String {
    let text = seconds(value);
    let Some((number, unit)) = text.split_once(' ') else { return text };
    // How much of the unit a second is; a zero or an infinity has no unit of its own.
    let (size, unit) = match unit {
        _ if value == 0.0 || !value.is_finite() => (1.0, "s"),
        "ns" => (1e9, unit),
        "us" => (1e6, unit),
        "ms" => (1e3, unit),
        "min" => (1.0 / 60.0, unit),
        "h" => (1.0 / 3600.0, unit),
        "d" => (1.0 / 86_400.0, unit),
        _ => (1.0, unit),
    };
    let end = |end: f64| digits(end * size, 3);
    format!("{number} ({} .. {}) {unit}", end(low), end(high))
}

/// A number and the ends of its interval: `1.20 (1.10 .. 1.31)`.
pub fn amount_within([low, value, high]: [f64; 3]) -> String {
    format!("{} ({} .. {})", amount(value), amount(low), amount(high))
}

/// An amount of memory with three digits: `512 B`, `12.3 MB` (10^6 bytes).
pub fn bytes(amount: f64) -> String {
    const UNITS: [(f64, &str); 6] =
        [(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB")];
    if (0.0..999.5).contains(&amount) {
        return format!("{} B", amount.round());
    }
    scaled(amount, "B", &UNITS, |_| 1000.0)
}

/// The number in the first unit of which there are fewer than `most`.
fn scaled(value: f64, zero: &str, units: &[(f64, &str)], most: impl Fn(&str) -> f64) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    if value == 0.0 {
        return format!("0 {zero}");
    }
    let last = units.len() - 1;
    for (index, (size, name)) in units.iter().enumerate() {
        let shown = digits(value / size, 3);
        // Judged by what is shown, because 999.7 us are 1.00 ms.
        let in_reach = shown.parse::<f64>().is_ok_and(|shown| shown.abs() < most(name));
        if in_reach || index == last {
            return format!("{shown} {name}");
        }
    }
    NONE.to_owned()
}

/// A whole number with its thousands set apart: `12 345`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// A rate or another amount that may be large: whole and grouped from 1000, three digits below.
pub fn amount(value: f64) -> String {
    match value {
        v if !v.is_finite() => not_finite(v),
        v if v.abs() >= 1e15 => scientific(v),
        v if v.abs() >= 999.5 => grouped(&format!("{v:.0}")),
        v if v != 0.0 && v.abs() < 1e-3 => scientific(v),
        v => digits(v, 3),
    }
}

/// A loss or a metric: `0.6931`, `12.35`, `3.21e11`.
pub fn loss(value: f64) -> String {
    match value {
        v if !v.is_finite() => not_finite(v),
        0.0 => "0".to_owned(),
        v if v.abs() < 1e-3 || v.abs() >= 999_950.0 => scientific(v),
        v if v.abs() < 10.0 => format!("{v:.4}"),
        v => digits(v, 4),
    }
}

/// A share of one as per cent: `33.1 %`, `100 %`, `0.05 %`.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    match value {
        v if !v.is_finite() => not_finite(v),
        0.0 => "0 %".to_owned(),
        v if v.abs() < 0.005 => "<0.01 %".to_owned(),
        v if v.abs() < 0.995 => format!("{v:.2} %"),
        v if v.abs() < 99.95 => format!("{v:.1} %"),
        v => format!("{v:.0} %"),
    }
}

/// How many times as long or large: `1.30 x`, `12.4 x`.
pub fn factor(value: f64) -> String {
    format!("{} x", amount(value))
}

/// `4 workers`, `1 server`.
pub fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(number)) }
}

/// A number with so many digits that count, those before the point always in full: `1.20`, `12.3`, `1234`.
pub fn digits(value: f64, count: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = |value: f64| (count as i32 - 1 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let shown = format!("{value:.*}", decimals(value));
    // 9.999 rounds to 10.00, which has a digit too many.
    match shown.parse::<f64>() {
        Ok(rounded) if rounded != 0.0 && decimals(rounded) < decimals(value) => {
            format!("{value:.*}", decimals(rounded))
        }
        _ => shown,
    }
}

fn scientific(value: f64) -> String {
    format!("{value:.2e}")
}

fn not_finite(value: f64) -> String {
    if value.is_nan() { NONE.to_owned() } else { value.to_string() }
}

fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let mut out = sign.to_owned();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index).is_multiple_of(3) && number.len() > 4 {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let shown = [
            (0.0, "0 s"),
            (3.2e-9, "3.20 ns"),
            (12.34e-6, "12.3 us"),
            (999.7e-6, "1.00 ms"),
            (0.05, "50.0 ms"),
            (4.567, "4.57 s"),
            (123.4, "123 s"),
            (999.6, "16.7 min"),
            (4320.0, "1.20 h"),
            (360_000.0, "4.17 d"),
            (-0.25, "-250 ms"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "-"),
        ];
        for (value, text) in shown {
            assert_eq!(seconds(value), text);
        }
        assert_eq!(milliseconds(1.5), "1.50 ms");
    }

    #[test]
    fn intervals_share_a_unit() {
        assert_eq!(seconds_within([0.0041, 0.004_66, 0.0048]), "4.66 (4.10 .. 4.80) ms");
        assert_eq!(seconds_within([0.0, 0.0, 0.5]), "0 (0 .. 0.500) s");
        assert_eq!(amount_within([1e4, 1.25e4, 2e4]), "12\u{202f}500 (10\u{202f}000 .. 20\u{202f}000)");
    }

    #[test]
    fn bytes_are_decimal() {
        let shown = [
            (0.0, "0 B"),
            (512.0, "512 B"),
            (999.7, "1.00 kB"),
            (12_345_678.0, "12.3 MB"),
            (2e18, "2000 PB"),
        ];
        for (value, text) in shown {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn counts_keep_all_their_digits() {
        assert_eq!(count(1234), "1234");
        assert_eq!(count(12_345), "12\u{202f}345");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(plural(2, "row"), "2 rows");
    }

    #[test]
    fn amounts_and_losses_stay_readable_at_any_size() {
        assert_eq!(amount(0.123_456), "0.123");
        assert_eq!(amount(999.7), "1000");
        assert_eq!(amount(1e6 / 3.0), "333\u{202f}333");
        assert_eq!(amount(1.234e-7), "1.23e-7");
        assert_eq!(loss(0.731_058), "0.7311");
        assert_eq!(loss(0.999_99), "1.0000");
        assert_eq!(loss(15_150.4), "15150");
        assert_eq!(loss(3.214e11), "3.21e11");
        assert_eq!(loss(f64::NAN), "-");
    }

    #[test]
    fn no_share_is_lost_in_rounding() {
        assert_eq!(percent(0.331), "33.1 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.000_04), "<0.01 %");
        assert_eq!(percent(0.000_5), "0.05 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn digits_are_those_that_count() {
        assert_eq!(digits(9.999, 3), "10.0");
        assert_eq!(digits(0.000_123_456, 3), "0.000123");
        assert_eq!(digits(123_456.0, 3), "123456");
    }
}
