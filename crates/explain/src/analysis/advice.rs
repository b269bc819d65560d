//! What would help, where the log has the evidence: what spilled, which partition was skewed, how long broadcasts took, where
//! partitions were too small or too few; each with what it cost at most and the setting that governs it.
//!
//! Nothing here is a rule of thumb about configurations: a setting is named only beside what was measured of its effect. The bounds are
//! Spark's own where it has them (a skewed partition is five times the median, `skewedPartitionFactor`).

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_terminal::unit::{bytes, count, milliseconds};

use super::numbers::median;
use crate::spark::{Application, Stage, Task, Window};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceKind {
    /// Tasks put data on the disk, because memory did not hold it.
    Spill,
    /// One partition of a shuffle is much larger than the others.
    SkewedPartition,
    /// A table was collected at the driver and sent to all executors.
    Broadcast,
    /// Tasks spend more on being tasks than on work.
    SmallTasks,
    /// Adaptive execution joined partitions until there were fewer than cores.
    CoalescedTooFar,
    /// Input lies in many small files.
    SmallFiles,
}

impl AdviceKind {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Spill => "spilling",
            Self::SkewedPartition => "a skewed partition",
            Self::Broadcast => "broadcasting tables",
            Self::SmallTasks => "tasks that are too small",
            Self::CoalescedTooFar => "fewer partitions than cores",
            Self::SmallFiles => "small files",
        }
    }
}

/// One thing that would help.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// What is wrong.
    pub kind: AdviceKind,
    /// The stage, or the query.
    pub place: String,
    /// What it costs at most: a share of the core time, of the wall time for broadcasts and skewed partitions.
    pub share: f64,
    /// What was measured, in words.
    pub evidence: String,
    /// The settings that govern it.
    pub settings: Vec<String>,
}

/// What costs less than this share is not worth an advice.
const WORTH: f64 = 0.01;

/// Advices of one kind that are kept.
const KEPT: usize = 3;

/// Places of one kind that are told apart while the log streams by.
const PLACES: usize = 4096;

/// A partition is skewed if it has so many times the bytes of the median one (Spark's `skewedPartitionFactor`).
const SKEWED: f64 = 5.0;

/// Files smaller than this on average are small: Spark counts opening one as so many bytes (`openCostInBytes`).
const SMALL_FILE: f64 = (4 << 20) as f64;

/// What one place showed.
#[derive(Clone, Copy, Debug, Default)]
struct Finding {
    /// What it costs, in ms: of cores, or of the wall where the kind says so.
    ms: f64,
    times: u64,
    tasks: u64,
    bytes: i64,
    /// Of the largest: how many times the median.
    factor: f64,
    /// Median run time of its tasks in ms.
    run_ms: f64,
    /// Whether its tasks read a shuffle.
    reads_shuffle: bool,
}

/// Collects evidence window by window.
#[derive(Debug, Default)]
pub(crate) struct AdviceSums {
    found: BTreeMap<(AdviceKind, String), Finding>,
    /// Core time in scans of files, in ms.
    scan_ms: f64,
}

impl AdviceSums {
    /// Takes the next window.
    pub fn take(&mut self, application: &Application, window: &Window) {
        let cores = application.most_slots().max(1);
        for stage in &window.stages {
            self.scan_ms += stage.scan_ms as f64;
            self.spill(stage);
            let query = stage.job.and_then(|at| window.jobs[at].sql_execution);
            if let Some(query) = query {
                self.skew(stage);
                self.small(stage, cores);
                self.coalesced(stage, cores, application, query);
            }
        }
    }

    /// The entry of a place, if there is still room for another one.
    fn at(&mut self, kind: AdviceKind, stage: &Stage) -> Option<&mut Finding> {
        let key = (kind, stage.name.clone());
        if self.found.len() >= PLACES && !self.found.contains_key(&key) {
            return None;
        }
        Some(self.found.entry(key).or_default())
    }

    fn spill(&mut self, stage: &Stage) {
        let spilled = |task: &&Task| task.metrics.is_some_and(|metrics| metrics.spilled > 0);
        let tasks: Vec<&Task> = stage.tasks.iter().filter(spilled).collect();
        if tasks.is_empty() {
            return;
        }
        let reads = reads_shuffle(stage);
        let Some(found) = self.at(AdviceKind::Spill, stage) else { return };
        found.times += 1;
        found.tasks += tasks.len() as u64;
        found.ms += tasks.iter().map(|task| task.duration() as f64).sum::<f64>();
        let bytes = tasks.iter().filter_map(|task| task.metrics).map(|metrics| metrics.spilled);
        found.bytes = found.bytes.saturating_add(bytes.sum());
        found.reads_shuffle |= reads;
    }

