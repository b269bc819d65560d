//! How far a node's clock is from the run's common clock.
//!
//! One exchange of messages bounds the offset (Cristian 1989; the same arithmetic as NTP, RFC 5905 section 8): whatever
//! the two ways of the exchange cost, the true offset lies within `error_ns` of the estimate.

use serde::{Deserialize, Serialize};

/// A node's clock minus the run's common clock, and the largest error that this estimate can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Node's time minus run's time, in ns. Spans in a run file are already corrected by it.
    pub offset_ns: i64,
    /// Half of the round trip that measured it, in ns; 0 when both are the same clock.
    pub error_ns: u64,
}

impl ClockOffset {
    /// The offset from one exchange: the run's clock read `asked_ns` and `heard_ns` around the question, the node's
    /// clock read `received_ns` and `replied_ns` between.
    ///
    /// offset = ((received - asked) + (replied - heard)) / 2, error = ((heard - asked) - (replied - received)) / 2.
    ///
    /// ```
    /// use syncline_trace::ClockOffset;
    ///
    /// let offset = ClockOffset::from_exchange(100, 1_150, 1_160, 210);
    /// assert_eq!(offset, ClockOffset { offset_ns: 1_000, error_ns: 50 });
    /// ```
    pub fn from_exchange(asked_ns: u64, received_ns: u64, replied_ns: u64, heard_ns: u64) -> Self {
        let [asked, received, replied, heard] = [asked_ns, received_ns, replied_ns, heard_ns].map(i128::from);
        let offset = ((received - asked) + (replied - heard)) / 2;
        let error = ((heard - asked) - (replied - received)).max(0) / 2;
        Self { offset_ns: clamp(offset), error_ns: u64::try_from(error).unwrap_or(u64::MAX) }
    }

    /// The better of two estimates of the same offset: the one from the shorter round trip.
    pub fn better(self, other: Self) -> Self {
        if other.error_ns < self.error_ns { other } else { self }
    }
}

fn clamp(ns: i128) -> i64 {
    ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The true offset is never further from the estimate than the stated error.
        #[test]
        fn error_bounds_the_truth(
            asked in 0u64..1 << 40,
            there in 0u64..1 << 20,
            held in 0u64..1 << 20,
            back in 0u64..1 << 20,
            truth in 0u64..1 << 40,
        ) {
            let received = asked + there + truth;
            let estimate = ClockOffset::from_exchange(asked, received, received + held, asked + there + held + back);
            prop_assert!(estimate.offset_ns.abs_diff(truth as i64) <= estimate.error_ns + 1);
        }
    }

    #[test]
    fn a_clock_that_ran_backwards_gives_no_negative_error() {
        assert_eq!(ClockOffset::from_exchange(10, 0, 100, 5).error_ns, 0);
    }
}
