//! What Slurm has given: the parts of an allocation, each with hosts of its own.
//!
//! A job has one part, a heterogeneous one several, which are jobs of their own under the number of the first. The variables are
//! those of sbatch(1), "OUTPUT ENVIRONMENT VARIABLES".

use std::env;

use super::job::{self, Job, State};
use crate::Error;
use crate::engine::hosts::hostfile::Host;

/// An allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Given {
    /// The number by which it is asked for steps.
    pub(super) job: String,
    pub(super) parts: Vec<Part>,
}

/// Hosts that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Part {
    job: Job,
    /// As in `node[1-3,7]`.
    pub(super) nodes: String,
    /// As in `4(x2),1`.
    cpus: String,
}

/// A host of an allocation.
pub(super) struct Place {
    /// Which part it belongs to.
    pub(super) part: usize,
    /// What it has for nodes.
    pub(super) host: Host,
    /// Whether Slurm tells which devices the job has there.
    pub(super) are_devices_told: bool,
}

impl Given {
    /// The allocation of this process.
    pub(in super::super) fn of_this_process() -> Option<Self> {
        Self::read(|name| env::var(name).ok())
    }

    /// The allocation that these lines of `NAME=value` tell of.
    pub(super) fn of_lines(text: &str) -> Option<Self> {
        let pairs: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let named = |name: &str| pairs.iter().find(|(known, _)| *known == name);
        Self::read(|name| named(name).map(|(_, value)| (*value).to_owned()))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let part = |suffix: &str| {
            Some(Part {
                job: Job(variable(&format!("SLURM_JOB_ID{suffix}"))?),
                nodes: variable(&format!("SLURM_JOB_NODELIST{suffix}"))?,
                cpus: variable(&format!("SLURM_JOB_CPUS_PER_NODE{suffix}"))?,
            })
        };
        let size: Option<usize> = variable("SLURM_HET_SIZE").and_then(|size| size.parse().ok());
        let parts = match size {
            Some(size) => {
                (0..size).map(|number| part(&format!("_HET_GROUP_{number}"))).collect::<Option<_>>()?
            }
            None => vec![part("")?],
        };
        Some(Self { job: variable("SLURM_JOB_ID")?, parts })
    }

    /// Which part of a heterogeneous job a step is for; nothing where there is only one.
    pub(super) fn group(&self, part: usize) -> Option<usize> {
        (self.parts.len() > 1).then_some(part)
    }

    /// How a part is now; nothing where Slurm does not answer.
    pub(super) fn look(&self, part: usize) -> Option<State> {
        self.parts[part].job.look()
    }

    /// The job of a part.
    pub(super) fn job_of(&self, part: usize) -> Job {
        self.parts[part].job.clone()
    }

    /// The hosts of all parts, with a slot for each core that the job has there.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for (number, Part { job, nodes, cpus }) in self.parts.iter().enumerate() {
            let names = job::names(nodes)
                .map_err(Error::system("cannot ask Slurm for the job's hosts with `scontrol`"))?;
            let counts = counts(cpus);
            if names.is_empty() || names.len() != counts.len() {
                return Err(Error::Slurm(format!(
                    "it tells of hosts {nodes} and of cores {cpus}, which do not fit"
                )));
            }
            let devices = job.look().and_then(|state| state.devices);
            // Slurm leaves hosts out of which there is nothing to tell only where there is nothing to tell of any.
            let devices = devices.filter(|counts| counts.is_empty() || counts.len() == names.len());
            let hosts = names.into_iter().zip(counts).enumerate();
            places.extend(hosts.map(|(at, (name, slots))| {
                let count = devices.as_ref().map(|counts| counts.get(at).copied().unwrap_or(0));
                Place {
                    part: number,
                    host: Host { name, slots, gpus: positions(count.unwrap_or(MOST_DEVICES)) },
                    are_devices_told: count.is_some(),
                }
            }));
        }
        Ok(places)
    }
}

/// More devices than a host has: where Slurm does not tell how many there are, it deals them out itself.
const MOST_DEVICES: usize = 64;

/// The devices of a host by their places among those that the job has there.
fn positions(count: usize) -> Vec<String> {
    (0..count).map(|position| position.to_string()).collect()
}

/// Reads `4(x2),1` as 4, 4, 1.
fn counts(text: &str) -> Vec<usize> {
    let one = |part: &str| {
        let (count, times) = part.trim_end_matches(')').split_once("(x").unwrap_or((part, "1"));
        Some(vec![count.parse().ok()?; times.parse().ok()?])
    };
    text.split(',').filter_map(one).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_as_slurm_writes_them() {
        assert_eq!(counts("4(x2),1"), [4, 4, 1]);
        assert_eq!(counts("16"), [16]);
        assert_eq!(counts("nonsense"), Vec::<usize>::new());
    }

    #[test]
    fn a_job_has_one_part_and_a_heterogeneous_one_several() {
        let plain = "SLURM_JOB_ID=7\nSLURM_JOB_NODELIST=n[1-2]\nSLURM_JOB_CPUS_PER_NODE=4(x2)\nHOME=/\n";
        let plain = Given::of_lines(plain).unwrap();
        assert_eq!((plain.job.as_str(), plain.parts.len(), plain.group(0)), ("7", 1, None));
        assert_eq!(plain.parts[0].nodes, "n[1-2]");
        // As salloc of 22.05 tells it: without the variables of a plain job, but for its number.
        let mixed = "SLURM_JOB_ID=8\nSLURM_HET_SIZE=2\n\
            SLURM_JOB_ID_HET_GROUP_0=8\nSLURM_JOB_NODELIST_HET_GROUP_0=n1\nSLURM_JOB_CPUS_PER_NODE_HET_GROUP_0=1\n\
            SLURM_JOB_ID_HET_GROUP_1=9\nSLURM_JOB_NODELIST_HET_GROUP_1=n2\nSLURM_JOB_CPUS_PER_NODE_HET_GROUP_1=4\n";
        let mixed = Given::of_lines(mixed).unwrap();
        assert_eq!((mixed.job.as_str(), mixed.parts.len(), mixed.group(1)), ("8", 2, Some(1)));
        assert_eq!(mixed.job_of(1), Job("9".to_owned()));
        assert_eq!(Given::of_lines("SLURM_JOB_ID=8\nSLURM_HET_SIZE=2\n"), None);
        assert_eq!(Given::of_lines("HOME=/\n"), None);
    }
}