    /// A skewed partition costs what its task goes on after all others have ended.
    fn skew(&mut self, stage: &Stage) {
        let tasks: Vec<&Task> = stage.tasks.iter().filter(|task| task.succeeded).collect();
        if tasks.len() < 3 || !reads_shuffle(stage) {
            return;
        }
        let sizes: Vec<f64> = tasks.iter().map(|task| task.shuffle_bytes() as f64).collect();
        let Some(largest) = tasks.iter().max_by_key(|task| task.shuffle_bytes()) else { return };
        let factor = largest.shuffle_bytes() as f64 / median(&sizes).max(1.0);
        let others = tasks.iter().filter(|task| task.index != largest.index);
        let after = others.map(|task| task.finished).max().unwrap_or(largest.finished).max(largest.launched);
        if factor < SKEWED || largest.finished <= after {
            return;
        }
        let (ms, bytes) = ((largest.finished - after) as f64, largest.shuffle_bytes());
        let Some(found) = self.at(AdviceKind::SkewedPartition, stage) else { return };
        found.times += 1;
        found.ms += ms;
        found.factor = found.factor.max(factor);
        found.bytes = found.bytes.max(bytes);
    }

    /// Tasks are too small where they cost more than they work, and there are several for every core.
    fn small(&mut self, stage: &Stage, cores: u64) {
        let counted = stage.tasks.iter().filter(|task| task.metrics.is_some());
        let (duration, run): (f64, f64) = counted
            .clone()
            .fold((0.0, 0.0), |sums, task| (sums.0 + task.duration() as f64, sums.1 + task.run() as f64));
        if (stage.tasks.len() as u64) < 4 * cores || duration - run < run {
            return;
        }
        let runs: Vec<f64> = counted.map(|task| task.run() as f64).collect();
        let (tasks, reads) = (stage.tasks.len() as u64, reads_shuffle(stage));
        let Some(found) = self.at(AdviceKind::SmallTasks, stage) else { return };
        found.times += 1;
        found.tasks += tasks;
        found.ms += duration - run;
        found.run_ms = median(&runs);
        found.reads_shuffle = reads;
    }

    fn coalesced(&mut self, stage: &Stage, cores: u64, application: &Application, query: i64) {
        let joined = application.sql.facts.get(&query).map_or(0, |facts| facts.coalesced);
        let tasks = u64::from(stage.planned_tasks);
        let ends = stage.first_launch().zip(stage.last_finish());
        // One task alone is what the plan asks for: a sort for a limit, a total.
        let (Some((from, to)), 2..) = (ends, tasks) else { return };
        if joined == 0 || tasks >= cores || !reads_shuffle(stage) {
            return;
        }
        let Some(found) = self.at(AdviceKind::CoalescedTooFar, stage) else { return };
        found.times += 1;
        found.tasks = tasks;
        found.ms += (to - from) as f64 * (cores - tasks) as f64;
    }

    /// What would help, most first. `core_ms` is all core time of the run.
    pub fn finish(self, application: &Application, core_ms: f64) -> Vec<Advice> {
        let wall_ms = (application.end() - application.start()).max(1) as f64;
        let settings = Settings(&application.properties.settings);
        let mut all: Vec<Advice> = Vec::new();
        for ((kind, place), found) in self.found {
            let whole = if kind == AdviceKind::SkewedPartition { wall_ms } else { core_ms };
            let share = (found.ms / whole.max(1.0)).min(1.0);
            let (evidence, settings) = tell(kind, &found, &settings, application);
            all.push(Advice { kind, place, share, evidence, settings });
        }
        all.extend(broadcast(application, wall_ms));
        all.extend(small_files(application, self.scan_ms, core_ms));
        all.retain(|advice| advice.share >= WORTH);
        all.sort_by(|a, b| b.share.total_cmp(&a.share));
        let mut kept: BTreeMap<AdviceKind, usize> = BTreeMap::new();
        all.retain(|advice| {
            let count = kept.entry(advice.kind).or_default();
            *count += 1;
            *count <= KEPT
        });
        all
    }
}

fn reads_shuffle(stage: &Stage) -> bool {
    stage.tasks.iter().any(|task| task.shuffle_bytes() > 0)
}

/// The settings that were made.
struct Settings<'a>(&'a BTreeMap<String, String>);

impl Settings<'_> {
    fn is_off(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    /// A setting as it is named in an advice: with its value, where it was set.
    fn named(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(value) => format!("{name} (now {value})"),
            None => name.to_owned(),
        }
    }
}

const ADAPTIVE: &str = "spark.sql.adaptive.enabled";
const COALESCE: &str = "spark.sql.adaptive.coalescePartitions.enabled";
const ADVISORY: &str = "spark.sql.adaptive.advisoryPartitionSizeInBytes";
const PARTITIONS: &str = "spark.sql.shuffle.partitions";

