//! Dates in the forms that are common in tables, as days since 1970-01-01 (a fraction for the time of day, UTC where a
//! zone is given). Days are counted by the proleptic Gregorian calendar.

use serde::{Deserialize, Serialize};
use time::{Date, UtcDateTime};

/// The order in which a date is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateForm {
    /// `2026-11-29`, `2026/11/29`, with or without a time (ISO 8601).
    YearMonthDay,
    /// `11/29/2026`.
    MonthDayYear,
    /// `29.11.2026`, `29/11/2026`, `29-11-2026`.
    DayMonthYear,
    /// `29-Nov-2026`, `29 November 2026`.
    DayNameYear,
    /// `Nov 29, 2026`.
    NameDayYear,
    /// `2026-11`, `2026/11`, `Nov 2026`: the first day of a month.
    YearMonth,
    /// `12:30`, `12:30:05`: a part of a day.
    Time,
    /// `3h 4min`, `2 days 03:04:05`, `PT3H4M`: a length of time, in days.
    Duration,
}

impl DateForm {
    /// All forms; where several fit all cells of a column, the first of them is taken.
    pub(crate) const ALL: [DateForm; 8] = [
        DateForm::YearMonthDay,
        DateForm::MonthDayYear,
        DateForm::DayMonthYear,
        DateForm::DayNameYear,
        DateForm::NameDayYear,
        DateForm::YearMonth,
        DateForm::Time,
        DateForm::Duration,
    ];

    /// Whether it tells how long something took, and not when it was.
    pub(crate) fn is_length(self) -> bool {
        self == DateForm::Duration
    }

    /// How a person would call it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            DateForm::YearMonthDay => "year-month-day",
            DateForm::MonthDayYear => "month/day/year",
            DateForm::DayMonthYear => "day/month/year",
            DateForm::DayNameYear => "day month year",
            DateForm::NameDayYear => "month day, year",
            DateForm::YearMonth => "year-month",
            DateForm::Time => "hour:minute",
            DateForm::Duration => "a length of time",
        }
    }

    /// Days since 1970-01-01, if the cell is a date of this form; of a length of time its days.
    pub(crate) fn days(self, cell: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
        // The longest has nanoseconds and a zone.
        if text.len() > 40 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match self {
            DateForm::Duration => return super::duration::days(text),
            // The shortest is `9:30`.
            _ if text.len() < 4 => return None,
            DateForm::Time => return fraction_of_day(text),
            DateForm::YearMonth => return month_of_year(text).map(|day| day as f64),
            _ => {}
        }
        let (date, time) = split_time(text);
        let mut parts = date.split(['-', '/', '.', ' ', ',']).filter(|part| !part.is_empty());
        let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        // With points between them two digits may be the end of a version, with dashes a day.
        let named = matches!(self, DateForm::DayNameYear | DateForm::NameDayYear);
        let short = |text| year(text).or_else(|| short_year(text).filter(|_| named || date.contains('/')));
        let (year, month, day) = match self {
            DateForm::YearMonthDay => (year(a)?, number(b)?, number(c)?),
            DateForm::MonthDayYear => (short(c)?, number(a)?, number(b)?),
            DateForm::DayMonthYear => (short(c)?, number(b)?, number(a)?),
            DateForm::DayNameYear => (short(c)?, month(b)?, number(a)?),
            DateForm::NameDayYear => (short(c)?, month(a)?, number(b)?),
            DateForm::YearMonth | DateForm::Time | DateForm::Duration => return None,
        };
        let day_number = days_of(year, month, day)?;
        let time = if time.is_empty() { 0.0 } else { fraction_of_day(time)? };
        Some(day_number as f64 + time)
    }
}

