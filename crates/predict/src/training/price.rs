//! What each synchronisation point costs: the run as it is, and the same run without it.
//!
//! Both are simulated with the same random numbers, so that their difference is the point's doing. Prices do not add up:
//! what one point no longer delays, another may.

use syncline_round::Policy;

use super::world::Without;
use crate::{Error, Interval, JobProfile, Question};

/// One synchronisation point and its price.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPrice {
    /// Which: `gate`, `pull`, `push` or `update`.
    pub of: &'static str,
    /// Seconds of a round without it.
    pub round_s: Interval,
    /// The share of a round's time that it costs.
    pub share: f64,
}

impl JobProfile {
    /// The price of every synchronisation point of a run, the dearest first.
    ///
    /// # Errors
    /// As for [`JobProfile::predict`].
    pub fn prices(&self, question: &Question) -> Result<Vec<SyncPrice>, Error> {
        let whole = self.predict(question)?.round_s.value;
        let points = [
            ("gate", Question { sync: Policy::Asp, ..*question }, Without::Nothing),
            ("pull", *question, Without::Pull),
            ("push", *question, Without::Push),
            ("update", *question, Without::Update),
        ];
        let mut prices = Vec::new();
        for (of, question, without) in points {
            let told = match self.predict_without(&question, without) {
                // Of a run without that point the trace may know nothing.
                Err(Error::CannotTell { .. }) => continue,
                told => told?,
            };
            let round_s = told.round_s;
            prices.push(SyncPrice { of, round_s, share: 1.0 - round_s.value / whole });
        }
        prices.sort_by(|a, b| b.share.total_cmp(&a.share));
        Ok(prices)
    }
}
