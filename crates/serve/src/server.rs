//! The daemon and its interface, put together.

use std::{
    ffi::OsString,
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use serde_json::json;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::pipe,
};
use syncline_schedule::{
    Cluster, Job, Machine, PolicyName, Resource, Resources, Setup, jobs_file, pricing::SlotGrid,
    replay::Header,
};
use tokio::net::TcpListener;

use crate::{
    access,
    api::{self, Api},
    daemon::{Daemon, Request, physics},
    error::{Error, Result},
    hosts::Hosts,
    local::Local,
};

/// What to serve.
pub struct Server {
    /// Where the books are.
    pub folder: PathBuf,
    /// Where to listen.
    pub address: SocketAddr,
    /// The policy with its cluster.
    pub header: Header,
    /// The command that runs an attempt; its folder is added.
    pub starter: Vec<OsString>,
    /// The command that asks a host whether it answers; its name is added.
    pub asker: Vec<OsString>,
    /// Seconds between two such questions to a host.
    pub ask_every: f64,
    /// Who hears what is worth a line, such as how a job came to another size.
    pub log: fn(&str),
}

/// The usual address: this machine only.
pub const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7717);

/// What a policy is made with for a live cluster. Planners make their prices for jobs of one core and a minute, as nothing else is
/// known in advance.
///
/// # Errors
/// Slots that make no sense; a policy that sees nothing that the cluster has.
pub fn header(policy: PolicyName, cluster: Cluster, slot_seconds: f64, slots: usize) -> Result<Header> {
    let grid = SlotGrid::new(slot_seconds, slots);
    grid.validate()?;
    let counts_gpus = matches!(policy, PolicyName::GavelLas | PolicyName::GavelLasAware);
    if counts_gpus && cluster.total()[Resource::Gpu] == 0.0 {
        return Err(Error::Refused(format!(
            "{policy} deals out GPUs, and the cluster has none; take another policy"
        )));
    }
    let hosts = cluster.ids().filter(|id| cluster.host(*id).is_some()).count();
    if hosts > 0 && hosts < cluster.machines().len() {
        let what = "some machines have the label `ssh` and others have not; give it to all, to this machine too if `ssh` reaches it";
        return Err(Error::Refused(what.into()));
    }
    if let Some((id, engine)) = cluster.ids().find_map(|id| Some((id, cluster.engine(id)?))) {
        let name = cluster.name(id);
        if cluster.machines().len() > 1 {
            return Err(Error::Refused(format!(
                "machine {name} has the label `on`, and so stands for all that jobs may have there at a time: make it the only one of its cluster"
            )));
        }
        if hosts > 0 || !["slurm", "kubernetes"].contains(&engine.split(':').next().unwrap_or("")) {
            return Err(Error::Refused(format!(
                "machine {name}: the label `on` is {engine:?}; it names an engine, as in `slurm:partition=gpu` or `kubernetes:image=NAME`, and hosts have the label `ssh` instead"
            )));
        }
    }
    let forecast = forecast(&cluster)?;
    Ok(Header::new(policy, &Setup::new(&cluster.into(), grid, &[forecast]), physics()))
}

fn forecast(cluster: &Cluster) -> Result<Job> {
    let kind = [Resource::Cpu, Resource::Gpu].into_iter().find(|kind| cluster.total()[*kind] > 0.0);
    let kind = kind
        .ok_or_else(|| Error::Refused("the cluster has neither cores nor GPUs, so nothing can run".into()))?;
    let most = cluster.machines().iter().map(|machine| machine.capacity[kind]).fold(0.0, f64::max);
    let job = json!({ "command": ["true"], "seconds": 60, "worker": { kind.name(): most.min(1.0) } });
    // Whatever the queues are, it is one job of the machines.
    Ok(jobs_file::sent_jobs(vec![job], &cluster.clone().without_rules())?.remove(0).0)
}

/// This machine: its cores and memory, and what NVIDIA devices there are.
///
/// # Errors
/// Never for a machine that has a core.
pub fn this_machine() -> Result<Cluster> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = kilobytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1e6;
    let gpus = (0..64).take_while(|number| Path::new(&format!("/dev/nvidia{number}")).exists()).count();
    let capacity = Resources::new(gpus as f64, cores as f64, gigabytes.floor(), 0.0);
    let machine = Machine { name: "local".into(), ..Machine::new(capacity) };
    Ok(Cluster::new(vec![machine], vec!["gpu".into()], 1.0)?)
}

impl Server {
    /// Serves until SIGINT or SIGTERM; jobs go on without it. `started` is told the address of the page.
    ///
    /// # Errors
    /// Another daemon has the folder, an address that is taken, books that cannot be read.
    pub fn run(self, started: impl FnOnce(&str)) -> Result<()> {
        let token = access::token(&self.folder)?;
        let folder =
            self.folder.canonicalize().map_err(Error::io("opening the scheduler's folder", &self.folder))?;
        let runs = folder.join("runs");
        let mut local = Local::new(&folder, self.starter);
        let cluster = self.header.cluster();
        if cluster.ids().any(|id| cluster.host(id).is_some()) {
            let hosts = Hosts::watch(cluster, self.asker, self.ask_every);
            local = local.on(hosts.map_err(Error::io("starting to ask hosts", &folder))?);
        }
        if cluster.ids().any(|id| cluster.engine(id).is_some()) {
            local = local.by_engine();
        }
        let daemon = Daemon::open(folder.clone(), self.header, local)?.logged(self.log);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::io("starting the interface", &folder))?;
        let listener = runtime.block_on(TcpListener::bind(self.address)).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = listener.map_err(Error::io("listening", self.address.to_string()))?;
        access::write_address(&folder, address)?;
        let (requests, queue) = mpsc::channel();
        let api = Api::new(requests.clone(), daemon.view(), &token, &runs);
        stop_on_signals(requests).map_err(Error::io("attending to signals", &folder))?;
        let serve = move || runtime.block_on(api::serve(listener, api.routes(address)));
        thread::Builder::new()
            .name("http".into())
            .spawn(serve)
            .map_err(Error::io("starting the interface", &folder))?;
        started(&format!("http://{address}/#{token}"));
        daemon.run(&queue)
    }
}

/// Ends the loop after its present turn.
fn stop_on_signals(requests: mpsc::Sender<Request>) -> std::io::Result<()> {
    let (mut arrivals, handler_end) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, handler_end.try_clone()?)?;
    }
    let attend = move || {
        while arrivals.read_exact(&mut [0]).is_ok() {
            if requests.send(Request::Stop).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(attend).map(drop)
}
