//! The way to nodes that Slurm gives: within an allocation that is there, or one that is asked for and given back.
//!
//! The allocation is held by a process whose input only the launcher has, so that it goes with the launcher, however that
//! ends. Each node is a step of the job (`srun`), started on the host where the placement puts it, and `srun` carries its
//! input, output and end. What became of the [`job`], its hosts and its time Slurm itself is asked.

pub(crate) mod batch;
mod job;
mod wishes;

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use self::job::Job;
pub(super) use self::wishes::Wishes;
use super::agent::{self, AGENT};
use super::hostfile::Host;
use super::limit::Limit;
use super::placement::Placement;
use super::site::Opened;
use crate::control::pulse::HEEDS_NOTICE;
use crate::control::role::Role;
use crate::engine::processes::allotment::Share;
use crate::engine::processes::way::{self, Start, Way};
use crate::engine::{Reach, Seat};
use crate::launch::executor::Sink;
use crate::life::exit::Exit;
use crate::{Error, Resources};

/// The port to which the route to a host is looked up, that of slurmd; nothing is sent there.
const ANY_PORT: u16 = 6818;

/// The nodes of an allocation.
pub(super) struct Slurm {
    placement: Placement,
    job: Job,
    notice: Option<Duration>,
    /// Ends the allocation when it is dropped, where this launcher asked for it.
    _hold: Option<Hold>,
}

/// What Slurm has given.
pub(super) struct Given {
    job: String,
    /// As in `node[1-3,7]`.
    nodes: String,
    /// As in `4(x2),1`.
    cpus: String,
}

impl Slurm {
    /// Takes the allocation in which this process runs, or asks for one in which the nodes have room.
    pub(super) fn open(
        program: &str,
        wishes: &Wishes,
        needs: &[&Resources],
        sink: &Sink,
    ) -> Result<Opened, Error> {
        let (given, hold, mut remarks) = match within() {
            Some(given) => (given, None, Vec::new()),
            None => {
                let (given, hold, remarks) = ask(program, wishes, needs, sink)?;
                (given, Some(hold), remarks)
            }
        };
        if hold.is_none() && !wishes.flags().is_empty() {
            remarks.push(format!("within job {} the options of slurm have no effect", given.job));
        }
        let hosts = hosts(&given)?;
        let toward = (address_of(&hosts[0].name), ANY_PORT);
        let (job, notice) = (Job(given.job), wishes.notice);
        let way = Self { placement: Placement::new(hosts), job, notice, _hold: hold };
        Ok(Opened { way: Box::new(way), toward, remarks })
    }
}

impl Way for Slurm {
    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        if seat.id.incarnation > 0 {
            // Why it is started again may be that its host is lost.
            if let Some(state) = self.job.look().filter(|state| !state.hosts.is_empty()) {
                let all = self.placement.names().map(str::to_owned);
                let lost = all.filter(|name| !state.hosts.contains(name)).collect();
                self.placement.lose(&lost);
            }
        }
        let place = self.placement.place(&seat.id, &seat.needs)?;
        let host = self.placement.host(&place).name.clone();
        let mut command = Command::new("srun");
        command.args(["--overlap", "--nodes=1", "--ntasks=1", "--unbuffered", "--mpi=none"]);
        command.arg(format!("--jobid={}", self.job.0)).arg(format!("--nodelist={host}"));
        command.arg(format!("--cpus-per-task={}", seat.needs.cpus.unwrap_or(1)));
        command.arg(format!("--job-name={}", role.node));
        if let Some(gpus) = seat.needs.gpus {
            command.arg(format!("--gres=gpu:{gpus}"));
        }
        command.arg("--").arg(way::this_binary(&role.node)?);
        match arguments {
            Some(arguments) => command.args(arguments),
            None => command.args(env::args_os().skip(1)),
        };
        command.envs(seat.needs.environment.iter().map(|(name, value)| (name, value)));
        command.envs(role.variables()).env(AGENT, "1").env(HEEDS_NOTICE, "1");
        let job = self.job.clone();
        let told = move |status| match agent::told(status) {
            Exit::Code(0) => Exit::Code(0),
            exit => job.look().and_then(|state| state.ends(&host)).unwrap_or(exit),
        };
        Ok(Start { command, share: Share::default(), told: Box::new(told) })
    }

    fn limit(&self) -> Option<Limit> {
        let job = self.job.clone();
        let left = move || job.look()?.left;
        let notice = self.notice.or_else(|| left().map(wishes::notice_of))?;
        Some(Limit { notice, left: Box::new(left) })
    }
}

/// The allocation of this process.
pub(super) fn within() -> Option<Given> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    Some(Given {
        job: variable("SLURM_JOB_ID")?,
        nodes: variable("SLURM_JOB_NODELIST")?,
        cpus: variable("SLURM_JOB_CPUS_PER_NODE")?,
    })
}

