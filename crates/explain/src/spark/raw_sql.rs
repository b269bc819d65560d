//! The JSON of Spark SQL's events, field by field as Spark names them.
//!
//! Lines of plans are long, as every node describes itself; only the names of nodes and metrics are looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::event::{Event, Plan};
use super::property::Property;
use super::raw::Text;
use super::sql::Metric;

/// Settings that are kept: those that an advice may be about.
const TOLD: [&str; 4] = ["spark.sql.adaptive.", "spark.sql.shuffle.", "spark.sql.auto", "spark.memory."];

/// Those of `settings` that are kept.
pub(super) fn told(settings: BTreeMap<Text<'_>, Property<'_>>) -> BTreeMap<String, String> {
    let told = settings.into_iter().filter(|(name, _)| TOLD.iter().any(|prefix| name.starts_with(prefix)));
    // No value of these is long in earnest.
    told.filter_map(|(name, value)| Some((name.into_owned(), value.text()?.chars().take(40).collect())))
        .collect()
}

#[derive(Deserialize)]
pub(super) struct QueryStart<'a> {
    #[serde(rename = "executionId")]
    query: i64,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, rename = "sparkPlanInfo", default)]
    plan: Option<Node<'a>>,
    #[serde(borrow, rename = "modifiedConfigs", default)]
    settings: Option<BTreeMap<Text<'a>, Property<'a>>>,
}

impl From<QueryStart<'_>> for Event {
    fn from(raw: QueryStart<'_>) -> Self {
        let metrics = metrics(raw.plan);
        let settings = told(raw.settings.unwrap_or_default());
        // A query's own text may be as long as a page; what it is called by stands at its start.
        let description = raw.description.chars().take(1000).collect();
        Self::QueryStart { query: raw.query, description, plan: Plan { metrics, settings } }
    }
}

#[derive(Deserialize)]
pub(super) struct PlanUpdate<'a> {
    #[serde(rename = "executionId")]
    query: i64,
    #[serde(borrow, rename = "sparkPlanInfo", default)]
    plan: Option<Node<'a>>,
}

impl From<PlanUpdate<'_>> for Event {
    fn from(raw: PlanUpdate<'_>) -> Self {
        let plan = Plan { metrics: metrics(raw.plan), ..Plan::default() };
        Self::PlanUpdate { query: raw.query, plan }
    }
}

#[derive(Deserialize)]
pub(super) struct QueryEnd {
    #[serde(rename = "executionId")]
    query: i64,
}

impl From<QueryEnd> for Event {
    fn from(raw: QueryEnd) -> Self {
        Self::QueryEnd { query: raw.query }
    }
}

#[derive(Deserialize)]
pub(super) struct DriverValues {
    #[serde(rename = "accumUpdates", default)]
    values: Vec<(i64, i64)>,
}

impl From<DriverValues> for Event {
    fn from(raw: DriverValues) -> Self {
        Self::DriverValues(raw.values)
    }
}

/// A node of a plan. serde_json bounds how deep they lie in each other.
#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow, rename = "nodeName", default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    children: Vec<Node<'a>>,
    #[serde(borrow, default)]
    metrics: Vec<Measured<'a>>,
}

#[derive(Deserialize)]
struct Measured<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(rename = "accumulatorId")]
    number: i64,
}

/// The metrics of a plan that are of use, by number.
fn metrics(plan: Option<Node<'_>>) -> Vec<(i64, Metric)> {
    let mut found = Vec::new();
    let mut open: Vec<Node<'_>> = plan.into_iter().collect();
    while let Some(node) = open.pop() {
        let of_use =
            node.metrics.iter().filter_map(|one| Some((one.number, Metric::of(&node.name, &one.name)?)));
        found.extend(of_use);
        open.extend(node.children);
    }
    found
}

/// What a stage's event says of scans.
#[derive(Deserialize)]
pub(super) struct Scans<'a> {
    #[serde(borrow, rename = "Stage Info")]
    info: ScanInfo<'a>,
}

#[derive(Deserialize)]
struct ScanInfo<'a> {
    #[serde(borrow, rename = "Accumulables", default)]
    accumulables: Vec<Accumulable<'a>>,
}

#[derive(Deserialize)]
struct Accumulable<'a> {
    #[serde(borrow, rename = "Name", default)]
    name: Option<Text<'a>>,
    #[serde(borrow, rename = "Value", default)]
    value: Option<Value<'a>>,
}

/// A value as Spark writes it: those of SQL metrics as texts, others as numbers or what else they are.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Number(i64),
    #[serde(borrow)]
    Text(Text<'a>),
    Other(IgnoredAny),
}

impl Scans<'_> {
    /// Time of the stage's tasks in scans, in ms.
    pub fn ms(&self) -> i64 {
        let scans = self.info.accumulables.iter().filter(|one| one.name.as_deref() == Some("scan time"));
        let value = |one: &Accumulable<'_>| match &one.value {
            Some(Value::Number(ms)) => *ms,
            Some(Value::Text(text)) => text.parse().unwrap_or(0),
            Some(Value::Other(IgnoredAny)) | None => 0,
        };
        scans.map(|one| value(one).clamp(0, 1 << 42)).sum()
    }
}
