//! The time of the books, in seconds since they were begun.
//!
//! It follows the machine's uptime, which nobody sets: a clock that is put forward or back changes nothing. After the
//! machine was started again it goes on from the last time in the books, since how long it was off is known only by a
//! clock that may be wrong. CLOCK-1: it never goes back.

use serde::{Deserialize, Serialize};

use crate::proc::{boot, uptime};

/// Where time zero lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    boot: String,
    uptime: f64,
}

impl Origin {
    /// Zero is now.
    pub fn now() -> Self {
        Self { boot: boot(), uptime: uptime() }
    }

    /// The same origin, or one in the present start of the machine that goes on from `last`.
    #[must_use]
    pub fn carried(self, last: f64) -> Self {
        if self.boot == boot() { self } else { Self { uptime: uptime() - last, boot: boot() } }
    }

    /// The time now.
    pub fn time(&self) -> f64 {
        self.at(uptime())
    }

    /// The time at an uptime of the machine.
    pub fn at(&self, uptime: f64) -> f64 {
        (uptime - self.uptime).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_start_of_the_machine_goes_on_from_the_books() {
        let before = Origin { boot: "earlier".into(), uptime: 5e9 };
        let after = before.carried(100.0);
        assert!((100.0..101.0).contains(&after.time()), "{}", after.time());
        assert_eq!(after.clone().carried(7.0), after);
    }
}
