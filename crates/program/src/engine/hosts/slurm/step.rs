//! A node as a step of a job.

use std::ffi::OsString;
use std::process::Command;

use crate::control::pulse::HEEDS_NOTICE;
use crate::control::role::Role;
use crate::engine::hosts::agent::{AGENT, POSITIONS};
use crate::engine::processes::way;
use crate::{Error, Resources};

/// Where a step runs.
pub(super) struct Spot {
    pub(super) job: String,
    /// Which part of a heterogeneous job.
    pub(super) group: Option<usize>,
    pub(super) host: String,
    pub(super) devices: Devices,
}

/// The GPUs of a step.
pub(super) enum Devices {
    /// Whatever it sees.
    Unasked,
    /// So many, as Slurm deals them out.
    Count(usize),
    /// Those at these places among `all` that the job has on the host. Steps that overlap, as ours must where a host has taken over the nodes of
    /// another, Slurm gives the same ones.
    At { all: usize, positions: Vec<String> },
}

impl Spot {
    /// What starts a node there, as this binary with these arguments.
    pub(super) fn step(
        &self,
        needs: &Resources,
        role: &Role,
        arguments: &[OsString],
    ) -> Result<Command, Error> {
        let mut command = Command::new("srun");
        command.args(["--overlap", "--nodes=1", "--ntasks=1", "--unbuffered", "--mpi=none"]);
        command.arg(format!("--jobid={}", self.job));
        if let Some(group) = self.group {
            command.arg(format!("--het-group={group}"));
        }
        command.arg(format!("--nodelist={}", self.host));
        command.arg(format!("--cpus-per-task={}", needs.cpus.unwrap_or(1)));
        command.arg(format!("--job-name={}", role.node));
        match &self.devices {
            Devices::Unasked => {}
            Devices::Count(count) => drop(command.arg(format!("--gres=gpu:{count}"))),
            Devices::At { all, .. } => drop(command.arg(format!("--gres=gpu:{all}"))),
        }
        command.arg("--").arg(way::this_binary(&role.node)?).args(arguments);
        command.envs(needs.environment.iter().map(|(name, value)| (name, value)));
        command.envs(role.variables()).env(AGENT, "1").env(HEEDS_NOTICE, "1");
        if let Devices::At { positions, .. } = &self.devices {
            command.env(POSITIONS, positions.join(","));
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hosts::rehearsal::Company;
    use crate::engine::hosts::shell::typed;
    use std::collections::BTreeSet;
    use syncline_wire::Address;

    #[test]
    fn a_step_is_for_a_host_of_a_part_and_sees_its_own_devices() {
        let company =
            Company { program: "train", nodes: Vec::new(), resting: BTreeSet::new(), arguments: &[] };
        let node = "worker/1".parse().unwrap();
        let role = company.role_at(&node, Address::Tcp { host: "10.0.0.1".to_owned(), port: 7 });
        let devices = Devices::At { all: 4, positions: vec!["2".to_owned(), "3".to_owned()] };
        let spot = Spot { job: "8".to_owned(), group: Some(1), host: "n2".to_owned(), devices };
        let needs = Resources::default().cpus(2).gpus(2);
        let step = typed(&spot.step(&needs, &role, &["--epochs".into(), "3".into()]).unwrap());
        for part in [
            "--jobid=8 --het-group=1 --nodelist=n2 --cpus-per-task=2 --job-name=worker/1 --gres=gpu:4 -- ",
            "SYNCLINE_DEVICES=2,3 ",
            " --epochs 3",
        ] {
            assert!(step.contains(part), "{part} is missing in {step}");
        }
    }
}
