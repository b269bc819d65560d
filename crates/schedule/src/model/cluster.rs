//! Machines, their capacities, racks and device types.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Job, Placement, Resource, Resources};
use crate::error::{Error, Result};

/// A machine's place in [`Cluster::machines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MachineId(pub u32);

impl MachineId {
    /// The id as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// A device type's place in [`Cluster::devices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub u16);

/// One physical machine. Workers and servers may share it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// What it has.
    pub capacity: Resources,
    /// The rack it stands in; links between racks are slower by the cluster's oversubscription.
    #[serde(default)]
    pub rack: u32,
    /// The type of its accelerators.
    #[serde(default)]
    pub device: DeviceId,
}

/// A validated, non-empty list of machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Cluster {
    machines: Vec<Machine>,
    devices: Vec<String>,
    oversubscription: f64,
    total: Resources,
}

impl Cluster {
    /// Machines that differ. `devices` names the device types; `oversubscription` >= 1 divides a job's external
    /// bandwidth when it spans racks.
    ///
    /// # Errors
    /// No machine, a negative or infinite capacity, a device without a name, an oversubscription below one.
    pub fn new(machines: Vec<Machine>, devices: Vec<String>, oversubscription: f64) -> Result<Self> {
        if machines.is_empty() {
            return Err(Error::Empty { what: "machine" });
        }
        for (index, machine) in machines.iter().enumerate() {
            let id = MachineId(index as u32);
            if let Some(kind) = machine.capacity.invalid() {
                return Err(Error::machine(id, kind, machine.capacity[kind]));
            }
            if usize::from(machine.device.0) >= devices.len() {
                return Err(Error::Invalid {
                    subject: format!("machine {id}"),
                    field: "device".into(),
                    found: machine.device.0.to_string(),
                    wanted: "device types are numbered from 0 and named in `devices`",
                });
            }
        }
        if !(oversubscription.is_finite() && oversubscription >= 1.0) {
            return Err(Error::Invalid {
                subject: "cluster".into(),
                field: "oversubscription".into(),
                found: oversubscription.to_string(),
                wanted: "it is at least 1",
            });
        }
        let total = machines.iter().fold(Resources::default(), |sum, machine| sum.plus(&machine.capacity));
        Ok(Self { machines, devices, oversubscription, total })
    }

    /// `count` machines of one kind in one rack.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn uniform(count: usize, capacity: Resources) -> Result<Self> {
        let machine = Machine { capacity, rack: 0, device: DeviceId(0) };
        Self::new(vec![machine; count], vec!["gpu".into()], 1.0)
    }

    /// The machines, by [`MachineId`].
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// Ids of all machines.
    pub fn ids(&self) -> impl Iterator<Item = MachineId> + use<> {
        (0..self.machines.len() as u32).map(MachineId)
    }

    /// One machine's capacity.
    pub fn capacity(&self, id: MachineId) -> &Resources {
        &self.machines[id.index()].capacity
    }

    /// The names of the device types.
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    /// The sum of all capacities.
    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// By what a job's external bandwidth is divided when it spans racks.
    pub fn oversubscription(&self) -> f64 {
        self.oversubscription
    }

    /// How many of `unit` fit into the empty cluster.
    pub fn how_many(&self, unit: &Resources) -> u32 {
        self.machines.iter().fold(0, |sum: u32, machine| sum.saturating_add(machine.capacity.how_many(unit)))
    }

    /// Samples per second of `job` under `placement`: the speed law, the slowest device type and, between
    /// racks, the oversubscribed link.
    pub fn rate(&self, job: &Job, placement: &Placement) -> f64 {
        let mut racks = placement.shares().iter().map(|share| self.machines[share.machine.index()].rack);
        let first = racks.next();
        let bandwidth = match first {
            _ if placement.is_internal() => job.internal_gbps,
            Some(first) if racks.all(|rack| rack == first) => job.external_gbps,
            _ => job.external_gbps / self.oversubscription,
        };
        let hosts = placement.shares().iter().filter(|share| share.workers > 0);
        let speed = hosts
            .map(|share| job.speed_on(self.machines[share.machine.index()].device))
            .fold(f64::INFINITY, f64::min);
        if placement.workers() == 0 { 0.0 } else { job.rate(placement.workers(), bandwidth) * speed }
    }

    /// Checks that the job could run at all.
    ///
    /// # Errors
    /// An invalid field of the job; a task that fits no machine; a smallest gang that does not fit.
    pub fn admits(&self, job: &Job) -> Result<()> {
        job.validate()?;
        for (task, need) in [("worker", &job.worker), ("server", &job.server)] {
            if !self.machines.iter().any(|machine| machine.capacity.fits(need)) {
                return Err(self.too_large(job, task, need));
            }
        }
        let fits = self.how_many(&job.worker);
        if fits < job.workers.min {
            return Err(Error::GangTooLarge { job: job.label(), need: job.workers.min, fits });
        }
        Ok(())
    }

    fn too_large(&self, job: &Job, task: &'static str, need: &Resources) -> Error {
        let largest =
            |kind: Resource| self.machines.iter().map(|machine| machine.capacity[kind]).fold(0.0, f64::max);
        let kind =
            Resource::ALL.into_iter().find(|&kind| need[kind] > largest(kind)).unwrap_or(Resource::Memory);
        Error::TooLarge {
            job: job.label(),
            task,
            kind: kind.name(),
            need: need[kind],
            largest: largest(kind),
        }
    }
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    machines: Vec<Machine>,
    #[serde(default = "one_device")]
    devices: Vec<String>,
    #[serde(default = "one")]
    oversubscription: f64,
}

fn one_device() -> Vec<String> {
    vec!["gpu".into()]
}

fn one() -> f64 {
    1.0
}

impl TryFrom<Plain> for Cluster {
    type Error = Error;

    fn try_from(plain: Plain) -> Result<Self> {
        Self::new(plain.machines, plain.devices, plain.oversubscription)
    }
}

impl From<Cluster> for Plain {
    fn from(cluster: Cluster) -> Self {
        Self {
            machines: cluster.machines,
            devices: cluster.devices,
            oversubscription: cluster.oversubscription,
        }
    }
}
