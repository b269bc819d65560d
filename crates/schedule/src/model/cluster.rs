//! Machines, their capacities, racks and device types.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{
    Job, Placement, Queue, Reservation, Resource, Resources, Values,
    plain::{Plain, Resolved},
    rules,
};
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

/// The label that every machine carries: the name of its device type.
pub const DEVICE_LABEL: &str = "device";

/// The label of a machine that is a host of its own: by which name `ssh` reaches it.
pub const HOST_LABEL: &str = "ssh";

/// The label of a machine that is an engine's: as `--on` names it, as in `slurm:partition=gpu`.
pub const ENGINE_LABEL: &str = "on";

/// One physical machine. Workers and servers may share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What people call it; empty: its number.
    pub name: String,
    /// What it has.
    pub capacity: Resources,
    /// The rack it stands in; links between racks are slower by the cluster's oversubscription.
    pub rack: u32,
    /// The type of its accelerators.
    pub device: DeviceId,
    /// What jobs may ask for in their `needs`.
    pub labels: BTreeMap<String, String>,
}

impl Machine {
    /// A machine of the first device type in the first rack.
    pub fn new(capacity: Resources) -> Self {
        Self { name: String::new(), capacity, rack: 0, device: DeviceId(0), labels: BTreeMap::new() }
    }

    /// With accelerators of another type.
    pub fn with_device(self, device: DeviceId) -> Self {
        Self { device, ..self }
    }
}

