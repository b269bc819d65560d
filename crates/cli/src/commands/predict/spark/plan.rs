//! Which clusters are asked about.

use syncline_explain::spark::{Allocation, setting};
use syncline_predict::{Cluster, Limit, OnDemand, Size, SparkProfile};

use super::Options;
use crate::{failure::Failure, list::numbers};

/// Clusters at most: each is replayed some forty times.
const MOST: usize = 1000;

/// One size.
pub enum Asked {
    /// Slots, whatever executors they are on.
    Slots(Size),
    /// Executors.
    Cluster(Cluster),
}

/// All sizes, and what must not be exceeded.
pub struct Plan {
    pub sizes: Vec<Asked>,
    pub limits: Vec<Limit>,
}

impl Plan {
    pub fn new(profile: &SparkProfile, options: &Options) -> Result<Self, Failure> {
        let Options { machine_cores, pressure, .. } = *options;
        if machine_cores.is_some_and(|cores| !(0.1..=1e6).contains(&cores)) {
            return Err(Failure::Usage("--machine-cores must be positive: from 0.1 to a million".into()));
        }
        if pressure.is_some_and(|ratio| !(1.0..=1e6).contains(&ratio)) {
            let why = "--pressure is 1 on an idle machine and more, up to a million, on a busy one";
            return Err(Failure::Usage(why.into()));
        }
        let sizes =
            if options.asks_for_clusters() { clusters(profile, options)? } else { slots(profile, options)? };
        Ok(Self { sizes, limits: limits(options)? })
    }
}

/// The size of the machines below.
fn size(options: &Options, slots: usize) -> Size {
    let Options { machine_cores, pressure, .. } = *options;
    // Cores that are asked for are there, unless it was said how many the machine has.
    let has_own = options.slots.is_none() && machine_cores.is_none();
    Size { slots, machine_cores, hardware: has_own.then_some(slots as f64), pressure }
}

fn slots(profile: &SparkProfile, options: &Options) -> Result<Vec<Asked>, Failure> {
    let slots = match (&options.cores, &options.slots) {
        (Some(list), _) => numbers("--cores", list)?,
        (None, Some(list)) => numbers("--slots", list)?,
        (None, None) => [profile.slots / 2, profile.slots, 2 * profile.slots, 4 * profile.slots]
            .into_iter()
            .filter(|slots| *slots > 0)
            .collect(),
    };
    Ok(slots.into_iter().map(|slots| Asked::Slots(size(options, slots))).collect())
}

fn clusters(profile: &SparkProfile, options: &Options) -> Result<Vec<Asked>, Failure> {
    let (own, each) = profile.shape();
    let list = |option: &str, given: &Option<String>, usual: usize| match given {
        Some(list) => numbers(option, list),
        None => Ok(vec![usual]),
    };
    let counts = list("--executors", &options.executors, own)?;
    let cores = list("--executor-cores", &options.executor_cores, each)?;
    let memories: Vec<Option<u64>> = match &options.executor_memory {
        None => vec![None],
        Some(list) => list.split(',').map(|text| memory(text).map(Some)).collect::<Result<_, _>>()?,
    };
    let demands = on_demand(options)?;
    if counts.len() * cores.len() * memories.len() * demands.len() > MOST {
        return Err(Failure::Usage(format!(
            "the lists combine to more than {MOST} clusters: ask for fewer at once"
        )));
    }
    let mut sizes = Vec::new();
    for &on_demand in &demands {
        // On demand the number of executors is the answer, not the question.
        let counts = if on_demand.is_some() { &counts[..1] } else { &counts[..] };
        for &executors in counts {
            for &cores_each in &cores {
                for &memory in &memories {
                    let size = size(options, executors * cores_each);
                    sizes.push(Asked::Cluster(Cluster { executors, cores_each, memory, on_demand, size }));
                }
            }
        }
    }
    Ok(sizes)
}

fn memory(text: &str) -> Result<u64, Failure> {
    // Below this Spark refuses to start.
    setting::bytes(text).filter(|bytes| *bytes >= 450 << 20).ok_or_else(|| {
        Failure::Usage(format!(
            "--executor-memory {text}: write sizes from 450m on, as Spark's settings have them, such as 2g,4g"
        ))
    })
}

/// Fixed executors, executors on demand, or both.
fn on_demand(options: &Options) -> Result<Vec<Option<OnDemand>>, Failure> {
    let Some(text) = &options.dynamic_allocation else {
        return match options.executor_start {
            Some(_) => Err(Failure::Usage("--executor-start: belongs to --dynamic-allocation".into())),
            None => Ok(vec![None]),
        };
    };
    if text == "off" {
        return Ok(vec![None]);
    }
    let wrong = || {
        Failure::Usage(format!(
            "--dynamic-allocation {text}: write off, on, or the fewest and most executors as 1..20"
        ))
    };
    let allocation = match text.split_once("..") {
        None if text == "on" => Allocation::default(),
        None => return Err(wrong()),
        Some((fewest, most)) => {
            let fewest: usize = fewest.trim().parse().map_err(|_| wrong())?;
            let most: usize = most.trim().parse().map_err(|_| wrong())?;
            if most == 0 || fewest > most || most > 100_000 {
                return Err(wrong());
            }
            Allocation { fewest, most: Some(most), ..Allocation::default() }
        }
    };
    let start_s = options.executor_start.as_deref().map(|text| time("--executor-start", text)).transpose()?;
    let asked = Some(OnDemand { allocation, start_s });
    Ok(if options.executors.is_some() { vec![None, asked] } else { vec![asked] })
}

fn limits(options: &Options) -> Result<Vec<Limit>, Failure> {
    let mut limits = Vec::new();
    if let Some(text) = &options.deadline {
        limits.push(Limit::Deadline(time("--deadline", text)?));
    }
    if let Some(budget) = options.budget {
        if !(budget > 0.0 && budget.is_finite()) {
            return Err(Failure::Usage(format!("--budget {budget}: must be more than 0")));
        }
        limits.push(Limit::Budget(budget));
    }
    if !limits.is_empty() && options.price.is_none() {
        return Err(Failure::Usage(
            "--deadline and --budget: say what machines cost with --price, such as 0.05/core-hour".into(),
        ));
    }
    Ok(limits)
}

fn time(option: &str, text: &str) -> Result<f64, Failure> {
    let seconds = setting::seconds(text).or_else(|| text.parse().ok());
    seconds
        .filter(|seconds| *seconds > 0.0 && *seconds < 1e9)
        .ok_or_else(|| Failure::Usage(format!("{option} {text}: write a time such as 90s, 10min or 2h")))
}
