//! What Spark SQL measures of its plans beyond what tasks measure of themselves.
//!
//! A query's plan names its metrics by the numbers of accumulators; the driver tells their values in events of their own (broadcasts,
//! adaptive reads, files), stages tell those of their tasks. The plan is told again whenever adaptive execution changes it. Numbers are
//! forgotten with the end of their query, so memory follows the queries that are open.

use std::collections::BTreeMap;

/// A metric of a plan that the driver measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Bytes of what is broadcast.
    BroadcastBytes,
    /// Time to collect, build and send it, in ms.
    BroadcastMs,
    /// Partitions that an adaptive read joined with others.
    Coalesced,
    /// Partitions that an adaptive read split, because they were skewed.
    Split,
    /// Files that a scan reads.
    Files,
    /// Their size in bytes.
    FileBytes,
}

impl Metric {
    /// The metric of this name at a node of the plan.
    pub fn of(node: &str, metric: &str) -> Option<Self> {
        let is_broadcast = node.starts_with("BroadcastExchange");
        let is_adaptive = node.starts_with("AQEShuffleRead") || node.starts_with("CustomShuffleReader");
        match metric {
            "data size" if is_broadcast => Some(Self::BroadcastBytes),
            "time to collect" | "time to build" | "time to broadcast" if is_broadcast => {
                Some(Self::BroadcastMs)
            }
            "number of coalesced partitions" if is_adaptive => Some(Self::Coalesced),
            "number of skewed partitions" if is_adaptive => Some(Self::Split),
            "number of files read" => Some(Self::Files),
            "size of files read" => Some(Self::FileBytes),
            _ => None,
        }
    }
}

/// What the driver measured for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqlFacts {
    /// Bytes of the largest table that was broadcast.
    pub broadcast_bytes: i64,
    /// Time in which tables were collected, built and sent, in ms; that of several may have overlapped.
    pub broadcast_ms: i64,
    /// Partitions that adaptive execution made of smaller ones.
    pub coalesced: i64,
    /// Skewed partitions that adaptive execution split.
    pub split: i64,
    /// Files that were read.
    pub files: i64,
    /// Their bytes.
    pub file_bytes: i64,
}

/// A run's queries, as far as the driver measures them.
#[derive(Clone, Debug, Default)]
pub struct Sql {
    /// By the number of the query; of very many the first.
    pub facts: BTreeMap<i64, SqlFacts>,
    metrics: BTreeMap<i64, (i64, Metric)>,
}

/// Queries whose facts are kept, and numbers of metrics of queries that are open.
const QUERIES: usize = 100_000;
const METRICS: usize = 1 << 20;

impl Sql {
    /// Learns which metrics a query's plan has.
    pub(super) fn plan(&mut self, query: i64, metrics: Vec<(i64, Metric)>) {
        for (number, metric) in metrics {
            if self.metrics.len() < METRICS {
                self.metrics.insert(number, (query, metric));
            }
        }
    }

    /// Takes values that the driver tells.
    pub(super) fn values(&mut self, values: &[(i64, i64)]) {
        for &(number, value) in values {
            let Some(&(query, metric)) = self.metrics.get(&number) else { continue };
            if self.facts.len() >= QUERIES && !self.facts.contains_key(&query) {
                continue;
            }
            let facts = self.facts.entry(query).or_default();
            let value = value.clamp(0, 1 << 50);
            match metric {
                Metric::BroadcastBytes => facts.broadcast_bytes = facts.broadcast_bytes.max(value),
                Metric::BroadcastMs => facts.broadcast_ms += value.min(1 << 42),
                Metric::Coalesced => facts.coalesced += value,
                Metric::Split => facts.split += value,
                Metric::Files => facts.files += value,
                Metric::FileBytes => facts.file_bytes = facts.file_bytes.saturating_add(value),
            }
        }
    }

    /// Forgets the numbers of a query that ended.
    pub(super) fn end(&mut self, query: i64) {
        self.metrics.retain(|_, of| of.0 != query);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_query_by_number_and_are_forgotten_with_it() {
        let mut sql = Sql::default();
        sql.plan(3, vec![(10, Metric::BroadcastBytes), (11, Metric::BroadcastMs), (12, Metric::BroadcastMs)]);
        sql.values(&[(10, 500), (11, 30), (12, 12), (99, 7)]);
        sql.end(3);
        sql.values(&[(11, 1000)]);
        let facts = sql.facts[&3];
        assert_eq!((facts.broadcast_bytes, facts.broadcast_ms), (500, 42));
        assert_eq!(sql.facts.len(), 1);
    }

    #[test]
    fn the_node_decides_what_a_name_means() {
        assert_eq!(Metric::of("BroadcastExchange", "data size"), Some(Metric::BroadcastBytes));
        assert_eq!(Metric::of("Exchange", "data size"), None);
        assert_eq!(Metric::of("Scan parquet ", "number of files read"), Some(Metric::Files));
    }
}