/// What tells of an allocation from within, and then holds it.
const HOLDER: &str =
    r#"echo "$SLURM_JOB_ID $SLURM_JOB_NODELIST $SLURM_JOB_CPUS_PER_NODE"; exec cat >/dev/null"#;

/// The process that holds an allocation for as long as its input is open.
struct Hold {
    salloc: Child,
    input: Option<ChildStdin>,
}

/// Asks Slurm for room and waits until it is given, telling why it is not.
fn ask(
    program: &str,
    wishes: &Wishes,
    needs: &[&Resources],
    sink: &Sink,
) -> Result<(Given, Hold, Vec<String>), Error> {
    let mut command = Command::new("salloc");
    command.arg(format!("--job-name={program}")).arg("--no-kill");
    command.arg(format!("--ntasks={}", needs.len().max(1)));
    let most = |of: fn(&Resources) -> Option<usize>| needs.iter().filter_map(|needs| of(needs)).max();
    if let Some(cpus) = most(|needs| needs.cpus) {
        command.arg(format!("--cpus-per-task={cpus}"));
    }
    if let Some(gpus) = most(|needs| needs.gpus).filter(|gpus| *gpus > 0) {
        command.arg(format!("--gpus-per-task={gpus}"));
    }
    command.args(wishes.flags());
    command.args(["sh", "-c", HOLDER]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let no_slurm = Error::system("cannot ask Slurm for room with `salloc`");
    let mut salloc = command.spawn().map_err(no_slurm)?;
    let (input, output, errors) = (salloc.stdin.take(), salloc.stdout.take(), salloc.stderr.take());
    let mut hold = Hold { salloc, input };
    let sink = Arc::clone(sink);
    let words = thread::spawn(move || errors.map(|errors| hear(errors, &sink)).unwrap_or_default());
    let mut line = String::new();
    let read = output.map_or(Ok(0), |output| BufReader::new(output).read_line(&mut line));
    let parts: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let (Ok(_), Ok([job, nodes, cpus])) = (read, <[String; 3]>::try_from(parts)) else {
        hold.release();
        let said = words.join().unwrap_or_default().join("; ");
        return Err(Error::Slurm(if said.is_empty() { "salloc said nothing".to_owned() } else { said }));
    };
    let remark = format!("Slurm gave job {job} on {nodes}");
    Ok((Given { job, nodes, cpus }, hold, vec![remark]))
}

/// Hears what `salloc` says; while its job waits, tells why.
fn hear(errors: impl io::Read, sink: &Sink) -> Vec<String> {
    let mut said = Vec::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if let Some(job) = line.strip_prefix("salloc: Pending job allocation ") {
            let (job, sink) = (Job(job.trim().to_owned()), Arc::clone(sink));
            thread::spawn(move || job.tell_why_it_waits(&sink));
        }
        said.push(line.strip_prefix("salloc: error: ").unwrap_or(&line).to_owned());
    }
    said
}

impl Hold {
    /// Gives the allocation back and waits until that is done.
    fn release(&mut self) {
        drop(self.input.take());
        let _ = self.salloc.wait();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

/// The hosts of an allocation, with a slot for each core that the job has there.
fn hosts(given: &Given) -> Result<Vec<Host>, Error> {
    let names = job::names(&given.nodes)
        .map_err(Error::system("cannot ask Slurm for the job's hosts with `scontrol`"))?;
    let counts = counts(&given.cpus);
    if names.is_empty() || names.len() != counts.len() {
        let Given { nodes, cpus, .. } = given;
        return Err(Error::Slurm(format!("it tells of hosts {nodes} and of cores {cpus}, which do not fit")));
    }
    // Slurm itself deals out devices among the steps; the placement need not count them.
    let host = |(name, slots)| Host { name, slots, gpus: vec![String::new(); MOST_DEVICES] };
    Ok(names.into_iter().zip(counts).map(host).collect())
}

/// More devices than a host has.
const MOST_DEVICES: usize = 64;

/// Reads `4(x2),1` as 4, 4, 1.
fn counts(text: &str) -> Vec<usize> {
    let one = |part: &str| {
        let (count, times) = part.trim_end_matches(')').split_once("(x").unwrap_or((part, "1"));
        Some(vec![count.parse().ok()?; times.parse().ok()?])
    };
    text.split(',').filter_map(one).flatten().collect()
}

/// By which name or address the network knows a host of Slurm.
fn address_of(host: &str) -> String {
    let mut command = Command::new("sinfo");
    command.args(["--noheader", "--format=%o"]).arg(format!("--nodes={host}")).stdin(Stdio::null());
    let told = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    told.ok().filter(|address| !address.is_empty()).unwrap_or_else(|| host.to_owned())
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
}
