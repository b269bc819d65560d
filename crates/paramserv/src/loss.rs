//! What happens when a worker is lost: killed, failed, or silent for too long.

use std::{fmt, str::FromStr, time::Duration};

use syncline_program::OnFailure;

use crate::Error;

/// How often the nodes of a group are started again in one run: who fails more often has another reason than chance.
const RESTARTS: u32 = 16;

/// The wait before the first restart; each further one waits twice as long, up to a minute.
const BACKOFF: Duration = Duration::from_millis(100);

/// What happens when a worker is lost.
///
/// With the last two a server that is lost comes back as well, where it is a process of its own or simulated: it is started
/// again, and all go back to the last checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWorkerLoss {
    /// The run ends with an error.
    #[default]
    Stop,
    /// The worker is started again and does its rounds from the one that it was at.
    Restart,
    /// Another worker does its rounds as well, from the one that it was at.
    Redistribute,
}

impl OnWorkerLoss {
    /// The names a user can give.
    pub const VALID: &'static str = "stop, restart and redistribute";

    /// Whether the run goes on after a loss.
    pub(crate) fn goes_on(self) -> bool {
        self != Self::Stop
    }

    /// What it is for the group of workers.
    pub(crate) fn of_workers(self) -> OnFailure {
        match self {
            Self::Stop => OnFailure::Stop,
            Self::Restart => RESTART,
            Self::Redistribute => OnFailure::GoOn,
        }
    }

    /// What it is for the group of servers, which are lost apart from the launching process or with it.
    pub(crate) fn of_servers(self, apart: bool) -> OnFailure {
        if self.goes_on() && apart { RESTART } else { OnFailure::Stop }
    }
}

const RESTART: OnFailure = OnFailure::Restart { times: RESTARTS, backoff: BACKOFF };

impl FromStr for OnWorkerLoss {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "stop" => Ok(Self::Stop),
            "restart" => Ok(Self::Restart),
            "redistribute" => Ok(Self::Redistribute),
            _ => Err(Error::Option {
                what: "on-worker-loss",
                got: text.to_owned(),
                valid: Self::VALID.to_owned(),
            }),
        }
    }
}

impl fmt::Display for OnWorkerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Redistribute => "redistribute",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["stop", "restart", "redistribute"] {
            assert_eq!(text.parse::<OnWorkerLoss>().unwrap().to_string(), text);
        }
        assert!("ignore".parse::<OnWorkerLoss>().unwrap_err().to_string().contains("redistribute"));
    }
}