/// A validated, non-empty list of machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Cluster {
    machines: Vec<Machine>,
    devices: Vec<String>,
    oversubscription: f64,
    total: Resources,
    queues: Vec<Queue>,
    reservations: Vec<Reservation>,
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
        let mut known = HashSet::new();
        if let Some(twice) = machines.iter().find(|one| !one.name.is_empty() && !known.insert(&one.name)) {
            return Err(Error::Invalid {
                subject: "cluster".into(),
                field: "machine names".into(),
                found: format!("`{}` twice", twice.name),
                wanted: "names tell machines apart, so give each its own",
            });
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
        let (queues, reservations) = (Vec::new(), Vec::new());
        Ok(Self { machines, devices, oversubscription, total, queues, reservations })
    }

    /// The same machines with queues, which every job then has to name one of, and times in which some are held.
    ///
    /// # Errors
    /// A quota, limit or time that makes no sense, a machine or queue that is not there, two of one name.
    pub fn with_rules(self, queues: Vec<Queue>, reservations: Vec<Reservation>) -> Result<Self> {
        rules::check(&self.machines, &queues, &reservations)?;
        Ok(Self { queues, reservations, ..self })
    }

    /// The machines without queues and reservations.
    #[must_use]
    pub fn without_rules(self) -> Self {
        Self { queues: Vec::new(), reservations: Vec::new(), ..self }
    }

    /// The queues.
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// When which machines are held.
    pub fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// The queue that a job is in.
    pub fn queue_of(&self, job: &Job) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == job.queue)
    }

    /// A job's own priority, else that of its queue, else 0.
    pub fn priority(&self, job: &Job) -> i32 {
        job.priority.or_else(|| self.queue_of(job).map(|queue| queue.priority)).unwrap_or(0)
    }

    /// The longest that a job may run, in seconds: the shorter of its own limit and that of its queue; infinite without.
    pub fn limit(&self, job: &Job) -> f64 {
        let queue = self.queue_of(job).and_then(|queue| queue.limit);
        job.limit.unwrap_or(f64::INFINITY).min(queue.unwrap_or(f64::INFINITY))
    }

    /// Whether a job may run on some machines only.
    pub fn is_choosy(&self, job: &Job) -> bool {
        job.is_choosy() || self.queue_of(job).is_some_and(|queue| !queue.needs.is_empty())
    }

    /// The same machines, each with one more label.
    pub(crate) fn labelled(&self, label: &str, of: impl Fn(MachineId) -> String) -> Self {
        let mut cluster = self.clone();
        for (machine, id) in cluster.machines.iter_mut().zip(self.ids()) {
            machine.labels.insert(label.to_owned(), of(id));
        }
        cluster
    }

    /// `count` machines of one kind in one rack.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn uniform(count: usize, capacity: Resources) -> Result<Self> {
        Self::new(vec![Machine::new(capacity); count], vec!["gpu".into()], 1.0)
    }

    /// `8x8` (machines times GPUs), or `v100:8x1,k80:24x1` where device types differ.
    ///
    /// # Errors
    /// Another form.
    pub fn from_counts(text: &str) -> Result<Self> {
        let wrong = || Error::Invalid {
            subject: "cluster".into(),
            field: "size".into(),
            found: format!("`{text}`"),
            wanted: "write machines times GPUs, such as 8x8 or v100:8x1,k80:24x1, or name a file",
        };
        let (mut machines, mut devices): (_, Vec<String>) = (Vec::new(), Vec::new());
        for part in text.split(',') {
            let (device, size) = part.split_once(':').unwrap_or(("gpu", part));
            let (count, gpus) = size.split_once('x').ok_or_else(wrong)?;
            let count: usize = count.parse().map_err(|_| wrong())?;
            let gpus: u32 = gpus.parse().map_err(|_| wrong())?;
            if count == 0 || count > Self::MOST {
                return Err(wrong());
            }
            let machine = Machine::new(Resources::gpus(f64::from(gpus)));
            let known = devices.iter().position(|known| known == device);
            let machine = machine.with_device(DeviceId(known.unwrap_or(devices.len()) as u16));
            if known.is_none() {
                devices.push(device.to_owned());
            }
            machines.extend(std::iter::repeat_n(machine, count));
        }
        Self::new(machines, devices, 1.0)
    }

    /// The most machines of one entry of a file or of one count.
    pub const MOST: usize = 1_000_000;

    /// The machines, by [`MachineId`].
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// Ids of all machines.
    pub fn ids(&self) -> impl Iterator<Item = MachineId> + use<> {
        (0..self.machines.len() as u32).map(MachineId)
    }

    /// What people call a machine.
    pub fn name(&self, id: MachineId) -> String {
        let name = &self.machines[id.index()].name;
        if name.is_empty() { id.to_string() } else { name.clone() }
    }

    /// Whether tasks of `job` may run on a machine: it carries the labels that the job needs, and its devices are not
    /// of a type on which the job does not run at all.
    pub fn allows(&self, job: &Job, id: MachineId) -> bool {
        if !self.is_choosy(job) {
            return true;
        }
        let machine = &self.machines[id.index()];
        let carries = |label: &str| match machine.labels.get(label) {
            None if label == DEVICE_LABEL => self.devices.get(usize::from(machine.device.0)),
            carried => carried,
        };
        job.speed_on(machine.device) > 0.0
            && self.needs(job).all(|(label, wanted)| carries(label).is_some_and(|value| wanted.holds(value)))
    }

    /// By which name `ssh` reaches a machine, if it is a host of its own.
    pub fn host(&self, id: MachineId) -> Option<&str> {
        self.machines[id.index()].labels.get(HOST_LABEL).map(String::as_str)
    }

    /// How `--on` names the engine that gives a machine's room, if it is an engine's.
    pub fn engine(&self, id: MachineId) -> Option<&str> {
        self.machines[id.index()].labels.get(ENGINE_LABEL).map(String::as_str)
    }

    /// Whether a machine is no part of the one where its scheduler runs.
    pub fn is_elsewhere(&self, id: MachineId) -> bool {
        self.host(id).is_some() || self.engine(id).is_some()
    }

    /// What a job needs, and what its queue does.
    fn needs<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = (&'a String, &'a Values)> {
        let queue = self.queue_of(job).map(|queue| queue.needs.iter());
        job.needs.iter().chain(queue.into_iter().flatten())
    }

    /// `amounts` by machine, as far as `job` may use them: nothing where it may not run.
    pub fn mask<'a>(&self, job: &Job, amounts: &'a [Resources]) -> Cow<'a, [Resources]> {
        if !self.is_choosy(job) {
            return Cow::Borrowed(amounts);
        }
        let open = |(id, amount): (MachineId, &Resources)| {
            if self.allows(job, id) { *amount } else { Resources::default() }
        };
        Cow::Owned(self.ids().zip(amounts).map(open).collect())
    }

    /// The speeds that the job has on machines where it may run, each once, the greatest first.
    pub fn speeds(&self, job: &Job) -> Vec<f64> {
        if job.speeds.is_empty() {
            return vec![1.0];
        }
        let open = self.ids().filter(|id| self.allows(job, *id));
        let mut speeds: Vec<f64> = open.map(|id| job.speed_on(self.machines[id.index()].device)).collect();
        speeds.sort_by(|a, b| b.total_cmp(a));
        speeds.dedup();
        speeds
    }

    /// The greatest of [`Cluster::speeds`]; 1 if it may run nowhere.
    pub fn best_speed(&self, job: &Job) -> f64 {
        self.speeds(job).first().copied().unwrap_or(1.0)
    }

    /// Seconds alone on the empty cluster, on those of its machines that make the job fastest.
    pub fn shortest(&self, job: &Job) -> f64 {
        job.workload / self.fastest(job)
    }

    /// The most samples a second that any placement on the empty cluster could give a job: all on one machine at the internal
    /// bandwidth, or spread at the external one, where the slowest device counts and room for servers is not asked for.
    fn fastest(&self, job: &Job) -> f64 {
        let best = self.best_speed(job);
        let mut inside: f64 = 0.0;
        // Workers by speed, the greatest first.
        let mut spread: Vec<(f64, u32)> = self.speeds(job).into_iter().map(|speed| (speed, 0)).collect();
        for id in self.ids().filter(|id| self.allows(job, *id)) {
            let machine = &self.machines[id.index()];
            let speed = job.speed_on(machine.device);
            let alone = job.most_on(&machine.capacity);
            if alone >= job.workers.min {
                inside = inside.max(job.rate(alone, job.internal_gbps) * speed);
            }
            // Nothing is faster than all workers on one of the best machines, unless links within are the slow ones.
            if alone == job.workers.max && speed >= best && job.internal_gbps >= job.external_gbps {
                return inside;
            }
            if let Some((_, workers)) = spread.iter_mut().find(|(known, _)| *known == speed) {
                *workers = workers.saturating_add(machine.capacity.how_many(&job.worker));
            }
        }
        let (mut workers, mut fastest) = (0u32, inside);
        for (speed, more) in spread {
            workers = workers.saturating_add(more).min(job.workers.max);
            if workers >= job.workers.min {
                fastest = fastest.max(job.rate(workers, job.external_gbps) * speed);
            }
        }
        fastest
    }

    /// The jobs with their work counted in samples of their fastest device: what prices are made for.
    pub fn at_best_speed(&self, jobs: &[Job]) -> Vec<Job> {
        let counted = |job: &Job| Job { workload: job.workload / self.best_speed(job), ..job.clone() };
        jobs.iter().map(counted).collect()
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

    /// How many of `unit`, a task of `job` or a bundle of them, fit into the empty cluster.
    pub fn how_many(&self, job: &Job, unit: &Resources) -> u32 {
        let open = self.ids().filter(|id| self.allows(job, *id));
        open.fold(0, |sum: u32, id| sum.saturating_add(self.capacity(id).how_many(unit)))
    }

    /// How many of `wanted` workers the empty cluster holds with their servers, first fit, workers first; no fewer than the
    /// job's fewest.
    pub fn most_workers(&self, job: &Job, wanted: u32) -> u32 {
        let bundle = job.bundle();
        let mut room = 0u32;
        for id in self.ids().filter(|id| self.allows(job, *id)) {
            room = room.saturating_add(self.capacity(id).how_many(&bundle));
            if room >= wanted {
                return wanted;
            }
        }
        let (mut low, mut high) = (job.workers.min.min(wanted), wanted);
        while low < high {
            let middle = high - (high - low) / 2;
            if self.holds(job, middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    fn holds(&self, job: &Job, workers: u32) -> bool {
        let (mut workers, mut servers) = (workers, job.servers_for(workers));
        for id in self.ids().filter(|id| self.allows(job, *id)) {
            let mut room = *self.capacity(id);
            let hired = room.how_many(&job.worker).min(workers);
            room.add(&job.worker, -f64::from(hired));
            workers -= hired;
            servers -= if servers == 0 { 0 } else { room.how_many(&job.server).min(servers) };
        }
        workers + servers == 0
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
        self.has_queue(job)?;
        self.offers(job)?;
        for (task, need) in [("worker", &job.worker), ("server", &job.server)] {
            if !self.ids().any(|id| self.allows(job, id) && self.capacity(id).fits(need)) {
                return Err(self.too_large(job, task, need));
            }
        }
        let fits = self.how_many(job, &job.worker);
        if fits < job.workers.min {
            return Err(Error::GangTooLarge { job: job.label(), need: job.workers.min, fits });
        }
        let Some(queue) = self.queue_of(job) else { return Ok(()) };
        match queue.room().lacks(&job.demand(job.workers.min)) {
            None => Ok(()),
            Some((kind, need, quota)) => Err(Error::Invalid {
                subject: format!("job {}", job.label()),
                field: "queue".into(),
                found: format!(
                    "`{}` with a quota of {quota} {kind}, and its fewest workers take {need}",
                    queue.name,
                    kind = kind.name()
                ),
                wanted: "raise the quota, or lower `workers` or what they take",
            }),
        }
    }

    /// Whether the job names a queue that there is, where there are any.
    fn has_queue(&self, job: &Job) -> Result<()> {
        if self.queue_of(job).is_some() || (self.queues.is_empty() && job.queue.is_empty()) {
            return Ok(());
        }
        let names: Vec<&str> = self.queues.iter().map(|queue| queue.name.as_str()).collect();
        let found = match (job.queue.as_str(), names.as_slice()) {
            (queue, []) => format!("`{queue}`, and the cluster has no queues"),
            ("", names) => format!("not given, and the cluster has the queues {}", names.join(", ")),
            (queue, names) => format!("`{queue}`, and the cluster has the queues {}", names.join(", ")),
        };
        let wanted = "a job names a queue where the cluster file has `queues`, and only there";
        Err(Error::Invalid { subject: format!("job {}", job.label()), field: "queue".into(), found, wanted })
    }

    /// Whether there is a machine on which the job may run, and a device type for each of its speeds.
    fn offers(&self, job: &Job) -> Result<()> {
        let invalid = |field: &str, found: String, wanted| {
            Err(Error::Invalid {
                subject: format!("job {}", job.label()),
                field: field.into(),
                found,
                wanted,
            })
        };
        if !job.speeds.is_empty() && job.speeds.len() != self.devices.len() {
            let found = format!("{} numbers for {} device types", job.speeds.len(), self.devices.len());
            return invalid("speeds", found, "it has one number for each device type of the cluster");
        }
        if self.ids().any(|id| self.allows(job, id)) {
            return Ok(());
        }
        if self.needs(job).next().is_none() {
            let found = format!("{:?} on {}", job.speeds, self.devices.join(", "));
            return invalid("speeds", found, "it is above 0 on the device type of at least one machine");
        }
        let needs: Vec<String> =
            self.needs(job).map(|(label, wanted)| format!("{label} = {wanted}")).collect();
        invalid(
            "needs",
            needs.join(", "),
            "no machine carries these labels; add such a machine, or ask for less",
        )
    }

    fn too_large(&self, job: &Job, task: &'static str, need: &Resources) -> Error {
        let open = |id: &MachineId| self.allows(job, *id);
        let largest =
            |kind: Resource| self.ids().filter(open).map(|id| self.capacity(id)[kind]).fold(0.0, f64::max);
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

impl TryFrom<Plain> for Cluster {
    type Error = Error;

    fn try_from(plain: Plain) -> Result<Self> {
        let Resolved { machines, devices, oversubscription, queues, reservations } = plain.resolve()?;
        Self::new(machines, devices, oversubscription)?.with_rules(queues, reservations)
    }
}

impl From<Cluster> for Plain {
    fn from(cluster: Cluster) -> Self {
        let Cluster { machines, devices, oversubscription, queues, reservations, .. } = cluster;
        Self::of(Resolved { machines, devices, oversubscription, queues, reservations })
    }
}
