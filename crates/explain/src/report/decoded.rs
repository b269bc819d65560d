//! What a run whose workers held coded blocks did not wait for, and what that took.

use serde::Serialize;
use syncline_terminal::unit::{digits, milliseconds, plural};
use syncline_trace::RunInfo;

use super::Report;

/// Products that were decoded from the answers of the first workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DecodedProducts {
    /// How many.
    pub products: u64,
    /// From each request to the last answer that was needed.
    pub waited_ms: f64,
    /// What decodes took on top.
    pub decode_ms: f64,
    /// By how much rounding errors may have grown, at worst.
    pub worst_condition: f64,
    /// Tasks whose workers were told to stop.
    pub cancelled: u64,
    /// What had been computed of those, summed over workers.
    pub thrown_away_ms: f64,
}

impl DecodedProducts {
    /// What the run's head says of them.
    pub(crate) fn of(info: &RunInfo) -> Option<Self> {
        let told = info.training().decoded.filter(|told| told.products > 0)?;
        let ms = |ns: u64| ns as f64 / 1e6;
        Some(Self {
            products: told.products,
            waited_ms: ms(told.waited_ns),
            decode_ms: ms(told.decode_ns),
            worst_condition: told.worst_condition,
            cancelled: told.cancelled,
            thrown_away_ms: ms(told.thrown_away_ns),
        })
    }
}

/// What decoding took and threw away, where there was some.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let told = report.decoded?;
    let stopped = match told.cancelled {
        0 => "nobody was told to stop".to_owned(),
        cancelled => format!(
            "{} told to stop before {} end, after {} of work in all",
            match cancelled {
                1 => "one task was".to_owned(),
                _ => format!("{} were", plural(cancelled, "task")),
            },
            if cancelled == 1 { "its" } else { "their" },
            milliseconds(told.thrown_away_ms)
        ),
    };
    Some(format!(
        "{} were decoded from the first answers, after {} of waiting for them and in {} of decoding in all, with a condition number \
         of {} at most (one digit is lost for each factor of 10); {stopped}.",
        plural(told.products, "product"),
        milliseconds(told.waited_ms),
        milliseconds(told.decode_ms),
        digits(told.worst_condition, 3),
    ))
}
