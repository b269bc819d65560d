//! A network that is no plain switch: who shares a machine, whose line is another, and what racks share.
//!
//! As a document (TOML, JSON or a table of a job file):
//!
//! ```toml
//! line = "10Gbit/50us"                # of every node or host that is not named below
//!
//! [hosts]                             # machines: their nodes share its line, and need none among themselves
//! a = ["worker/0..4", "server"]
//! b = ["worker/4..8"]
//!
//! [lines]                             # another line, of a node, a group or a host
//! b = "1Gbit/200us"
//!
//! [uplinks.rack]                      # what all within share on their way to those outside
//! of = ["a", "b"]
//! line = "40Gbit/5us"
//!
//! [[links]]                           # a link that two parties share with nobody
//! between = ["worker/0", "observer"]
//! line = "100Mbit/20ms/1ms"
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Hosts, LinkModel, Network, NetworkError, Party};

/// A line that all of some nodes share on their way to others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Uplink {
    name: String,
    of: Vec<Member>,
    pub(crate) line: LinkModel,
}

/// Who stands behind an uplink, or whose line it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Member {
    Nodes(Party),
    /// A host, or another uplink.
    Named(String),
}

/// How a node or a host is connected.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) line: LinkModel,
    /// The uplinks behind which it stands, from the nearest one on, by their numbers.
    pub(crate) uplinks: Vec<usize>,
}

impl Network {
    /// Where the node of this name is connected, that stands on no host.
    pub(crate) fn place_of_node(&self, node: &str) -> Place {
        let lines = self.lines.iter().filter_map(|(member, line)| match member {
            Member::Nodes(party) if party.holds(node) => Some((party.closeness(), line)),
            _ => None,
        });
        let line = lines.max_by_key(|(closeness, _)| *closeness).map_or(self.line, |(_, line)| *line);
        let within = |member: &Member| matches!(member, Member::Nodes(party) if party.holds(node));
        Place { line, uplinks: self.uplinks_of(within) }
    }

    /// Where a host is connected.
    pub(crate) fn place_of_host(&self, number: usize) -> Place {
        let Some(Hosts::Named(hosts)) = &self.hosts else {
            return Place { line: self.line, uplinks: Vec::new() };
        };
        let is_it = |member: &Member| matches!(member, Member::Named(name) if *name == hosts[number].0);
        let line = self.lines.iter().find(|(member, _)| is_it(member)).map_or(self.line, |(_, line)| *line);
        Place { line, uplinks: self.uplinks_of(is_it) }
    }

    /// The uplinks behind which something stands, from the nearest one on.
    fn uplinks_of(&self, is_it: impl Fn(&Member) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        let mut next = self.uplinks.iter().position(|uplink| uplink.of.iter().any(&is_it));
        // A circle of uplinks is refused where the network is read.
        while let Some(number) = next.filter(|number| !found.contains(number)) {
            found.push(number);
            let outer =
                |member: &Member| matches!(member, Member::Named(name) if *name == self.uplinks[number].name);
            next = self.uplinks.iter().position(|uplink| uplink.of.iter().any(outer));
        }
        found
    }

    /// The hosts that have a name, and who stands on each.
    fn named_hosts(&self) -> &[(String, Vec<Party>)] {
        match &self.hosts {
            Some(Hosts::Named(hosts)) => hosts,
            Some(Hosts::Each { .. }) | None => &[],
        }
    }

    /// Everyone whom it names.
    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party> {
        let of_hosts = self.named_hosts().iter().flat_map(|(_, parties)| parties);
        let of_uplinks = self.uplinks.iter().flat_map(|uplink| &uplink.of);
        let members = of_uplinks.chain(self.lines.iter().map(|(member, _)| member));
        let named = members.filter_map(|member| match member {
            Member::Nodes(party) => Some(party),
            Member::Named(_) => None,
        });
        of_hosts.chain(named).chain(self.apart.iter().flat_map(|(one, other, _)| [one, other]))
    }

    /// Whether it can be written in one line of text.
    fn is_plain(&self) -> bool {
        let has_names = matches!(self.hosts, Some(Hosts::Named(_)));
        self.lines.is_empty() && self.uplinks.is_empty() && self.apart.is_empty() && !has_names
    }
}

/// The document.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<LinkModel>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<String, Vec<Party>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lines: BTreeMap<String, LinkModel>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    uplinks: BTreeMap<String, DocumentUplink>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<DocumentLink>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DocumentUplink {
    of: Vec<String>,
    line: LinkModel,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DocumentLink {
    between: (Party, Party),
    line: LinkModel,
}

