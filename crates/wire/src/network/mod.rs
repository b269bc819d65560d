//! The model of a network: how long a message takes, and what may happen to it.
//!
//! Every node has a line of its own to one switch that never blocks, full duplex. A message occupies its sender's line for
//! bytes / bandwidth, travels for the latency, and occupies its receiver's line; the switch passes it on as it comes
//! (cut-through), so that a message alone on the network takes latency + bytes / bandwidth of the narrowest line, and many
//! senders to one receiver share its line. Where two lines differ, the latency is their mean. Nodes may stand on a host, whose
//! line they share, and hosts and nodes behind an uplink, which all of them share on their way to others and which adds its
//! own latency. Two nodes may have a link apart, which they share with nobody. Messages between two nodes
//! arrive in the order in which they were sent, as on a connection, whatever the jitter.

mod fault;
mod line;
mod party;
mod topology;

pub use fault::{Disturbance, Fault, When};
pub(crate) use line::{Line, Passing};
pub use party::Party;
pub(crate) use topology::Place;

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use syncline_runtime::{parse_duration, write_duration};

/// The lines of a network: a text, or with serde a document as well, which knows hosts, uplinks and links by name (the chapter on
/// virtual time has an example).
///
/// ```
/// use syncline_wire::Network;
/// let network: Network = "10Gbit/50us".parse()?;
/// assert_eq!(network.to_string(), "10Gbit/50us");
/// # Ok::<(), syncline_wire::NetworkError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    pub(crate) line: LinkModel,
    /// Lines of some that are not like those of the others.
    lines: Vec<(topology::Member, LinkModel)>,
    pub(crate) apart: Vec<(Party, Party, LinkModel)>,
    hosts: Option<Hosts>,
    pub(crate) uplinks: Vec<topology::Uplink>,
}

/// Who stands on which host.
#[derive(Clone, Debug, PartialEq)]
enum Hosts {
    /// So many nodes of a group on each: the first so many on the first, and so on.
    Each { group: String, nodes: NonZeroUsize },
    /// By the hosts' names.
    Named(Vec<(String, Vec<Party>)>),
}

/// A line or a link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkModel {
    /// Bits a second, each way; `None` for a line without a limit.
    pub bandwidth: Option<f64>,
    /// From one node to another.
    pub latency: Duration,
    /// Mean of what is added to the latency of each message, exponentially distributed.
    pub jitter: Duration,
}

impl Network {
    /// A network in which messages take no time.
    pub fn ideal() -> Self {
        Self::default()
    }

    /// A network in which every node has this line.
    pub fn of(line: LinkModel) -> Self {
        Self { line, ..Self::default() }
    }

    /// Puts so many nodes of a group on each host, whose line they share.
    ///
    /// ```
    /// use syncline_wire::Network;
    /// let network: Network = "100Mbit/1ms,hosts=worker:4".parse()?;
    /// let hosts = ["worker/3", "worker/4", "server/0"].map(|node| network.host(node));
    /// assert_eq!(hosts, [Some(0), Some(1), None]);
    /// # Ok::<(), syncline_wire::NetworkError>(())
    /// ```
    #[must_use]
    pub fn hosting(mut self, group: impl Into<String>, nodes: NonZeroUsize) -> Self {
        self.hosts = Some(Hosts::Each { group: group.into(), nodes });
        self
    }

    /// The number of the host on which the node of this name stands with others of its group; nothing where it has a line of
    /// its own.
    pub fn host(&self, node: &str) -> Option<usize> {
        match self.hosts.as_ref()? {
            Hosts::Each { group, nodes } => {
                let rank: usize = node.strip_prefix(group.as_str())?.strip_prefix('/')?.parse().ok()?;
                Some(rank / nodes.get())
            }
            Hosts::Named(hosts) => {
                hosts.iter().position(|(_, parties)| parties.iter().any(|party| party.holds(node)))
            }
        }
    }

    /// Gives two parties a link of their own, both ways.
    #[must_use]
    pub fn between(mut self, one: Party, other: Party, link: LinkModel) -> Self {
        self.apart.push((one, other, link));
        self
    }
}

