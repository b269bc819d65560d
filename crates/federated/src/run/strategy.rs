//! A strategy by name: what clients do with the model and what the server does with their answers.

use std::fmt;
use std::str::FromStr;

use crate::server::Rule;
use crate::{Error, Result};

/// A strategy, with what it takes of numbers still to come ([`Settings`](super::Settings)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// FedAvg: the weighted mean of the clients' models.
    #[default]
    Avg,
    /// FedAvgM: with momentum at the server.
    AvgM,
    /// FedAdagrad.
    Adagrad,
    /// FedAdam.
    Adam,
    /// FedYogi.
    Yogi,
    /// FedProx: FedAvg whose clients are held near the server's model.
    Prox,
    /// SCAFFOLD: control variates against drift, for twice the bytes.
    Scaffold,
    /// FedNova: changes a local step, for clients that make different numbers of them.
    Nova,
    /// FedAsync: nobody waits, every answer is mixed in as it comes.
    Async,
    /// FedBuff: nobody waits, every K answers are folded.
    Buffered,
    /// No server: each client has a model of its own, and averages it with its neighbours'.
    Gossip,
}

const NAMES: [(&str, Strategy); 11] = [
    ("avg", Strategy::Avg),
    ("avgm", Strategy::AvgM),
    ("adagrad", Strategy::Adagrad),
    ("adam", Strategy::Adam),
    ("yogi", Strategy::Yogi),
    ("prox", Strategy::Prox),
    ("scaffold", Strategy::Scaffold),
    ("nova", Strategy::Nova),
    ("async", Strategy::Async),
    ("fedbuff", Strategy::Buffered),
    ("gossip", Strategy::Gossip),
];

impl Strategy {
    /// The names a user can give.
    pub const VALID: &'static str =
        "avg, avgm, adagrad, adam, yogi, prox, scaffold, nova, async, fedbuff and gossip";

    /// Whether clients wait for each other in rounds.
    pub fn has_rounds(self) -> bool {
        !matches!(self, Self::Async | Self::Buffered)
    }

    /// Whether the server steps with a rate of its own.
    pub fn has_server_rate(self) -> bool {
        matches!(self, Self::AvgM | Self::Adagrad | Self::Adam | Self::Yogi | Self::Buffered)
    }

    /// Whether the mean change is weighted as in FedAvg, so that other folds may stand in for it.
    pub fn takes_folds(self) -> bool {
        self.has_rounds() && !matches!(self, Self::Scaffold | Self::Nova | Self::Gossip)
    }

    /// The server's step under rounds, with the rate and the momentum that were given.
    pub(super) fn rule(self, rate: Option<f64>, momentum: Option<f64>) -> Rule {
        match self {
            Self::AvgM => Rule::AvgM { rate: rate.unwrap_or(1.0), momentum: momentum.unwrap_or(0.9) },
            Self::Adagrad => Rule::adagrad(rate.unwrap_or(0.1)),
            Self::Adam => Rule::adam(rate.unwrap_or(0.1)),
            Self::Yogi => Rule::yogi(rate.unwrap_or(0.01)),
            _ => Rule::Avg,
        }
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, strategy)| *strategy).ok_or_else(|| Error::Unknown {
            what: "strategy",
            got: text.to_owned(),
            valid: Self::VALID.to_owned(),
        })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, strategy)| strategy == self);
        f.write_str(found.map_or("avg", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, strategy) in NAMES {
            assert_eq!(name.parse::<Strategy>().unwrap(), strategy);
            assert_eq!(strategy.to_string(), name);
            assert!(Strategy::VALID.contains(name));
        }
        assert!("fedavg".parse::<Strategy>().unwrap_err().to_string().contains("scaffold"));
    }
}