impl Document {
    fn read(self) -> Result<Network, NetworkError> {
        let Self { line, hosts, lines, uplinks, links } = self;
        let says = |text: String| NetworkError::Topology(text);
        if let Some(name) = uplinks.keys().find(|name| hosts.contains_key(*name)) {
            return Err(says(format!("`{name}` is a host and an uplink: give one of them another name")));
        }
        let member = |name: &str| match name {
            name if hosts.contains_key(name) || uplinks.contains_key(name) => {
                Ok(Member::Named(name.to_owned()))
            }
            name => name.parse().map(Member::Nodes),
        };
        let mut all_lines = Vec::new();
        for (name, line) in lines {
            if uplinks.contains_key(&name) {
                return Err(says(format!(
                    "the line of the uplink `{name}` stands in [uplinks.{name}], not in [lines]"
                )));
            }
            all_lines.push((member(&name)?, line));
        }
        let mut all_uplinks = Vec::new();
        for (name, uplink) in &uplinks {
            let of = uplink.of.iter().map(|name| member(name)).collect::<Result<Vec<_>, _>>()?;
            if of.is_empty() {
                return Err(says(format!(
                    "nobody stands behind the uplink `{name}`: give `of` nodes, groups or hosts"
                )));
            }
            all_uplinks.push(Uplink { name: name.clone(), of, line: uplink.line });
        }
        let hosts: Vec<_> = hosts.into_iter().collect();
        let network = Network {
            line: line.unwrap_or_default(),
            lines: all_lines,
            apart: links.into_iter().map(|link| (link.between.0, link.between.1, link.line)).collect(),
            hosts: (!hosts.is_empty()).then_some(Hosts::Named(hosts)),
            uplinks: all_uplinks,
        };
        if line.is_none() && network == Network::default() {
            return Err(says(
                "it says nothing of a network: give line, hosts, lines, uplinks or links".to_owned(),
            ));
        }
        network.check()?;
        Ok(network)
    }
}

impl Network {
    /// What is said twice, or of those who have no line of their own, has no effect that anybody could mean.
    fn check(&self) -> Result<(), NetworkError> {
        let says = |text: String| Err(NetworkError::Topology(text));
        let hosts = self.named_hosts();
        let housed: Vec<_> =
            hosts.iter().flat_map(|(host, parties)| parties.iter().map(move |party| (host, party))).collect();
        for (at, (host, party)) in housed.iter().enumerate() {
            if let Some((other, _)) = housed[..at].iter().find(|(_, earlier)| earlier.meets(party)) {
                return says(format!(
                    "`{party}` of host `{host}` stands on host `{other}` as well: name each node once"
                ));
            }
        }
        let on_host =
            |party: &Party| housed.iter().find(|(_, housed)| housed.meets(party)).map(|(host, _)| host);
        for (member, _) in &self.lines {
            // A group may have some on hosts and others not.
            if let Member::Nodes(party) = member
                && party.closeness() > 1
                && let Some(host) = on_host(party)
            {
                return says(format!(
                    "[lines] `{party}` has no line of its own, for it stands on host `{host}`: name that"
                ));
            }
        }
        let behind: Vec<_> =
            self.uplinks.iter().flat_map(|uplink| uplink.of.iter().map(move |of| (uplink, of))).collect();
        for (at, (uplink, member)) in behind.iter().enumerate() {
            if let Member::Nodes(party) = member
                && let Some(host) = on_host(party)
            {
                return says(format!(
                    "`{party}` behind the uplink `{}` stands on host `{host}`: name the host there",
                    uplink.name
                ));
            }
            let is_same = |other: &Member| match (member, other) {
                (Member::Nodes(one), Member::Nodes(other)) => one.meets(other),
                (one, other) => *one == other,
            };
            if let Some((other, _)) = behind[..at].iter().find(|(_, earlier)| is_same(earlier)) {
                return says(format!(
                    "`{member}` stands behind the uplinks `{}` and `{}`: an uplink may stand behind another, but \
                     nobody behind two at once",
                    other.name, uplink.name
                ));
            }
        }
        for uplink in &self.uplinks {
            let mut at = uplink;
            for _ in &self.uplinks {
                let outer = |outer: &&Uplink| outer.of.contains(&Member::Named(at.name.clone()));
                let Some(next) = self.uplinks.iter().find(outer) else { break };
                if next == uplink {
                    return says(format!("the uplink `{}` stands behind itself", uplink.name));
                }
                at = next;
            }
        }
        Ok(())
    }

