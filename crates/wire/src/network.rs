//! The model of a network: how long a message takes, and what may happen to it.
//!
//! Every node has a line of its own to one switch that never blocks, full duplex. A message occupies its sender's line for
//! bytes / bandwidth, travels for the latency, and occupies its receiver's line; the switch passes it on as it comes
//! (cut-through), so that a message alone on the network takes latency + bytes / bandwidth, and many senders to one
//! receiver share its line. Two nodes may have a link apart, which they share with nobody. Messages between two nodes
//! arrive in the order in which they were sent, as on a connection, whatever the jitter.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use syncline_runtime::{parse_duration, write_duration};

/// The lines of a network.
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
    pub(crate) apart: Vec<(Party, Party, LinkModel)>,
    pub(crate) hosts: Option<Hosts>,
}

/// How many nodes of a group stand on a host each: the first so many on the first, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    group: String,
    nodes: NonZeroUsize,
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
        self.hosts = Some(Hosts { group: group.into(), nodes });
        self
    }

    /// The number of the host on which the node of this name stands with others of its group; nothing where it has a line of
    /// its own.
    pub fn host(&self, node: &str) -> Option<usize> {
        let Hosts { group, nodes } = self.hosts.as_ref()?;
        let rank: usize = node.strip_prefix(group.as_str())?.strip_prefix('/')?.parse().ok()?;
        Some(rank / nodes.get())
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
    /// It is no network.
    #[error(
        "`{0}` is no network; write BANDWIDTH/LATENCY or BANDWIDTH/LATENCY/JITTER, such as `10Gbit/50us` or \
         `100Mbit/2ms/500us`, or `ideal`; with `,hosts=worker:4` behind it four workers each share a line"
    )]
    Network(String),
    /// It is no fault.
    #[error(
        "`{0}` is no fault of a network; write `drop A>B #3`, `duplicate A>B #3`, `delay A>B #3 5ms` or \
         `partition A>B 1s..2s`, where A and B are a node (worker/0), a group (worker) or *; a time range may stand for \
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
            if text == "ideal" {
                return Some(Self::ideal());
            }
            let mut parts = text.split('/');
            let bandwidth = parse_bandwidth(parts.next()?)?;
            let latency = parse_duration(parts.next()?)?;
            let jitter = parts.next().map_or(Some(Duration::ZERO), parse_duration)?;
            let line = LinkModel { bandwidth: Some(bandwidth), latency, jitter };
            parts.next().is_none().then(|| Self::of(line))
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
        match self.line.bandwidth {
            None if self.line == LinkModel::default() => f.write_str("ideal")?,
            None => write!(f, "unlimited/{}", write_duration(self.line.latency))?,
            Some(bits) => {
                let (name, unit) = UNITS.iter().find(|(_, unit)| bits >= *unit).unwrap_or(&("bit", 1.0));
                write!(f, "{}{name}/{}", bits / unit, write_duration(self.line.latency))?;
            }
        }
        if self.line.jitter > Duration::ZERO {
            write!(f, "/{}", write_duration(self.line.jitter))?;
        }
        if let Some(Hosts { group, nodes }) = &self.hosts {
            write!(f, ",hosts={group}:{nodes}")?;
        }
        if self.apart.is_empty() { Ok(()) } else { write!(f, " and {} links apart", self.apart.len()) }
    }
}

/// Nodes that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// All nodes.
    Anybody,
    /// The node of this name (`worker/0`), or all nodes of this group (`worker`).
    Named(String),
}

impl Party {
    /// Whether the node of this name belongs to it.
    pub fn holds(&self, node: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Named(name) => {
                node.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "*" => Some(Self::Anybody),
            name => Some(Self::Named(name.to_owned())),
        }
    }
}

/// Something that happens to messages from one party to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The senders.
    pub from: Party,
    /// The receivers.
    pub to: Party,
    /// To which of their messages.
    pub when: When,
    /// What happens.
    pub what: Disturbance,
}

/// Which messages a fault strikes.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Those sent in this time of the run.
    Within(Range<Duration>),
    /// The one of this number between two nodes, counted from 1, questions and answers alike.
    Message(u64),
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// It is lost for good.
    Drop,
    /// It comes twice. The receiver knows it by its number and takes it once; the line carries it twice.
    Duplicate,
    /// It takes this much longer, and what follows it waits behind it.
    Delay(Duration),
    /// It waits until the end of the time range, as a connection that sends again until it is heard; a message that was
    /// named by its number is lost.
    Partition,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("*"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.what {
            Disturbance::Drop => "drop",
            Disturbance::Duplicate => "duplicate",
            Disturbance::Delay(_) => "delay",
            Disturbance::Partition => "partition",
        };
        write!(f, "{name} {}>{} ", self.from, self.to)?;
        match &self.when {
            When::Within(range) => {
                write!(f, "{}..{}", write_duration(range.start), write_duration(range.end))?;
            }
            When::Message(number) => write!(f, "#{number}")?,
        }
        if let Disturbance::Delay(longer) = self.what {
            write!(f, " {}", write_duration(longer))
        } else {
            Ok(())
        }
    }
}

impl FromStr for Fault {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        parse_fault(text).ok_or_else(|| NetworkError::Fault(text.to_owned()))
    }
}

fn parse_fault(text: &str) -> Option<Fault> {
    let mut words = text.split_whitespace();
    let (what, between, when) = (words.next()?, words.next()?, words.next()?);
    let (from, to) = between.split_once('>')?;
    let (from, to) = (Party::parse(from)?, Party::parse(to)?);
    let when = match when.strip_prefix('#') {
        Some(number) => When::Message(number.parse().ok().filter(|number| *number > 0)?),
        None => {
            let (start, end) = when.split_once("..")?;
            let range = parse_duration(start)?..parse_duration(end)?;
            When::Within(Some(range).filter(|range| range.start < range.end)?)
        }
    };
    let what = match what {
        "drop" => Disturbance::Drop,
        "duplicate" => Disturbance::Duplicate,
        "partition" => Disturbance::Partition,
        "delay" => Disturbance::Delay(parse_duration(words.next()?)?),
        _ => return None,
    };
    words.next().is_none().then_some(Fault { from, to, when, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written_alike() {
        for text in
            ["ideal", "10Gbit/50us", "2.5Mbit/1ms/100us", "64kbit/300ms", "1Gbit/50us/10us,hosts=worker:4"]
        {
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

    #[test]
    fn faults_are_read() {
        let fault: Fault = "delay worker/1>server #3 5ms".parse().unwrap();
        assert!(fault.from.holds("worker/1") && !fault.from.holds("worker/10"));
        assert!(fault.to.holds("server/7") && !fault.to.holds("servers/7"));
        assert_eq!(
            (fault.when, fault.what),
            (When::Message(3), Disturbance::Delay(Duration::from_millis(5)))
        );
        let fault: Fault = "partition *>worker 1s..2s".parse().unwrap();
        assert_eq!(fault.when, When::Within(Duration::from_secs(1)..Duration::from_secs(2)));
        for text in [
            "",
            "drop a",
            "drop a>b",
            "drop a>b #0",
            "drop >b #1",
            "drop a>b 2s..1s",
            "delay a>b #1",
            "eat a>b #1",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
