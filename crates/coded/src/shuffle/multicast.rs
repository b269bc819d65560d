//! What reaching several workers by one send is worth, and whether a coded shuffle pays for it.

use std::str::FromStr;

use super::rows;
use crate::{Error, Result};

/// gamma(m) = what m sends to one worker each cost, over what one send to m workers costs: 1 over connections to each, m where one
/// send reaches all. It is measured (`scripts/multicast_gain.py`), never assumed.
///
/// ```
/// use syncline_coded::shuffle::Multicast;
///
/// let measured: Multicast = "2:1.99,4:4.02,8:8.01".parse()?;
/// assert!((measured.gain(3) - 3.005).abs() < 1e-12, "between two it lies on a line");
/// assert_eq!((Multicast::default().gain(8), measured.gain(16)), (1.0, 8.01), "beyond the last it grows no more");
/// # Ok::<(), syncline_coded::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Multicast(Vec<(usize, f64)>);

impl Multicast {
    /// What a user can write.
    pub const VALID: &'static str =
        "RECEIVERS:GAIN,RECEIVERS:GAIN such as 2:1.99,4:4.02, receivers from 2 on and growing";

    /// gamma of so many receivers: on a line between two that are known, where one receiver's is 1.
    pub fn gain(&self, receivers: usize) -> f64 {
        let mut below = (1, 1.0);
        for &above in &self.0 {
            if receivers <= above.0 {
                let share = (receivers - below.0) as f64 / (above.0 - below.0) as f64;
                return below.1 + share * (above.1 - below.1);
            }
            below = above;
        }
        below.1
    }
}

impl FromStr for Multicast {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::OutOfRange {
            what: "the gain of a multicast",
            got: text.into(),
            must: Self::VALID.into(),
        };
        let point = |text: &str| {
            let (receivers, gain) = text.split_once(':')?;
            let (receivers, gain): (usize, f64) = (receivers.trim().parse().ok()?, gain.trim().parse().ok()?);
            (receivers >= 2 && gain.is_finite() && gain > 0.0).then_some((receivers, gain))
        };
        let points = text.split(',').map(point).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        if points.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(wrong());
        }
        Ok(Self(points))
    }
}

/// What a shuffle costs with a code and without, all in sends of one row to one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Without a code: one send for each row that its next owner lacks.
    pub uncoded: f64,
    /// Packets of the coded shuffle.
    pub packets: f64,
    /// What these cost: one to m workers as much as m / gamma(m) sends.
    pub coded: f64,
}

impl Cost {
    /// Of `workers` that hold their part and a share of the other rows each, where packets of more rows are heard by as many workers.
    ///
    /// # Errors
    /// Unless there are 2 to 16 workers and the share lies between 0 and 1.
    pub fn of(workers: usize, rows: usize, share: f64, multicast: &Multicast) -> Result<Self> {
        let sizes = rows::coded_by_size(workers, rows, share)?;
        let sends =
            |(receivers, packets): &(usize, f64)| packets * *receivers as f64 / multicast.gain(*receivers);
        Ok(Self {
            uncoded: rows::uncoded(workers, rows, share)?,
            packets: sizes.iter().map(|(_, packets)| packets).sum(),
            coded: sizes.iter().map(sends).sum(),
        })
    }

    /// How many times cheaper the code is; below 1 it loses.
    pub fn gain(&self) -> f64 {
        // Where everybody holds everything nothing is sent either way.
        if self.coded == 0.0 { 1.0 } else { self.uncoded / self.coded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_pays_where_one_send_reaches_many_and_loses_where_it_does_not() {
        let all: Multicast =
            (2..=8).map(|m| format!("{m}:{m}")).collect::<Vec<_>>().join(",").parse().unwrap();
        let cost = Cost::of(8, 8000, 0.5, &all).unwrap();
        assert!((cost.coded - cost.packets).abs() < 1e-9 && (cost.packets - 1206.5).abs() < 0.1);
        assert!((cost.gain() - 3500.0 / 1206.5).abs() < 1e-3);
        let none = Cost::of(8, 8000, 0.5, &Multicast::default()).unwrap();
        assert!(none.gain() < 1.0 && none.packets == cost.packets, "packets are not all full: {none:?}");
        assert_eq!(Cost::of(8, 8000, 1.0, &all).unwrap().gain(), 1.0);
    }

    #[test]
    fn gains_that_make_no_sense_are_refused() {
        for text in ["", "2", "1:1", "2:0", "2:-1", "2:inf", "4:4,2:2", "2:2,2:3", "a:b"] {
            assert!(text.parse::<Multicast>().is_err(), "{text}");
        }
    }
}
