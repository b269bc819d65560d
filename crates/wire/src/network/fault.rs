//! What happens to messages, by script.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use syncline_runtime::{parse_duration, write_duration};

use super::{NetworkError, Party};

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
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
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
