//! Days of the calendar, and times by UTC.

use time::{Date, UtcDateTime};

/// Days since 1970, if there is such a day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = u8::try_from(month).ok()?.try_into().ok()?;
    let date = Date::from_calendar_date(year.try_into().ok()?, month, day.try_into().ok()?).ok()?;
    Some(i64::from(date.to_julian_day() - UtcDateTime::UNIX_EPOCH.to_julian_day()))
}

/// A time since 1970 as a person writes it, without the parts of its second: `2026-12-01 15:38:42`, and where the calendar ends the
/// seconds.
pub fn written(seconds: f64) -> String {
    match UtcDateTime::from_unix_timestamp(seconds.floor() as i64) {
        Ok(time) => {
            format!("{} {:02}:{:02}:{:02}", time.date(), time.hour(), time.minute(), time.second())
        }
        Err(_) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        for (year, month, day) in [(2017, 2, 30), (1900, 2, 29), (2017, 13, 1), (2017, 0, 1), (2017, 1, 300)]
        {
            assert_eq!(days(year, month, day), None);
        }
    }

    #[test]
    fn times_have_their_day() {
        assert_eq!(written(0.0), "1970-01-01 00:00:00");
        assert_eq!(written(1_709_251_199.9), "2024-02-29 23:59:59");
        assert_eq!(written(-0.5), "1969-12-31 23:59:59");
        assert_eq!(written(1e30), "1000000000000000000000000000000 s");
    }
}
