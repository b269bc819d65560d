"""Scripts and programs on Slurm: a real controller and two nodes on this machine, each at a loopback address of its own."""

import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy
import pytest

from conftest import command
from test_hosts import placed
from test_join import DEALT, begun
from test_join import SCRIPT as TRAIN
from test_program import SCRIPT as PROGRAM

DAEMONS = [pathlib.Path("/usr/sbin/slurmctld"), pathlib.Path("/usr/sbin/slurmd")]

SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={at}/state
SlurmdSpoolDir={at}/spool/%n
SlurmctldPidFile={at}/run/slurmctld.pid
SlurmdPidFile={at}/run/slurmd.%n.pid
SlurmctldLogFile={at}/log/slurmctld.log
SlurmdLogFile={at}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SlurmctldTimeout=10
SlurmdTimeout=10
NodeName=n1 NodeHostname={host} NodeAddr=127.0.1.1 Port={ports[1]} CPUs=4 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.1.2 Port={ports[2]} CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """Two nodes of four cores each."""

    def __init__(self, folder):
        for name in ("state", "run", "log", "spool/n1", "spool/n2"):
            (folder / name).mkdir(parents=True)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        settings = folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        settings.write_text(SETTINGS.format(host=host, ports=ports, user=getpass.getuser(), at=folder))
        self.environment = {**os.environ, "SLURM_CONF": str(settings)}
        self.daemons = [
            subprocess.Popen([daemon, "-D", *words], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for daemon, words in zip((DAEMONS[0], DAEMONS[1], DAEMONS[1]), (["-c"], ["-N", "n1"], ["-N", "n2"]))
        ]
        within(30, "two idle nodes", lambda: self.ask("sinfo", "-h", "-t", "idle", "-o", "%D") == ["2"])

    def ask(self, *words):
        """The lines that a command of Slurm prints."""
        return subprocess.run(words, env=self.environment, capture_output=True, text=True).stdout.splitlines()

    def jobs(self):
        """The jobs that wait or run."""
        return self.ask("squeue", "-h", "-o", "%i %T")

    def left(self):
        """The processes that belong to a job: what Slurm has started, and what that has."""
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        return [pid for pid, variables in processes() if mark in variables and any(v.startswith(b"SLURM_STEP_ID=") for v in variables)]

    def assert_nothing_is_left(self):
        within(30, "an empty queue", lambda: not self.jobs())
        within(30, "the end of all steps", lambda: not self.left())

    def close(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            daemon.wait()


def processes():
    """The processes that are there, and their environments."""
    for process in pathlib.Path("/proc").iterdir():
        try:
            yield int(process.name), (process / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue


def within(seconds, what, happens):
    """Waits for something; gives it."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if not all(daemon.exists() for daemon in DAEMONS) or shutil.which("srun") is None:
        pytest.skip("there is no Slurm on this machine")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.close()


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    return path


def node_of(name):
    """The process of a node of the run, which Slurm has started."""
    for pid, variables in processes():
        is_node = f"SYNCLINE_NODE={name}".encode() in variables and b"SYNCLINE_AGENT=1" not in variables
        if is_node and any(variable.startswith(b"SLURMD_NODENAME=") for variable in variables):
            return pid
    return None


def test_a_script_trains_the_same_on_slurm(cluster, script, tmp_path):
    for name, where in [("here", "processes"), ("there", "slurm:partition=all")]:
        done = command("run", "--on", where, "--workers", 3, script, f"{name}.npy", cwd=tmp_path, env=cluster.environment)
        assert done.returncode == 0, done.stderr
        assert "worker 2 of 3 ends in epoch 10" in done.stdout + done.stderr
    assert "Slurm gave job" in done.stderr
    assert (numpy.load(tmp_path / "there.npy") == numpy.load(tmp_path / "here.npy")).all()
    cluster.assert_nothing_is_left()


@pytest.mark.parametrize("policy", ["stop", "restart", "redistribute"])
def test_a_killed_worker_follows_the_policy(cluster, script, tmp_path, policy):
    if policy == "redistribute":
        script.write_text(DEALT)
    whole = command("run", "--workers", 3, script, tmp_path / "whole.npy")
    assert whole.returncode == 0, whole.stderr
    slurm = ["--workers", 3, "--on", "slurm:nodes=2", "--on-worker-loss", policy]
    launcher = begun(script, tmp_path / "w.npy", *slurm, env=cluster.environment)
    os.kill(node_of("worker/1"), signal.SIGKILL)
    said = "".join(launcher.communicate(timeout=120))
    if policy == "stop":
        assert launcher.returncode == 1 and "worker/1" in said and "killed" in said, said
    else:
        assert launcher.returncode == 0, said
        assert (numpy.load(tmp_path / "w.npy") == numpy.load(tmp_path / "whole.npy")).all(), said
    cluster.assert_nothing_is_left()


def test_workers_know_who_they_are_on_their_host(cluster, tmp_path):
    told = placed(tmp_path, "slurm:nodes=2,ntasks-per-node=2", cluster.environment)
    assert [(each["LOCAL_RANK"], each["LOCAL_WORLD_SIZE"]) for each in told] == [(0, 1), (0, 2), (1, 2)]
    cluster.assert_nothing_is_left()


def test_a_launcher_that_is_killed_leaves_nothing(cluster, script, tmp_path):
    launcher = begun(script, tmp_path / "w.npy", "--workers", 3, "--on", "slurm", env=cluster.environment)
    assert cluster.jobs() and cluster.left()
    launcher.kill()
    launcher.communicate()
    cluster.assert_nothing_is_left()


def test_a_program_runs_on_slurm(cluster, tmp_path):
    script = tmp_path / "consumer_producers.py"
    script.write_text(PROGRAM)
    done = subprocess.run([sys.executable, script, "slurm"], capture_output=True, text=True, timeout=120, env=cluster.environment)
    assert done.returncode == 0, done.stderr
    assert "3 producers, apart" in done.stdout + done.stderr and done.stdout.splitlines()[-1] == "over", done
    cluster.assert_nothing_is_left()


def test_what_slurm_refuses_is_told(cluster, script, tmp_path):
    done = command("run", "--on", "slurm:partition=nowhere", script, tmp_path / "w.npy", env=cluster.environment)
    assert done.returncode == 1 and "Slurm gave no room: " in done.stderr and "nvalid partition" in done.stderr, done
