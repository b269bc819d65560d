//! What operators bind jobs by: queues with quotas, and machines that are held for a time.
//!
//! Invariant: what a [`Cluster`](super::Cluster) holds of these is valid, and every name in it is known.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Machine, MachineId, Resource, Resources, Values};
use crate::error::{Error, Result};

/// A queue, which others call a partition. Every job of a cluster that has queues is in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// What jobs name it by.
    pub name: String,
    /// What its running jobs take at most together, by type of resource; of a type that is not named as much as there is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quota: BTreeMap<String, f64>,
    /// Labels that machines must carry to host its jobs, beside those that a job needs itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Values>,
    /// The priority of its jobs that have none of their own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The longest that its jobs may run, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

/// Machines that only some may use for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// What people call it.
    pub name: String,
    /// The machines.
    pub machines: Vec<MachineId>,
    /// From when, in seconds.
    pub from: f64,
    /// Until when, in seconds; that moment is free again.
    pub until: f64,
    /// Whose jobs may run there meanwhile: those of these queues. None: nobody's, as for maintenance.
    pub queues: Vec<String>,
}

impl Queue {
    /// The quota; infinite where there is none.
    pub fn room(&self) -> Resources {
        let of = |kind: Resource| self.quota.get(kind.name()).copied().unwrap_or(f64::INFINITY);
        Resources::from_array(Resource::ALL.map(of))
    }

    fn check(&self) -> Result<()> {
        let invalid = |field: &str, found: String, wanted| {
            Err(Error::Invalid {
                subject: format!("queue `{}`", self.name),
                field: field.into(),
                found,
                wanted,
            })
        };
        if self.name.is_empty() {
            return invalid("name", "empty".into(), "jobs name their queue");
        }
        for (kind, amount) in &self.quota {
            if !Resource::ALL.iter().any(|known| known.name() == kind) {
                return invalid("quota", format!("`{kind}`"), "it is of gpu, cpu, memory, storage, network");
            }
            if !(amount.is_finite() && *amount >= 0.0) {
                return invalid("quota", format!("{amount} of {kind}"), "it is not negative");
            }
        }
        match self.limit {
            Some(limit) if !(limit.is_finite() && limit > 0.0) => {
                invalid("limit", limit.to_string(), "it is a positive number of seconds")
            }
            _ => Ok(()),
        }
    }
}

impl Reservation {
    /// Whether jobs of this queue may use its machines while it lasts.
    pub fn admits(&self, queue: &str) -> bool {
        self.queues.iter().any(|held| held == queue)
    }

    /// Whether it is not over at this time.
    pub fn is_ahead(&self, now: f64) -> bool {
        now < self.until
    }

    fn check(&self, machines: usize, queues: &[Queue]) -> Result<()> {
        let invalid = |field: &str, found: String, wanted| {
            let subject = format!("reservation `{}`", self.name);
            Err(Error::Invalid { subject, field: field.into(), found, wanted })
        };
        if self.name.is_empty() {
            return invalid("name", "empty".into(), "people are told by its name why they wait");
        }
        if self.machines.is_empty() {
            return invalid("machines", "empty".into(), "it holds at least one");
        }
        if let Some(id) = self.machines.iter().find(|id| id.index() >= machines) {
            return invalid("machines", id.to_string(), "machines are numbered from 0");
        }
        let times = self.from >= 0.0 && self.from < self.until && self.until.is_finite();
        if !times {
            let found = format!("from {} until {}", self.from, self.until);
            return invalid("time", found, "it begins at 0 s or later and ends after that");
        }
        match self.queues.iter().find(|name| !queues.iter().any(|queue| queue.name == **name)) {
            Some(unknown) => invalid("queues", format!("`{unknown}`"), "they are queues of the cluster"),
            None => Ok(()),
        }
    }
}

/// Checks all at once.
pub(super) fn check(machines: &[Machine], queues: &[Queue], reservations: &[Reservation]) -> Result<()> {
    queues.iter().try_for_each(Queue::check)?;
    reservations.iter().try_for_each(|reservation| reservation.check(machines.len(), queues))?;
    let names = queues.iter().map(|queue| &queue.name);
    for (field, names) in [
        ("queues", names.collect::<Vec<_>>()),
        ("reservations", reservations.iter().map(|reservation| &reservation.name).collect()),
    ] {
        let mut known = HashSet::new();
        if let Some(twice) = names.into_iter().find(|name| !known.insert(*name)) {
            return Err(Error::Invalid {
                subject: "cluster".into(),
                field: field.into(),
                found: format!("`{twice}` twice"),
                wanted: "names tell them apart, so give each its own",
            });
        }
    }
    Ok(())
}
