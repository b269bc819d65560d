//! Times of the day in traces.

use super::Row;
use crate::error::Result;

/// Seconds since 1970 of a column.
///
/// # Errors
/// A field that is no time.
pub fn of(row: &Row, column: &str) -> Result<f64> {
    let text = row.text(column);
    seconds(text).ok_or_else(|| row.fault(column, format!("`{text}` is not `YYYY-MM-DD HH:MM:SS`")))
}

/// Seconds since 1970 of `YYYY-MM-DD HH:MM:SS`.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let valid = (1..=12).contains(&month)
        && (1..=length(year, month)).contains(&day)
        && hour < 24.0
        && minute < 60.0
        && second < 61.0;
    valid.then(|| days(year, month, day) as f64 * 86_400.0 + hour * 3600.0 + minute * 60.0 + second)
}

/// Days of a month: as many as from its first day to that of the next.
fn length(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
    next - days(year, month, 1)
}

/// Days since 1970-01-01 in the Gregorian calendar, with years that begin in March so that the leap day is
/// last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
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
}