/// The date, and what follows a `T` or a blank before a time such as `12:30`.
fn split_time(text: &str) -> (&str, &str) {
    let Some(colon) = text.find(':') else { return (text, "") };
    match text[..colon].rfind(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

fn year(text: &str) -> Option<i64> {
    (text.len() == 4).then(|| number(text)).flatten()
}

/// A year of two digits, from 1969 to 2068 as POSIX has it.
fn short_year(text: &str) -> Option<i64> {
    let year = (text.len() == 2).then(|| number(text)).flatten()?;
    Some(if year < 69 { 2000 + year } else { 1900 + year })
}

/// The first day of `2026-11` or `Nov 2026`.
fn month_of_year(text: &str) -> Option<i64> {
    let (a, b) = text.split_once(['-', '/', ' '])?;
    match year(a) {
        Some(year) => days_of(year, number(b).or_else(|| month(b))?, 1),
        None => days_of(year(b)?, month(a)?, 1),
    }
}

fn number(text: &str) -> Option<i64> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The number of a month's English name, or of its first three letters.
fn month(text: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let text = text.to_ascii_lowercase();
    let named = |name: &&str| *name == text || text.len() == 3 && name.starts_with(&text);
    Some(NAMES.iter().position(named)? as i64 + 1)
}

/// The number of a day, if there is such a day.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = u8::try_from(month).ok()?.try_into().ok()?;
    let date = Date::from_calendar_date(year.try_into().ok()?, month, day.try_into().ok()?).ok()?;
    Some(i64::from(date.to_julian_day() - UtcDateTime::UNIX_EPOCH.to_julian_day()))
}

/// A day since 1970-01-01 and the seconds of it as [`DateForm::YearMonthDay`] has them, without a time at midnight; the number of a day
/// whose year has not four digits.
#[cfg(feature = "parquet")]
pub(crate) fn written(day: i64, seconds: f64) -> String {
    let julian = day.saturating_add(UtcDateTime::UNIX_EPOCH.to_julian_day().into());
    let date = i32::try_from(julian).ok().and_then(|day| Date::from_julian_day(day).ok());
    // Years before our era would be read without their sign.
    let date = date.filter(|date| date.year() >= 0).map(|date| date.to_string());
    let Some(date) = date else { return day.to_string() };
    if seconds == 0.0 {
        return date;
    }
    let (minutes, seconds) = ((seconds / 60.0).floor(), seconds % 60.0);
    let seconds = format!("{seconds:09.6}");
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    format!("{date}T{:02}:{:02}:{seconds}", (minutes / 60.0).floor(), minutes % 60.0)
}

/// `12:30`, `12:30:05.25`, with `Z`, `+02:00`, `AM` or `PM`: the fraction of a day.
fn fraction_of_day(text: &str) -> Option<f64> {
    let (clock, zone) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], zone(&text[at..])?),
        None => (text, 0.0),
    };
    let upper = clock.trim().to_ascii_uppercase();
    let (clock, afternoon) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim(), Some(false)),
        (_, Some(clock)) => (clock.trim(), Some(true)),
        _ => (upper.as_str(), None),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?)? as f64;
    let hour = match afternoon {
        Some(afternoon) => hour % 12.0 + if afternoon { 12.0 } else { 0.0 },
        None => hour,
    };
    let minute = number(parts.next()?)? as f64;
    let second: f64 = parts.next().map_or(Some(0.0), |second| second.parse().ok())?;
    let valid = hour <= 24.0 && minute < 60.0 && (0.0..61.0).contains(&second) && parts.next().is_none();
    valid.then_some((hour + minute / 60.0 + second / 3600.0 - zone) / 24.0)
}

/// Hours ahead of UTC.
fn zone(text: &str) -> Option<f64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0.0);
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits: String = text[1..].chars().filter(|&c| c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some(sign * (number(hours)? as f64 + minutes as f64 / 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_forms_give_the_same_day() {
        for (form, text) in [
            (DateForm::YearMonthDay, "2026-11-29"),
            (DateForm::YearMonthDay, "2026/11/29"),
            (DateForm::MonthDayYear, "11/29/2026"),
            (DateForm::DayMonthYear, "29.11.2026"),
            (DateForm::DayMonthYear, "29/11/2026"),
            (DateForm::DayNameYear, "29-Nov-2026"),
            (DateForm::DayNameYear, "29 November 2026"),
            (DateForm::NameDayYear, "Nov 29, 2026"),
            (DateForm::DayNameYear, "29-Nov-26"),
            (DateForm::MonthDayYear, "11/29/26"),
        ] {
            assert_eq!(form.days(text.as_bytes()), Some(20_786.0), "{text}");
        }
    }

    #[test]
    fn times_and_zones_count() {
        let days = |text: &str| DateForm::YearMonthDay.days(text.as_bytes());
        assert_eq!(days("1970-01-01T12:00"), Some(0.5));
        assert_eq!(days("1970-01-01 06:00:00Z"), Some(0.25));
        assert_eq!(days("1970-01-02T02:00:00+02:00"), Some(1.0));
        assert_eq!(days("1970-01-01 06:00 PM"), Some(0.75));
        assert_eq!(days("1969-12-31"), Some(-1.0));
        assert_eq!(days("2000-03-01"), Some(11_017.0));
        assert_eq!(DateForm::DayNameYear.days(b"1-Jan-70"), Some(0.0), "and not a hundred years later");
    }

    #[test]
    fn months_and_times_alone_are_read() {
        for text in ["2000-03", "2000/3", "Mar 2000", "2000 March"] {
            assert_eq!(DateForm::YearMonth.days(text.as_bytes()), Some(11_017.0), "{text}");
        }
        assert_eq!(DateForm::Time.days(b"6:00"), Some(0.25));
        assert_eq!(DateForm::Time.days(b"12:30:36 PM"), Some(12.51 / 24.0));
        for text in ["2000-13", "200-3", "25:00", "12:60", "1:2:3:4", "12-30"] {
            let read: Vec<DateForm> = DateForm::ALL
                .into_iter()
                .filter(|form| *form != DateForm::Duration)
                .filter(|form| form.days(text.as_bytes()).is_some())
                .collect();
            assert!(read.is_empty(), "{text} as {read:?}");
        }
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn what_is_written_is_read_back() {
        for day in (-800_000..800_000).step_by(997) {
            for seconds in [0.0, 0.25, 3600.0, 86_399.5] {
                let text = written(day, seconds);
                let read = DateForm::YearMonthDay.days(text.as_bytes());
                let four_digits = (-719_528..=2_932_896).contains(&day);
                assert_eq!(read.is_some(), four_digits, "{text}");
                assert!(
                    read.is_none_or(|read| (read - day as f64 - seconds / 86_400.0).abs() < 1e-9),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_day_is_no_date() {
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "12.5.3",
            "10.20.30.40",
            "Paris",
            "2026-11-29 25:00",
            "2026-11-29 10:00+2",
            "2026-11-29 10:00+é",
            "1-2-3",
        ] {
            for form in DateForm::ALL {
                assert_eq!(form.days(text.as_bytes()), None, "{text} as {form:?}");
            }
        }
        assert_eq!(DateForm::MonthDayYear.days(b"29/11/2026"), None);
    }
}
