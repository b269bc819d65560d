//! The way to nodes that Slurm gives: within an allocation that is there, or one that is asked for and given back.
//!
//! The allocation is held by a process whose input only the launcher has, so that it goes with the launcher, however that
//! ends. Each node is a step of the job (`srun`), started on the host where the placement puts it, and `srun` carries its
//! input, output and end.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use std::{io, thread};

use serde_json::Value;

use super::agent::{self, AGENT};
use super::hostfile::Host;
use super::placement::Placement;
use super::site::Opened;
use crate::control::role::Role;
use crate::engine::processes::allotment::Share;
use crate::engine::processes::way::{self, Start, Way};
use crate::engine::{Reach, Seat};
use crate::{Error, Resources};

/// The port to which the route to a host is looked up, that of slurmd; nothing is sent there.
const ANY_PORT: u16 = 6818;

/// How often the queue is asked why the job still waits.
const LOOK: Duration = Duration::from_secs(5);

/// What is ours to say to Slurm.
const OURS: [&str; 10] = [
    "job-name",
    "ntasks",
    "cpus-per-task",
    "no-shell",
    "no-kill",
    "chdir",
    "input",
    "output",
    "error",
    "jobid",
];

/// Refuses an option that this engine sets itself.
pub(super) fn check_option(name: &str) -> Result<(), String> {
    let known =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !known || name.starts_with('-') {
        return Err(format!("`{}` is no option of Slurm; write it as in partition=gpu", name.escape_debug()));
    }
    if OURS.contains(&name) {
        return Err(format!("`{name}` is set by the program itself"));
    }
    Ok(())
}

/// The nodes of an allocation.
pub(super) struct Slurm {
    placement: Placement,
    job: String,
    /// Ends the allocation when it is dropped, where this launcher asked for it.
    _hold: Option<Hold>,
}

/// What Slurm has given.
struct Given {
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
        options: &[(String, Option<String>)],
        needs: &[&Resources],
    ) -> Result<Opened, Error> {
        let (given, hold, mut remarks) = match within() {
            Some(given) => (given, None, Vec::new()),
            None => {
                let (given, hold, remarks) = ask(program, options, needs)?;
                (given, Some(hold), remarks)
            }
        };
        if hold.is_none() && !options.is_empty() {
            remarks.push(format!("within job {} the options of slurm have no effect", given.job));
        }
        let hosts = hosts(&given)?;
        let toward = (address_of(&hosts[0].name), ANY_PORT);
        let way = Self { placement: Placement::new(hosts), job: given.job, _hold: hold };
        Ok(Opened { way: Box::new(way), toward, remarks })
    }
}

impl Way for Slurm {
    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        let place = self.placement.place(&seat.id, &seat.needs)?;
        let host = &self.placement.host(&place).name;
        let mut command = Command::new("srun");
        command.args(["--overlap", "--nodes=1", "--ntasks=1", "--unbuffered", "--mpi=none"]);
        command.arg(format!("--jobid={}", self.job)).arg(format!("--nodelist={host}"));
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
        command.envs(role.variables()).env(AGENT, "1");
        Ok(Start { command, share: Share::default(), told: agent::told })
    }
}

/// The allocation of this process.
fn within() -> Option<Given> {
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
    options: &[(String, Option<String>)],
    needs: &[&Resources],
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
    for (name, value) in options {
        command.arg(value.as_ref().map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")));
    }
    command.args(["sh", "-c", HOLDER]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let no_slurm = Error::system("cannot ask Slurm for room with `salloc`");
    let mut salloc = command.spawn().map_err(no_slurm)?;
    let (input, output, errors) = (salloc.stdin.take(), salloc.stdout.take(), salloc.stderr.take());
    let mut hold = Hold { salloc, input };
    let words = thread::spawn(move || errors.map(hear).unwrap_or_default());
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
fn hear(errors: impl io::Read) -> Vec<String> {
    let mut said = Vec::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if let Some(job) = line.strip_prefix("salloc: Pending job allocation ") {
            let job = job.trim().to_owned();
            thread::spawn(move || tell_why(&job));
        }
        said.push(line.strip_prefix("salloc: error: ").unwrap_or(&line).to_owned());
    }
    said
}

/// Says why a job waits, whenever that changes, until it waits no more.
fn tell_why(job: &str) {
    let mut last = String::new();
    loop {
        let Some(reason) = pending_reason(job) else { return };
        if reason != last {
            eprintln!("[launcher] job {job} waits in Slurm's queue: {reason}");
            last = reason;
        }
        thread::sleep(LOOK);
    }
}

/// Why a job waits; nothing if it does not.
fn pending_reason(job: &str) -> Option<String> {
    let jobs = answer(Command::new("squeue").args(["--json", "--jobs", job]))?;
    let job = jobs.get("jobs")?.as_array()?.first()?;
    let state = job.get("job_state")?;
    // A text in older releases, a list of texts in later ones.
    let state = state.as_str().or_else(|| state.as_array()?.first()?.as_str())?;
    (state == "PENDING").then(|| job.get("state_reason")?.as_str().map(str::to_owned))?
}

/// What a command of Slurm answers in JSON.
fn answer(command: &mut Command) -> Option<Value> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
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
    let output =
        Command::new("scontrol").args(["show", "hostnames", &given.nodes]).stdin(Stdio::null()).output();
    let output = output.map_err(Error::system("cannot ask Slurm for the job's hosts with `scontrol`"))?;
    let names: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
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

    #[test]
    fn options_are_slurms_own_words() {
        assert!(check_option("ntasks-per-node").is_ok());
        assert!(check_option("-p").is_err() && check_option("a b").is_err() && check_option("").is_err());
        assert!(check_option("ntasks").unwrap_err().contains("set by the program itself"));
    }
}