    fn document(&self) -> Option<Document> {
        let hosts = match &self.hosts {
            Some(Hosts::Named(hosts)) => hosts.iter().cloned().collect(),
            Some(Hosts::Each { .. }) => return None,
            None => BTreeMap::new(),
        };
        let uplink = |uplink: &Uplink| {
            let of = uplink.of.iter().map(ToString::to_string).collect();
            (uplink.name.clone(), DocumentUplink { of, line: uplink.line })
        };
        let link = |(one, other, line): &(Party, Party, LinkModel)| DocumentLink {
            between: (one.clone(), other.clone()),
            line: *line,
        };
        Some(Document {
            line: Some(self.line),
            hosts,
            lines: self.lines.iter().map(|(member, line)| (member.to_string(), *line)).collect(),
            uplinks: self.uplinks.iter().map(uplink).collect(),
            links: self.apart.iter().map(link).collect(),
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(party) => write!(f, "{party}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// A plain network is a text, any other a document.
impl Serialize for Network {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        if self.is_plain() {
            return into.collect_str(self);
        }
        let document = self.document();
        document
            .ok_or_else(|| S::Error::custom("hosts by number and links apart cannot be written together"))?
            .serialize(into)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextOrDocument;

        impl<'de> Visitor<'de> for TextOrDocument {
            type Value = Network;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a network as a text such as \"10Gbit/50us\", or a table with line, hosts, lines, uplinks, links")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Network, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Network, A::Error> {
                Document::deserialize(MapAccessDeserializer::new(map))?.read().map_err(A::Error::custom)
            }
        }

        from.deserialize_any(TextOrDocument)
    }
}

/// What is a text in documents, too.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
                into.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

as_text!(LinkModel, Party);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Network, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    const RACKS: &str = r#"{
        "line": "10Gbit/50us",
        "hosts": {"a": ["worker/0..4", "server"], "b": ["worker/4..8"]},
        "lines": {"b": "1Gbit/200us", "observer": "1Mbit/1ms", "observer/1": "2Mbit/1ms"},
        "uplinks": {"rack": {"of": ["a", "b"], "line": "40Gbit/5us"}, "hall": {"of": ["rack", "store"], "line": "ideal"}},
        "links": [{"between": ["observer/0", "store"], "line": "100Mbit/20ms/1ms"}]
    }"#;

    #[test]
    fn every_node_is_where_the_document_says() {
        let network = read(RACKS).unwrap();
        let hosts =
            ["worker/3", "worker/4", "server/1", "worker/8", "observer/0"].map(|node| network.host(node));
        assert_eq!(hosts, [Some(0), Some(1), Some(0), None, None]);
        let (a, b) = (network.place_of_host(0), network.place_of_host(1));
        assert_eq!((a.line.to_string(), b.line.to_string()), ("10Gbit/50us".into(), "1Gbit/200us".into()));
        // Uplinks are numbered in the order of their names: the hall, and the rack within it.
        assert_eq!((a.uplinks, b.uplinks), (vec![1, 0], vec![1, 0]));
        let [first, second, store] =
            ["observer/0", "observer/1", "store"].map(|node| network.place_of_node(node));
        assert_eq!((first.line.bandwidth, second.line.bandwidth), (Some(1e6), Some(2e6)));
        assert_eq!((first.uplinks, store.uplinks), (vec![], vec![0]));
        // And it is written as it was read.
        let again = serde_json::to_string(&network).unwrap();
        assert_eq!(read(&again).unwrap(), network);
        assert_eq!(
            serde_json::to_string(&read(r#""1Gbit/50us,hosts=worker:2""#).unwrap()).unwrap(),
            r#""1Gbit/50us,hosts=worker:2""#
        );
    }

    #[test]
    fn what_contradicts_itself_or_has_no_effect_is_refused_with_the_names() {
        for (json, said) in [
            (r#"{"line": "10Gbit"}"#, "`10Gbit` is no line"),
            (r#"{"lin": "10Gbit/50us"}"#, "unknown field `lin`"),
            (r#"{"hosts": {"a": ["worker/x"]}}"#, "worker/x"),
            (
                r#"{"hosts": {"a": ["worker/0..4"], "b": ["worker/3"]}}"#,
                "`worker/3` of host `b` stands on host `a` as well",
            ),
            (
                r#"{"hosts": {"a": ["worker/0..4"]}, "lines": {"worker/1": "1bit/1s"}}"#,
                "stands on host `a`: name that",
            ),
            (
                r#"{"hosts": {"a": ["worker"]}, "uplinks": {"up": {"of": ["worker/1"], "line": "1bit/1s"}}}"#,
                "name the host there",
            ),
            (r#"{"uplinks": {"up": {"of": [], "line": "1bit/1s"}}}"#, "nobody stands behind"),
            (
                r#"{"hosts": {"a": ["b"]}, "uplinks": {"a": {"of": ["c"], "line": "1bit/1s"}}}"#,
                "a host and an uplink",
            ),
            (
                r#"{"uplinks": {"u": {"of": ["a"], "line": "1bit/1s"}, "v": {"of": ["a"], "line": "1bit/1s"}}}"#,
                "`u` and `v`",
            ),
            (
                r#"{"uplinks": {"u": {"of": ["v"], "line": "1bit/1s"}, "v": {"of": ["u"], "line": "1bit/1s"}}}"#,
                "behind itself",
            ),
            (
                r#"{"uplinks": {"u": {"of": ["a"], "line": "1bit/1s"}}, "lines": {"u": "1bit/1s"}}"#,
                "[uplinks.u]",
            ),
            ("{}", "it says nothing of a network"),
            ("3", "a network as a text"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
    }
}
