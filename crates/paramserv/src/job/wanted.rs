//! The policy that a job asks for: one that [`Policy`] names, or groups of workers that share a host (`hierarchical:host,8`), which
//! are known once it is known where the workers stand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use syncline_program::Executor;
use syncline_round::{Policy, Steps};

use super::open::contradiction;
use crate::Error;

/// What `--sync` was given.
///
/// ```
/// use syncline_paramserv::WantedPolicy;
///
/// let wanted: WantedPolicy = "hierarchical:host,8".parse()?;
/// let on = "sim".parse::<syncline_program::Executor>()?.network("1Gbit/1ms,hosts=worker:4".parse()?);
/// assert_eq!(wanted.policy(&on, 8)?.to_string(), "hierarchical:4,8");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WantedPolicy {
    /// This one.
    Policy(Policy),
    /// `hierarchical` in groups of those that share a host, which exchange after so many rounds.
    ByHost {
        /// Rounds between exchanges of hosts.
        period: Steps,
    },
}

impl WantedPolicy {
    /// The policy, where it does not depend on where the workers stand.
    pub fn named(self) -> Option<Policy> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::ByHost { .. } => None,
        }
    }

    /// Whether there are servers.
    pub fn has_servers(self) -> bool {
        self.named().is_some_and(|policy| policy.collective().is_none())
    }

    /// The policy of so many workers that run there.
    ///
    /// # Errors
    /// Where the workers of hosts make no groups of one size, or nobody knows before the start who shares one.
    pub fn policy(self, on: &Executor, workers: usize) -> Result<Policy, Error> {
        let period = match self {
            Self::Policy(policy) => return Ok(policy),
            Self::ByHost { period } => period,
        };
        let Some(counts) = on.on_each_host("worker", workers)? else {
            return Err(contradiction(&format!(
                "under {self} groups are the workers of a host, and who shares one is not known before `{on}` has given them room: say \
                 how many they are, as in hierarchical:4,{period}"
            )));
        };
        let remedy = format!(
            "use allreduce or local:{period}, or say how many workers a group has, as in hierarchical:2,{period}"
        );
        match &counts[..] {
            [_] => Err(contradiction(&format!(
                "under {self} hosts exchange, and all {workers} workers are on one: {remedy}"
            ))),
            [first, others @ ..] if others.iter().any(|count| count != first) => {
                let told: Vec<String> = counts.iter().map(ToString::to_string).collect();
                Err(contradiction(&format!(
                    "under {self} each host has as many workers, and of these {workers} they have {}: change --workers or what room \
                     the hosts have, or {remedy}",
                    told.join(", ")
                )))
            }
            [] | [1, ..] => Err(contradiction(&format!(
                "under {self} the workers of a host are a group, and each of the {workers} has a host of its own: {remedy}"
            ))),
            [group, ..] => Ok(format!("hierarchical:{group},{period}").parse()?),
        }
    }
}

impl From<Policy> for WantedPolicy {
    fn from(policy: Policy) -> Self {
        Self::Policy(policy)
    }
}

impl FromStr for WantedPolicy {
    type Err = syncline_round::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(of_hosts) = text.strip_prefix("hierarchical:host") else {
            return text.parse().map(Self::Policy);
        };
        let steps = match of_hosts.strip_prefix(',') {
            Some(period) => period.parse().ok(),
            None => of_hosts.is_empty().then_some(1),
        };
        match steps {
            Some(steps) => Ok(Self::ByHost { period: Steps::new(steps)? }),
            // In the words in which any other unknown policy is refused.
            None => text.parse().map(Self::Policy),
        }
    }
}

impl fmt::Display for WantedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => policy.fmt(f),
            Self::ByHost { period } if period.count().get() == 1 => f.write_str("hierarchical:host"),
            Self::ByHost { period } => write!(f, "hierarchical:host,{period}"),
        }
    }
}

/// Files name it as users do.
impl TryFrom<String> for WantedPolicy {
    type Error = syncline_round::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WantedPolicy> for String {
    fn from(wanted: WantedPolicy) -> Self {
        wanted.to_string()
    }
}
