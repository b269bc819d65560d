//! One training job: its work, how fast it runs and what finishing it is worth.
//!
//! The speed law is section 1.2 of PD-ORS: with a fixed global batch F and W workers, an iteration takes
//! `(tau F + 2 gamma g / b) / W`, so a worker processes a sample every
//!
//! ```text
//! c = tau + (gamma / F) (2 g / b)          (1)
//! ```
//!
//! seconds whatever W is; b is the slowest worker-server link (2): internal only if one machine hosts
//! everything.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{DeviceId, Resources, Utility};
use crate::error::{Error, Result};

/// A job's place in the list of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u32);

impl JobId {
    /// The id as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", self.0)
    }
}

/// How many workers a running job may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRange {
    /// The smallest gang that can run.
    pub min: u32,
    /// The most that help; never above the batch size.
    pub max: u32,
}

impl WorkerRange {
    /// A gang of fixed size.
    pub fn exactly(count: u32) -> Self {
        Self { min: count, max: count }
    }
}

/// One training job. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its place in the list.
    #[serde(default)]
    pub id: JobId,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// When it is submitted.
    #[serde(default)]
    pub arrival: f64,
    /// Samples to process: epochs times samples of the data set.
    pub workload: f64,
    /// What is believed of the workload where its true length is not known in advance; policies that plan see
    /// only this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// The global batch F, also the most workers that can share it.
    pub batch: u32,
    /// The gradient noise scale phi in samples, of a job that takes the batch with the greatest goodput for its links: how many
    /// samples a gradient averages before their noise is as small as the gradient. None: the batch stays F.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_scale: Option<f64>,
    /// The largest batch that it may take then; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_batch: Option<u32>,
    /// Compute seconds per sample on one worker (tau).
    pub seconds_per_sample: f64,
    /// Gradient and parameter size g, in MB.
    #[serde(default)]
    pub gradient_mb: f64,
    /// Workers per server (gamma); none: no servers, as in an all-reduce job.
    #[serde(default)]
    pub workers_per_server: Option<f64>,
    /// Demand of one worker.
    pub worker: Resources,
    /// Demand of one server.
    #[serde(default)]
    pub server: Resources,
    /// Worker-server bandwidth within a machine, in Gbps.
    #[serde(default = "fast")]
    pub internal_gbps: f64,
    /// Worker-server bandwidth between machines, in Gbps.
    #[serde(default = "fast")]
    pub external_gbps: f64,
    /// Worth of its completion.
    #[serde(default)]
    pub utility: Utility,
    /// Allowed gang sizes.
    pub workers: WorkerRange,
    /// Relative speed per device type; empty: 1 everywhere. On a type of speed 0 the job cannot run.
    #[serde(default)]
    pub speeds: Vec<f64>,
    /// Labels that a machine must carry to host any task of the job, each with one of these values; `device` is
    /// the name of its device type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Values>,
    /// Seconds without progress after a start, a move or a resize.
    #[serde(default)]
    pub restart: f64,
    /// Whether it can be stopped and go on later, elsewhere or with other workers. One that cannot keeps its workers
    /// and its machines from its start to its end, whatever a policy would like.
    #[serde(default = "yes")]
    pub resume: bool,
    /// The model or user, for reports per group and for the profile lookups of trace simulators.
    #[serde(default)]
    pub group: String,
    /// The queue of the cluster that it is in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub queue: String,
    /// Higher goes first, and takes the room of lower ones; none: that of its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The longest that it may run, in seconds over all its starts; then it ends as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Names of jobs that must be done before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Names of jobs that must be over before it starts, however they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_any: Vec<String>,
    /// Whether one that cannot resume may be stopped for a higher priority, to begin again from its start.
    #[serde(default, skip_serializing_if = "is_no")]
    pub requeue: bool,
}

fn is_no(flag: &bool) -> bool {
    !flag
}

fn fast() -> f64 {
    100.0
}

fn yes() -> bool {
    true
}

/// One value or several, any of which will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// This one.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

impl Values {
    /// Whether `value` is among them.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Any(any) => any.iter().any(|one| one == value),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::Any(any) => f.write_str(&any.join(" or ")),
        }
    }
}

