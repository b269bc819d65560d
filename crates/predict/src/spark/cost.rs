//! What a cluster costs, and which is the best for a budget or a deadline.

use std::str::FromStr;

use crate::{Error, Interval};

/// A price of machines. The driver is not counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tariff {
    /// Money, in any currency, for an hour of one of them.
    pub amount: f64,
    /// Of what.
    pub unit: Unit,
}

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A core that an executor holds.
    Core,
    /// An executor, whatever its size.
    Executor,
}

impl FromStr for Tariff {
    type Err = String;

    /// `0.05/core-hour`, `0.4/executor-hour`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no price: write 0.05/core-hour or 0.4/executor-hour");
        let (amount, unit) = text.split_once('/').ok_or_else(wrong)?;
        let unit = match unit.trim() {
            "core-hour" => Unit::Core,
            "executor-hour" => Unit::Executor,
            _ => return Err(wrong()),
        };
        let amount = amount.trim().parse().ok().filter(|amount: &f64| (0.0..1e12).contains(amount));
        Ok(Self { amount: amount.ok_or_else(wrong)?, unit })
    }
}

impl Tariff {
    /// What executors of so many cores cost that are held for so long, all together.
    pub fn of(&self, executor_s: Interval, cores_each: usize) -> Interval {
        let each = match self.unit {
            Unit::Core => cores_each as f64,
            Unit::Executor => 1.0,
        };
        executor_s.scaled(each * self.amount / 3600.0)
    }
}

/// What must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Seconds from the application's start to its end.
    Deadline(f64),
    /// Money.
    Budget(f64),
}

impl Limit {
    /// The position of the best of `list` (time and cost): the cheapest that keeps a deadline, the fastest that keeps a budget, each by
    /// the upper end of its interval.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if none keeps it, with the one that comes nearest.
    pub fn best(self, list: &[(Interval, Interval)]) -> Result<usize, Error> {
        let kept = (0..list.len()).filter(|&at| self.limited(&list[at]).high <= self.bound());
        let best = kept.min_by(|&a, &b| self.wanted(&list[a]).total_cmp(&self.wanted(&list[b])));
        best.ok_or_else(|| {
            let least = list.iter().map(|row| self.limited(row)).min_by(|a, b| a.high.total_cmp(&b.high));
            let why = match (least, self) {
                (None, _) => "no size that was asked about can be told".to_owned(),
                (Some(Interval { value, high, .. }), Self::Deadline(limit)) => format!(
                    "none of the sizes asked about keeps it for sure: the nearest takes {value:.4} s and may take {high:.4} s, more than \
                     {limit}"
                ),
                (Some(Interval { value, high, .. }), Self::Budget(limit)) => format!(
                    "none of the sizes asked about keeps it for sure: the nearest costs {value:.4} and may cost {high:.4}, more than \
                     {limit}"
                ),
            };
            Error::CannotTell { why }
        })
    }

    fn bound(self) -> f64 {
        match self {
            Self::Deadline(limit) | Self::Budget(limit) => limit,
        }
    }

    /// What of time and cost is limited.
    fn limited(self, row: &(Interval, Interval)) -> Interval {
        match self {
            Self::Deadline(_) => row.0,
            Self::Budget(_) => row.1,
        }
    }

    /// What of them is to be small.
    fn wanted(self, row: &(Interval, Interval)) -> f64 {
        match self {
            Self::Deadline(_) => row.1.value,
            Self::Budget(_) => row.0.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_size_keeps_its_limit_with_all_of_its_interval() {
        let row = |time, cost| (Interval::around(time, 0.1 * time), Interval::around(cost, 0.1 * cost));
        let list = [row(100.0, 1.0), row(50.0, 1.2), row(30.0, 2.0), row(28.0, 4.0)];
        assert_eq!(Limit::Deadline(56.0).best(&list).unwrap(), 1);
        assert_eq!(Limit::Deadline(52.0).best(&list).unwrap(), 2, "55 may be");
        assert_eq!(Limit::Budget(2.5).best(&list).unwrap(), 2);
        assert!(Limit::Budget(0.5).best(&list).is_err() && Limit::Deadline(1.0).best(&[]).is_err());
    }

    #[test]
    fn prices_have_a_unit() {
        assert_eq!("0.05/core-hour".parse(), Ok(Tariff { amount: 0.05, unit: Unit::Core }));
        for bad in ["1", "1/hour", "-1/core-hour", "x/executor-hour", "inf/core-hour"] {
            assert!(bad.parse::<Tariff>().is_err(), "{bad}");
        }
    }
}
