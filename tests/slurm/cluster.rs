//! A real Slurm on this machine: a controller and two nodes, each at a loopback address of its own.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{command, parent, processes, wait_for, write};

/// How jobs end here.
const OVER: [&str; 5] = ["CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "TIMEOUT"];

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster of two nodes with four cores and two devices each, which ends with the value.
pub struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// Starts it; nothing, with a notice, where Slurm is not installed.
    pub fn start() -> Option<Cluster> {
        if !["/usr/sbin/slurmctld", "/usr/sbin/slurmd"].iter().all(|path| Path::new(path).exists()) {
            eprintln!("skipped: there is no Slurm on this machine");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["state", "run", "log", "spool/n1", "spool/n2"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        write(folder.path(), "slurm.conf", &settings(folder.path()));
        // What stands for GPUs are files of devices that every machine has.
        write(folder.path(), "gres.conf", "NodeName=n[1-2] Name=gpu File=/dev/null,/dev/zero\n");
        let mut cluster = Cluster { folder, daemons: Vec::new() };
        let daemons =
            [["slurmctld", "-D", "-c", ""], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]];
        for [name, words @ ..] in daemons {
            let mut daemon = cluster.slurm(&format!("/usr/sbin/{name}"));
            daemon.args(words.iter().filter(|word| !word.is_empty()));
            cluster.daemons.push(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
        wait_for("two idle nodes", || {
            let idle = cluster.slurm("sinfo").args(["-h", "-t", "idle", "-o", "%D"]).output().unwrap();
            (String::from_utf8_lossy(&idle.stdout).trim() == "2").then_some(())
        });
        Some(cluster)
    }

    /// A command of this cluster.
    pub fn slurm(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf")).stdin(Stdio::null());
        command
    }

    pub fn syncline(&self, arguments: &str) -> Command {
        let mut command = command(arguments);
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf"));
        command
    }

    /// The jobs that wait or run.
    pub fn jobs(&self) -> Vec<String> {
        let mut command = self.slurm("squeue");
        command.args(["-h", "-t", "all", "-o", "%i %j %T"]);
        // A controller that is busy may not answer, which does not mean that there are none.
        let answered = || Some(command.output().unwrap()).filter(|output| output.status.success());
        let output = wait_for("an answer of squeue", answered);
        let is_over = |job: &&str| OVER.iter().any(|state| job.ends_with(state));
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|job| !is_over(job))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for a job that runs; its number.
    pub fn running(&self) -> String {
        let first = || self.jobs().into_iter().find(|job| job.ends_with("RUNNING"));
        wait_for("a job", first).split(' ').next().unwrap().to_owned()
    }

    /// The processes that Slurm has started on a node, and their environments.
    pub fn processes_of(&self, node: &str) -> Vec<(u32, Vec<String>)> {
        let marks = [format!("SLURM_CONF={}", self.at("slurm.conf")), format!("SLURMD_NODENAME={node}")];
        let all = processes().into_iter();
        all.filter(|(_, words)| marks.iter().all(|mark| words.contains(mark))).collect()
    }

    /// Has a node vanish with all that runs there.
    pub fn lose(&self, node: &str) {
        let daemon = fs::read_to_string(self.at(&format!("run/slurmd.{node}.pid"))).unwrap();
        // Each of its steps is kept by a process of Slurm's own, which calls itself by the step.
        let parents = self.processes_of(node).into_iter().flat_map(|(pid, _)| [Some(pid), parent(pid)]);
        let gone = parents.flatten().chain([daemon.trim().parse().unwrap()]);
        for pid in gone {
            // With the first of them others may go by themselves.
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// Has Slurm take a node for down, whose daemon goes on, as operators do before they mend it.
    pub fn set_down(&self, node: &str) {
        let update = format!("nodename={node} state=down reason=test");
        let status = self.slurm("scontrol").arg("update").args(update.split(' ')).status().unwrap();
        assert!(status.success());
    }

    /// The processes by which Slurm keeps steps here: those of a node that was set down wait for a controller. They are known by the log that
    /// they write.
    fn keepers(&self) -> Vec<u32> {
        let log = self.folder().join("log");
        let keeps = |pid: &u32| {
            let of = Path::new("/proc").join(pid.to_string());
            let writes =
                |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(&log));
            fs::read_to_string(of.join("comm")).is_ok_and(|name| name.trim() == "slurmstepd")
                && fs::read_dir(of.join("fd")).is_ok_and(|open| open.flatten().any(writes))
        };
        processes().into_iter().map(|(pid, _)| pid).filter(keeps).collect()
    }

    pub fn assert_empty(&self) {
        wait_for("an empty queue", || self.jobs().is_empty().then_some(()));
    }

    pub fn at(&self, name: &str) -> String {
        self.folder().join(name).display().to_string()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What a test that failed has left would outlive the daemons.
        let mut cancel = self.slurm("scancel");
        let _ = cancel.args(["--full", "--signal=KILL", "--partition=all"]).stderr(Stdio::null()).status();
        for daemon in self.daemons.iter_mut().rev() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
        }
        for daemon in &mut self.daemons {
            // One may wait for a step that nobody ends any more.
            let ends = Instant::now() + PATIENCE;
            while Instant::now() < ends && matches!(daemon.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for keeper in self.keepers() {
            let _ = Command::new("kill").args(["-KILL", &keeper.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

fn settings(folder: &Path) -> String {
    let host = Command::new("hostname").arg("-s").output().unwrap();
    let host = String::from_utf8_lossy(&host.stdout).trim().to_owned();
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    let at = folder.display();
    let nodes: String = (1..=2)
        .map(|n| {
            format!(
                "NodeName=n{n} NodeHostname={host} NodeAddr=127.0.1.{n} Port={} Gres=gpu:2 CPUs=4 RealMemory=1000 State=UNKNOWN\n",
                ports[n]
            )
        })
        .collect();
    format!(
        "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmUser={user}\nSlurmdUser={user}\n\
         AuthType=auth/none\nCredType=cred/none\nStateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool/%n\n\
         SlurmctldPidFile={at}/run/slurmctld.pid\nSlurmdPidFile={at}/run/slurmd.%n.pid\n\
         SlurmctldLogFile={at}/log/slurmctld.log\nSlurmdLogFile={at}/log/slurmd.%n.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
         AccountingStorageType=accounting_storage/none\nJobCompType=jobcomp/none\nGresTypes=gpu\nSchedulerType=sched/backfill\n\
         SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0\nSelectType=select/cons_tres\n\
         SelectTypeParameters=CR_Core\nSlurmdParameters=config_overrides\nMpiDefault=none\nReturnToService=2\n\
         SwitchType=switch/none\nKillWait=30\nInactiveLimit=0\nSlurmctldTimeout=10\nSlurmdTimeout=10\n{nodes}\
         PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n",
        ports[0]
    )
}