impl LinkModel {
    /// How long `bytes` occupy it.
    pub(crate) fn occupied(&self, bytes: usize) -> Duration {
        let seconds = self.bandwidth.map_or(0.0, |bandwidth| 8.0 * bytes as f64 / bandwidth);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// What is wrong with a text about a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It is no line.
    #[error(
        "`{0}` is no line; write BANDWIDTH/LATENCY or BANDWIDTH/LATENCY/JITTER, such as `10Gbit/50us` or \
         `unlimited/2ms/500us`, or `ideal`"
    )]
    Line(String),
    /// It is nobody.
    #[error(
        "`{0}` is no node; write a node (worker/0), some of a group (worker/0..4, the first four), a group (worker) or *"
    )]
    Party(String),
    /// Parts of a network do not fit together.
    #[error("{0}")]
    Topology(String),
    /// It is no network.
    #[error(
        "`{0}` is no network; write BANDWIDTH/LATENCY or BANDWIDTH/LATENCY/JITTER, such as `10Gbit/50us` or \
         `100Mbit/2ms/500us`, or `ideal`; with `,hosts=worker:4` behind it four workers each share a line"
    )]
    Network(String),
    /// It is no fault.
    #[error(
        "`{0}` is no fault of a network; write `drop A>B #3`, `duplicate A>B #3`, `delay A>B #3 5ms` or \
         `partition A>B 1s..2s`, where A and B are a node (worker/0), some of a group (worker/0..4), a group (worker) or *; a time range may stand for \
         the message's number"
    )]
    Fault(String),
}

const UNITS: [(&str, f64); 4] = [("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parse = || {
            if let Some((network, hosts)) = text.split_once(",hosts=") {
                let (group, nodes) = hosts.split_once(':')?;
                let network = network.parse::<Self>().ok().filter(|network| network.hosts.is_none())?;
                return (!group.is_empty()).then_some(network.hosting(group, nodes.parse().ok()?));
            }
            text.parse().ok().map(Self::of)
        };
        parse().ok_or_else(|| NetworkError::Network(text.to_owned()))
    }
}

fn parse_bandwidth(text: &str) -> Option<f64> {
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let bits = number.parse::<f64>().ok()? * unit;
    (bits.is_finite() && bits >= 1.0).then_some(bits)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)?;
        match &self.hosts {
            Some(Hosts::Each { group, nodes }) => write!(f, ",hosts={group}:{nodes}")?,
            Some(Hosts::Named(hosts)) => write!(f, ", {} hosts", hosts.len())?,
            None => {}
        }
        let others = [
            (self.lines.len(), "other lines"),
            (self.uplinks.len(), "uplinks"),
            (self.apart.len(), "links apart"),
        ];
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

impl FromStr for LinkModel {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parse = || {
            if text == "ideal" {
                return Some(Self::default());
            }
            let mut parts = text.split('/');
            let bandwidth = match parts.next()? {
                "unlimited" => None,
                bandwidth => Some(parse_bandwidth(bandwidth)?),
            };
            let latency = parse_duration(parts.next()?)?;
            let jitter = parts.next().map_or(Some(Duration::ZERO), parse_duration)?;
            parts.next().is_none().then_some(Self { bandwidth, latency, jitter })
        };
        parse().ok_or_else(|| NetworkError::Line(text.to_owned()))
    }
}

impl fmt::Display for LinkModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bandwidth {
            None if *self == Self::default() => return f.write_str("ideal"),
            None => f.write_str("unlimited")?,
            Some(bits) => {
                let (name, unit) = UNITS.iter().find(|(_, unit)| bits >= *unit).unwrap_or(&("bit", 1.0));
                write!(f, "{}{name}", bits / unit)?;
            }
        }
        write!(f, "/{}", write_duration(self.latency))?;
        if self.jitter > Duration::ZERO {
            write!(f, "/{}", write_duration(self.jitter))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written_alike() {
        for text in [
            "ideal",
            "10Gbit/50us",
            "2.5Mbit/1ms/100us",
            "64kbit/300ms",
            "unlimited/2ms",
            "1Gbit/50us/10us,hosts=worker:4",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10Gbit",
            "10/50us",
            "10Gbit/50",
            "0Gbit/1us",
            "NaNbit/1us",
            "1Gbit/1us/1us/1us",
            "-1Gbit/1us",
            "1Gbit/1us,hosts=worker",
            "1Gbit/1us,hosts=worker:0",
            "1Gbit/1us,hosts=:2",
            "1Gbit/1us,hosts=worker:2,hosts=worker:2",
        ] {
            assert!(text.parse::<Network>().unwrap_err().to_string().contains("10Gbit/50us"), "{text}");
        }
    }

    #[test]
    fn a_megabyte_takes_its_time() {
        let network: Network = "8Mbit/1ms".parse().unwrap();
        assert_eq!(network.line.occupied(1_000_000), Duration::from_secs(1));
        assert_eq!(LinkModel::default().occupied(usize::MAX), Duration::ZERO);
    }
}
