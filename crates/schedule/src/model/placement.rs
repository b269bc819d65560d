//! Where a job's workers and servers run at one time.

use serde::{Deserialize, Serialize};

use super::{Job, MachineId, Resources};

/// The tasks of one job on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The host.
    pub machine: MachineId,
    /// Workers on it.
    pub workers: u32,
    /// Parameter servers on it.
    pub servers: u32,
}

impl Share {
    /// What the tasks take from the machine.
    pub fn demand(&self, job: &Job) -> Resources {
        job.worker.times(f64::from(self.workers)).plus(&job.server.times(f64::from(self.servers)))
    }
}

/// Shares on distinct machines, in the order of machines, none empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Share>", into = "Vec<Share>")]
pub struct Placement(Vec<Share>);

impl Placement {
    /// Everything on one machine.
    pub fn single(machine: MachineId, workers: u32, servers: u32) -> Self {
        Self::from(vec![Share { machine, workers, servers }])
    }

    /// The shares, in the order of machines.
    pub fn shares(&self) -> &[Share] {
        &self.0
    }

    /// All workers.
    pub fn workers(&self) -> u32 {
        self.0.iter().map(|share| share.workers).sum()
    }

    /// All servers.
    pub fn servers(&self) -> u32 {
        self.0.iter().map(|share| share.servers).sum()
    }

    /// Whether one machine hosts everything: the job then runs at the internal bandwidth (equation 2).
    pub fn is_internal(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds tasks on a machine.
    pub fn add(&mut self, machine: MachineId, workers: u32, servers: u32) {
        if workers + servers == 0 {
            return;
        }
        match self.0.binary_search_by_key(&machine, |share| share.machine) {
            Ok(at) => {
                self.0[at].workers += workers;
                self.0[at].servers += servers;
            }
            Err(at) => self.0.insert(at, Share { machine, workers, servers }),
        }
    }

    /// Takes tasks off a machine; no more than it holds.
    pub fn remove(&mut self, machine: MachineId, workers: u32, servers: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&machine, |share| share.machine) {
            let share = &mut self.0[at];
            share.workers = share.workers.saturating_sub(workers);
            share.servers = share.servers.saturating_sub(servers);
            if share.workers + share.servers == 0 {
                self.0.remove(at);
            }
        }
    }
}

impl From<Vec<Share>> for Placement {
    fn from(shares: Vec<Share>) -> Self {
        let mut placement = Self::default();
        for share in shares {
            placement.add(share.machine, share.workers, share.servers);
        }
        placement
    }
}

impl From<Placement> for Vec<Share> {
    fn from(placement: Placement) -> Self {
        placement.0
    }
}
