//! `syncline schedule serve`: the daemon.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::ValueHint;
use syncline::{
    program::Executor,
    schedule::{Cluster, PolicyName, jobs_file},
};
use syncline_serve::{
    Server, attempt,
    hosts::EVERY,
    server::{ADDRESS, header, this_machine},
};

use super::Place;
use crate::{
    failure::Failure,
    output::{print, remark},
};

/// Run jobs on this machine, on hosts that SSH reaches, or in the room of a Slurm or Kubernetes, where a policy wants them, until Ctrl-C; jobs that run go on without it
///
/// Example:
///   syncline schedule serve &
///   syncline schedule submit -- sleep 10
///   syncline schedule status
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The machines, parts of this one, hosts by their label `ssh`, or an engine's room by its label `on`: a file (.json, .toml, .csv) [default: this machine's cores, memory and GPUs]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    cluster: Option<String>,
    /// Who decides; see `schedule simulate`
    #[arg(long, default_value = "syncline")]
    policy: PolicyName,
    /// Length of the slots that planners plan in, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    slot_seconds: f64,
    /// How many slots there are; planners plan no further
    #[arg(long, default_value_t = 20_000)]
    slots: usize,
    /// How often each host is asked whether it answers, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    ask_hosts_every: Option<f64>,
    /// Where to listen; port 0 takes one that is free
    #[arg(long, default_value_t = ADDRESS)]
    listen: SocketAddr,
    /// Allow an address that others reach: the token then crosses the network as it is
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() && !args.public {
        return Err(Failure::Usage(format!(
            "--listen {}: others could reach that, and the token would cross the network as it is; give --public too, or better a tunnel to 127.0.0.1",
            args.listen
        )));
    }
    let cluster = match &args.cluster {
        Some(cluster) => jobs_file::cluster(cluster)?,
        None => this_machine()?,
    };
    let ask_every = ask_every(args.ask_hosts_every, &cluster).map_err(Failure::Usage)?;
    let header = header(args.policy, cluster, args.slot_seconds, args.slots)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    for engine in header.cluster().ids().filter_map(|id| header.cluster().engine(id)) {
        let wrong = |error| Failure::Usage(format!("the label `on` of --cluster: {error}"));
        engine.parse::<Executor>().map_err(wrong)?;
    }
    // The running program itself, even when its file has been replaced since.
    let starter = ["/proc/self/exe", "schedule", "attempt"].map(OsString::from).to_vec();
    let asker = ["/proc/self/exe", "schedule", "ask-host"].map(OsString::from).to_vec();
    let (folder, address) = (args.place.folder(), args.listen);
    let server = Server { folder, address, header, starter, asker, ask_every, log: remark };
    server.run(|page| {
        remark(&format!("{} decides; submit with `syncline schedule submit`, and watch at", args.policy));
        // Nobody who reads it is no reason to stop.
        let _ = print(page);
    })?;
    remark("jobs that run go on; `schedule serve` with the same folder takes care of them again");
    Ok(())
}

fn ask_every(given: Option<f64>, cluster: &Cluster) -> Result<f64, String> {
    let Some(seconds) = given else { return Ok(EVERY) };
    if !(0.1..=3600.0).contains(&seconds) {
        return Err(format!("--ask-hosts-every {seconds}: give from 0.1 to 3600 seconds"));
    }
    if cluster.ids().all(|id| cluster.host(id).is_none()) {
        return Err("--ask-hosts-every says nothing where no machine of --cluster has the label `ssh`".into());
    }
    Ok(seconds)
}

/// Start one attempt and wait for it: what the daemon calls
#[derive(clap::Args)]
pub struct AttemptArgs {
    folder: PathBuf,
}

pub fn run_attempt(args: &AttemptArgs) -> Result<(), Failure> {
    Ok(attempt::run(&args.folder)?)
}