impl Job {
    /// The most workers that a job may ask for: policies hand them out one by one.
    pub const MOST_WORKERS: u32 = 100_000;

    /// Whether it may run on some machines only.
    pub fn is_choosy(&self) -> bool {
        !self.needs.is_empty() || self.speeds.contains(&0.0)
    }

    /// Whether it says more than what it needs and what it is worth: who must be over before it, and who it goes before.
    pub fn has_rules(&self) -> bool {
        self.priority.is_some_and(|priority| priority != 0)
            || !self.after.is_empty()
            || !self.after_any.is_empty()
    }

    /// What so many workers take with their servers.
    pub fn demand(&self, workers: u32) -> Resources {
        let mut demand = self.worker.times(f64::from(workers));
        demand.add(&self.server, f64::from(self.servers_for(workers)));
        demand
    }

    /// The most workers that so much room holds together with their servers.
    pub fn most_on(&self, room: &Resources) -> u32 {
        let (mut low, mut high) = (0, self.workers.max.min(room.how_many(&self.worker)));
        while low < high {
            let middle = high - (high - low) / 2;
            if room.fits(&self.demand(middle)) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// Number and name, for messages.
    pub fn label(&self) -> String {
        if self.name.is_empty() { self.id.to_string() } else { format!("{} (`{}`)", self.id, self.name) }
    }

    /// Seconds per sample and worker at bandwidth `gbps`: equation (1). With a noise scale a sample counts as what it is worth in a
    /// batch of F, at the batch of [`Job::batch_at`].
    pub fn sample_cost(&self, gbps: f64) -> f64 {
        let Some(ratio) = self.workers_per_server else { return self.seconds_per_sample };
        let batch = self.batch_at(gbps);
        let cost = self.seconds_per_sample + ratio / batch * Self::transfer(self.gradient_mb, gbps);
        cost / self.efficiency(batch)
    }

    /// What a sample in a batch of `batch` is worth in samples of a batch of F: Pollux' `(phi + F) / (phi + M)`.
    fn efficiency(&self, batch: f64) -> f64 {
        self.noise_scale.map_or(1.0, |noise| (noise + f64::from(self.batch)) / (noise + batch))
    }

    /// The batch that a job takes at bandwidth `gbps`: F, or with a noise scale the one of the greatest goodput,
    ///
    /// ```text
    /// M = sqrt(phi (gamma 2 g / b) / tau),   at least F
    /// ```
    ///
    /// where `(tau + (gamma / M) (2 g / b)) (phi + M)` is least. It is a real number: what a round has in the mean.
    pub fn batch_at(&self, gbps: f64) -> f64 {
        let own = f64::from(self.batch);
        let (Some(noise), Some(ratio)) = (self.noise_scale, self.workers_per_server) else { return own };
        let exchange = ratio * Self::transfer(self.gradient_mb, gbps);
        let most = self.most_batch.map_or(f64::INFINITY, f64::from);
        (noise * exchange / self.seconds_per_sample).sqrt().clamp(own, most.max(own))
    }

    /// Seconds to send a gradient and receive the parameters, 2 g / b.
    pub fn transfer(gradient_mb: f64, gbps: f64) -> f64 {
        2.0 * gradient_mb * 8.0 / (gbps * 1000.0)
    }

    /// [`Job::sample_cost`] on one machine.
    pub fn internal_cost(&self) -> f64 {
        self.sample_cost(self.internal_gbps)
    }

    /// [`Job::sample_cost`] across machines.
    pub fn external_cost(&self) -> f64 {
        self.sample_cost(self.external_gbps)
    }

    /// Samples per second of `workers` workers at bandwidth `gbps`.
    pub fn rate(&self, workers: u32, gbps: f64) -> f64 {
        f64::from(workers) / self.sample_cost(gbps)
    }

    /// Servers that `workers` workers need: `ceil(workers / gamma)`.
    pub fn servers_for(&self, workers: u32) -> u32 {
        self.workers_per_server.map_or(0, |ratio| (f64::from(workers) / ratio - 1e-9).ceil().max(0.0) as u32)
    }

    /// Relative speed on a device type.
    pub fn speed_on(&self, device: DeviceId) -> f64 {
        self.speeds.get(usize::from(device.0)).copied().unwrap_or(1.0)
    }

    /// What a worker and its part of a server take together.
    pub fn bundle(&self) -> Resources {
        let mut bundle = self.worker;
        if let Some(ratio) = self.workers_per_server {
            bundle.add(&self.server, 1.0 / ratio);
        }
        bundle
    }

    /// The demand of one worker plus one server, as the papers' price bounds use it.
    pub fn pair(&self) -> Resources {
        self.worker.plus(&self.server)
    }

    /// Seconds with every allowed worker on the fastest link at speed 1. What a cluster's machines make of it says
    /// [`Cluster::shortest`](super::Cluster::shortest).
    pub fn shortest(&self) -> f64 {
        self.workload * self.internal_cost() / f64::from(self.workers.max)
    }

    /// The workload as far as it is known in advance.
    pub fn believed_workload(&self) -> f64 {
        self.estimate.unwrap_or(self.workload)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field out of range.
    pub fn validate(&self) -> Result<()> {
        let invalid = |field: &str, found: String, wanted| {
            Err(Error::Invalid {
                subject: format!("job {}", self.label()),
                field: field.into(),
                found,
                wanted,
            })
        };
        for (field, value) in [
            ("workload", self.workload),
            ("seconds_per_sample", self.seconds_per_sample),
            ("estimate", self.estimate.unwrap_or(1.0)),
            ("internal_gbps", self.internal_gbps),
            ("external_gbps", self.external_gbps),
            ("workers_per_server", self.workers_per_server.unwrap_or(1.0)),
            ("noise_scale", self.noise_scale.unwrap_or(1.0)),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return invalid(field, value.to_string(), "it is a positive number");
            }
        }
        for (field, value) in
            [("arrival", self.arrival), ("gradient_mb", self.gradient_mb), ("restart", self.restart)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return invalid(field, value.to_string(), "it is not negative");
            }
        }
        for (field, demand) in [("worker", &self.worker), ("server", &self.server)] {
            if let Some(kind) = demand.invalid() {
                let field = format!("{field} demand of {}", kind.name());
                return invalid(&field, demand[kind].to_string(), "demands are finite and not negative");
            }
        }
        if let Some(limit) = self.limit.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
            return invalid("limit", limit.to_string(), "it is a positive number of seconds");
        }
        if let (Some(noise), None) = (self.noise_scale, self.workers_per_server) {
            let wanted =
                "it has no effect on a job without servers, whose speed does not depend on its batch";
            return invalid("noise_scale", noise.to_string(), wanted);
        }
        if let Some(most) = self.most_batch {
            if self.noise_scale.is_none() {
                let wanted = "it has no effect without a `noise_scale`: the batch stays as it is";
                return invalid("most_batch", most.to_string(), wanted);
            }
            if most < self.batch {
                return invalid("most_batch", most.to_string(), "it is at least `batch`");
            }
        }
        if self.requeue && self.resume {
            let wanted = "it has no effect on a job that can resume: that keeps its work when it is stopped";
            return invalid("requeue", "true".into(), wanted);
        }
        if self.worker.is_zero() {
            return invalid("worker demand", "zero".into(), "a worker takes some resource");
        }
        let WorkerRange { min, max } = self.workers;
        if min == 0 || min > max || max > self.batch {
            let found = format!("{min}..{max} with batch {}", self.batch);
            return invalid("workers", found, "1 <= min <= max <= batch");
        }
        if max > Self::MOST_WORKERS {
            return invalid("workers", format!("{min}..{max}"), "a job has at most 100000 workers");
        }
        if let Some(speed) = self.speeds.iter().find(|speed| !(speed.is_finite() && **speed >= 0.0)) {
            return invalid("speeds", speed.to_string(), "relative speeds are not negative");
        }
        if let Some(parameter) = self.utility.invalid() {
            return invalid("utility", format!("{:?}", self.utility), parameter);
        }
        Ok(())
    }
}
