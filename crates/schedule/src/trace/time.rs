//! Times of the day in traces.

use super::Row;
use crate::{calendar::days, error::Result};

/// Seconds since 1970 of a column.
///
/// # Errors
/// A field that is no time.
pub fn of(row: &Row, column: &str) -> Result<f64> {
    let text = row.text(column);
    seconds(text).ok_or_else(|| {
        row.fault(
            column,
            format!("`{text}` is not `YYYY-MM-DD HH:MM:SS`, with or without a zone such as +08:00"),
        )
    })
}

/// Seconds since 1970 of `YYYY-MM-DD HH:MM:SS`, in UTC unless a zone follows.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (time, ahead) = without_zone(time)?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let days = days(year, month, day)? as f64;
    let valid = hour < 24.0 && minute < 60.0 && second < 61.0;
    valid.then_some(days * 86_400.0 + hour * 3600.0 + minute * 60.0 + second - ahead)
}

/// A time of the day, and by how many seconds its zone (`Z`, `UTC`, `+08:00`, `-0530`, `+08`) is ahead of UTC.
fn without_zone(text: &str) -> Option<(&str, f64)> {
    let text = text.trim_end_matches("UTC").trim_end_matches('Z').trim_end();
    let Some(at) = text.find(['+', '-']) else { return Some((text, 0.0)) };
    let (time, zone) = text.split_at(at);
    let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
    let digits = zone[1..].replace(':', "");
    if !matches!(digits.len(), 2 | 4) || digits.bytes().any(|digit| !digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let minutes: f64 = if minutes.is_empty() { 0.0 } else { minutes.parse().ok()? };
    let hours: f64 = hours.parse().ok()?;
    (hours <= 14.0 && minutes < 60.0).then(|| (time.trim_end(), sign * (hours * 3600.0 + minutes * 60.0)))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn timestamps_count_leap_days() {
        assert_eq!(seconds("1970-01-01 00:00:00"), Some(0.0));
        assert_eq!(seconds("2000-03-01 00:00:00"), Some(951_868_800.0));
        assert_eq!(seconds("2017-10-09 07:01:55"), Some(1_507_532_515.0));
        assert_eq!(seconds("2017-13-09 07:01:55"), None);
        for absent in ["2017-02-30", "2017-02-29", "2017-04-31", "2017-00-01", "1900-02-29"] {
            assert_eq!(seconds(&format!("{absent} 00:00:00")), None, "{absent}");
        }
        assert!(seconds("2016-02-29 00:00:00").is_some() && seconds("2017-12-31 00:00:00").is_some());
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn zones_are_counted() {
        let utc = seconds("2020-04-01 00:03:00");
        assert!(utc.is_some());
        for same in ["00:03:00Z", "00:03:00 UTC", "00:03:00.0+00:00", "08:03:00+08:00", "08:03:00+08"] {
            assert_eq!(seconds(&format!("2020-04-01T{same}")), utc, "{same}");
        }
        assert_eq!(seconds("2020-03-31 18:33:00-0530"), utc);
        for wrong in ["00:03:00+8", "00:03:00+08:99", "00:03:00+25:00", "00:03:00+ab:cd", "00:03:00 CEST"] {
            assert_eq!(seconds(&format!("2020-04-01 {wrong}")), None, "{wrong}");
        }
    }
}