/// What was measured at a place, in words, and the settings that govern it.
fn tell(
    kind: AdviceKind,
    found: &Finding,
    settings: &Settings<'_>,
    application: &Application,
) -> (String, Vec<String>) {
    let Finding { times, tasks, factor, .. } = *found;
    let size = bytes(found.bytes.max(0) as f64);
    let is_adaptive = !settings.is_off(ADAPTIVE);
    match kind {
        AdviceKind::Spill => {
            let joins = application.sql.facts.values().any(|facts| facts.coalesced > 0);
            let smaller = match () {
                () if !found.reads_shuffle => "the number of partitions of its input".to_owned(),
                () if is_adaptive && joins => settings.named(ADVISORY),
                () => settings.named(PARTITIONS),
            };
            let evidence = format!("{} tasks spilled {size} (in memory and on disk)", count(tasks));
            // Tasks that run beside the driver share its memory.
            let is_local =
                application.properties.master.as_deref().is_some_and(|master| master.starts_with("local["));
            let whose = if is_local { "spark.driver.memory" } else { "spark.executor.memory" };
            let memory = [whose, "spark.memory.fraction"];
            (evidence, [vec![smaller], memory.map(|name| settings.named(name)).into()].concat())
        }
        AdviceKind::SkewedPartition => {
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            let evidence = format!(
                "one partition has {size}, {factor:.0} x the median, and its task went on {} after all others{times}",
                milliseconds(found.ms)
            );
            let names: &[&str] = match () {
                () if !is_adaptive => &[ADAPTIVE],
                () if settings.is_off("spark.sql.adaptive.skewJoin.enabled") => {
                    &["spark.sql.adaptive.skewJoin.enabled"]
                }
                // Spark splits only what is larger than this, and only for joins.
                () => &["spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes"],
            };
            (evidence, names.iter().map(|name| settings.named(name)).collect())
        }
        AdviceKind::SmallTasks => {
            let evidence = format!(
                "{} tasks ran {} each (median), less than being a task costs: {} of core time in all",
                count(tasks),
                milliseconds(found.run_ms),
                milliseconds(found.ms)
            );
            let name = match () {
                () if !found.reads_shuffle => "spark.sql.files.maxPartitionBytes",
                () if !is_adaptive => ADAPTIVE,
                () if settings.is_off(COALESCE) => COALESCE,
                () => PARTITIONS,
            };
            (evidence, vec![settings.named(name)])
        }
        AdviceKind::CoalescedTooFar => {
            let cores = application.most_slots();
            let evidence =
                format!("adaptive execution joined partitions until {tasks} were left for {cores} cores");
            (
                evidence,
                vec![
                    settings.named(ADVISORY),
                    settings.named("spark.sql.adaptive.coalescePartitions.parallelismFirst"),
                ],
            )
        }
        AdviceKind::Broadcast | AdviceKind::SmallFiles => (String::new(), Vec::new()),
    }
}

/// What the broadcasts of tables took of the wall time.
fn broadcast(application: &Application, wall_ms: f64) -> Option<Advice> {
    let facts = || application.sql.facts.iter().filter(|(_, facts)| facts.broadcast_ms > 0);
    let ms: f64 = facts().map(|(_, facts)| facts.broadcast_ms as f64).sum();
    let (query, largest) = facts().max_by_key(|(_, facts)| facts.broadcast_ms)?;
    let queries = facts().count();
    let all =
        if queries > 1 { format!(", of {} in {queries} queries", milliseconds(ms)) } else { String::new() };
    let evidence = format!(
        "collecting tables at the driver and sending them to all executors took {}{all}; the largest had {} in memory",
        milliseconds(largest.broadcast_ms as f64),
        bytes(largest.broadcast_bytes as f64)
    );
    let settings = Settings(&application.properties.settings);
    Some(Advice {
        kind: AdviceKind::Broadcast,
        place: called(application, *query),
        share: (ms / wall_ms).min(1.0),
        evidence,
        settings: vec![
            settings.named("spark.sql.autoBroadcastJoinThreshold"),
            "hints in the query".to_owned(),
        ],
    })
}

/// What scans of small files took of the core time.
fn small_files(application: &Application, scan_ms: f64, core_ms: f64) -> Option<Advice> {
    let facts = || application.sql.facts.iter().filter(|(_, facts)| facts.files > 0);
    let (files, size) = facts().fold((0.0, 0.0), |(files, size), (_, facts)| {
        (files + facts.files as f64, size + facts.file_bytes as f64)
    });
    let (query, _) = facts().max_by_key(|(_, facts)| facts.files)?;
    (files >= 100.0 && size < files * SMALL_FILE).then(|| Advice {
        kind: AdviceKind::SmallFiles,
        place: called(application, *query),
        share: (scan_ms / core_ms.max(1.0)).min(1.0),
        evidence: format!(
            "{} files of {} each were scanned in {} of core time",
            count(files as u64),
            bytes(size / files),
            milliseconds(scan_ms)
        ),
        settings: vec!["spark.sql.files.maxPartitionBytes".to_owned(), "fewer, larger files".to_owned()],
    })
}

/// What a query is called.
fn called(application: &Application, query: i64) -> String {
    match application.queries.get(&query) {
        Some(description) => format!("query {query}, {}", description.lines().next().unwrap_or_default()),
        None => format!("query {query}"),
    }
}
