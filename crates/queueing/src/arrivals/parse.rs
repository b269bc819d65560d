//! Arrival processes as text: `exp:0.5` (Poisson), `det:0.5` (one every 2), or any distribution of gaps as
//! `renewal:erlang:2,1`.

use std::str::FromStr;

use super::Arrivals;
use crate::{Distribution, Error, Result};

impl FromStr for Arrivals {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let rate = || {
            rest.parse::<f64>().map_err(|_| Error::Parse {
                text: text.into(),
                kind: "an arrival process",
                reason: "use exp:rate, det:rate, or renewal: and a distribution of gaps such as renewal:erlang:2,1".into(),
            })
        };
        match name {
            "exp" | "poisson" => Self::poisson(rate()?),
            "det" | "deterministic" => Self::deterministic(rate()?),
            "renewal" => Ok(Self::Renewal(rest.parse::<Distribution>()?)),
            _ => rate().and_then(Self::poisson),
        }
    }
}
