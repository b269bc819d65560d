//! What of this machine each process gets: cores and devices in turn, memory as it asks.

use std::fs;
use std::thread::available_parallelism;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Error, NodeId, Resources};

/// The variable by which CUDA is told which devices there are.
pub(crate) const DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// The machine's cores and devices, and whose turn it is.
pub(crate) struct Allotment {
    cores: Vec<usize>,
    devices: Vec<String>,
    next_core: usize,
    next_device: usize,
}

/// What one process gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// The cores on which it may run; all if none is named.
    cores: Vec<usize>,
    /// Bytes of address space.
    memory: Option<u64>,
    /// Variables beside those that it inherits.
    pub(crate) environment: Vec<(String, String)>,
}

impl Allotment {
    /// What the launcher itself may use.
    pub(crate) fn of_this_machine() -> Self {
        let cores = match sched_getaffinity(None) {
            Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
            Err(_) => (0..available_parallelism().map_or(1, usize::from)).collect(),
        };
        Self::new(cores, devices())
    }

    fn new(cores: Vec<usize>, devices: Vec<String>) -> Self {
        Self { cores, devices, next_core: 0, next_device: 0 }
    }

    /// The share of a node that needs this. Nodes that together ask for more cores or devices than there are share them.
    pub(crate) fn share(&mut self, node: &NodeId, needs: &Resources) -> Result<Share, Error> {
        let lacks = |what: &'static str, asked, there| Error::Resources {
            node: node.name.to_string(),
            what,
            asked,
            there,
        };
        let mut share =
            Share { memory: needs.memory, environment: needs.environment.clone(), ..Share::default() };
        if let Some(cpus) = needs.cpus {
            if cpus > self.cores.len() {
                return Err(lacks("cores", cpus, self.cores.len()));
            }
            share.cores = in_turn(&self.cores, &mut self.next_core, cpus);
        }
        if let Some(gpus) = needs.gpus {
            if gpus > self.devices.len() {
                return Err(lacks("GPUs", gpus, self.devices.len()));
            }
            let devices = in_turn(&self.devices, &mut self.next_device, gpus);
            share.environment.push((DEVICES.to_owned(), devices.join(",")));
        }
        Ok(share)
    }
}

impl Share {
    /// Holds a process to its share, from a moment after its start on.
    pub(crate) fn impose(&self, process: Pid) -> rustix::io::Result<()> {
        if !self.cores.is_empty() {
            let mut set = CpuSet::new();
            self.cores.iter().for_each(|core| set.set(*core));
            sched_setaffinity(Some(process), &set)?;
        }
        if let Some(memory) = self.memory {
            prlimit(Some(process), Resource::As, Rlimit { current: Some(memory), maximum: Some(memory) })?;
        }
        Ok(())
    }
}

/// The next `count` of `all`, going round.
fn in_turn<T: Clone>(all: &[T], next: &mut usize, count: usize) -> Vec<T> {
    let taken = (0..count).map(|at| all[(*next + at) % all.len()].clone()).collect();
    *next += count;
    taken
}

/// The devices that CUDA programs started here would see.
fn devices() -> Vec<String> {
    if let Ok(visible) = std::env::var(DEVICES) {
        return visible.split(',').filter(|device| !device.is_empty()).map(str::to_owned).collect();
    }
    let numbered = |name: String| name.strip_prefix("nvidia").and_then(|number| number.parse::<usize>().ok());
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut devices: Vec<_> =
        entries.filter_map(|entry| numbered(entry.file_name().to_string_lossy().into_owned())).collect();
    devices.sort_unstable();
    devices.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_devices_go_round() {
        let mut machine = Allotment::new(vec![0, 2, 3], vec!["0".to_owned(), "1".to_owned()]);
        let node = NodeId::first("worker/0".parse().unwrap());
        let needs = Resources::default().cpus(2).gpus(1).env("MODE", "fast");
        let first = machine.share(&node, &needs).unwrap();
        assert_eq!(first.cores, [0, 2]);
        let pairs = |names: &[(&str, &str)]| -> Vec<_> {
            names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(first.environment, pairs(&[("MODE", "fast"), (DEVICES, "0")]));
        let second = machine.share(&node, &needs).unwrap();
        assert_eq!(second.cores, [3, 0]);
        assert_eq!(second.environment, pairs(&[("MODE", "fast"), (DEVICES, "1")]));
        assert_eq!(machine.share(&node, &Resources::default()).unwrap(), Share::default());
    }

    #[test]
    fn h6_what_the_machine_does_not_have_is_refused_by_name() {
        let mut machine = Allotment::new(vec![0, 1], Vec::new());
        let node = NodeId::first("worker/3".parse().unwrap());
        let said = machine.share(&node, &Resources::default().cpus(9)).unwrap_err().to_string();
        assert_eq!(
            said,
            "worker/3 asks for 9 cores, and there are 2 here; ask for less, or run it elsewhere"
        );
        let said = machine.share(&node, &Resources::default().gpus(1)).unwrap_err().to_string();
        assert!(said.contains("asks for 1 GPUs, and there are 0 here"), "{said}");
    }
}
