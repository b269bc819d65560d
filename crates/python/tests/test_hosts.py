"""Scripts and programs on several hosts: two servers of SSH on this machine, each at a loopback address of its own."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import numpy
import pytest

from conftest import command
from test_join import SCRIPT as TRAIN
from test_program import SCRIPT as PROGRAM

HOSTS = {"left": "127.0.3.1", "right": "127.0.3.2"}


class Farm:
    """Hosts that ``ssh`` reaches, and what a command needs to use them."""

    def __init__(self, folder, sshd):
        self.folder = folder
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.3.1", 0))
            port = free.getsockname()[1]
        client = (
            f"Host *\nPort {port}\nIdentityFile {folder}/user\nUserKnownHostsFile {folder}/known\n"
            "StrictHostKeyChecking no\nLogLevel ERROR\n"
        )
        self.servers = []
        for host, address in HOSTS.items():
            client += f"Host {host}\nHostName {address}\n"
            settings = folder / f"sshd.{host}"
            settings.write_text(
                f"ListenAddress {address}\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
                "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
            )
            self.servers.append(subprocess.Popen([sshd, "-D", "-e", "-f", settings], stderr=subprocess.DEVNULL))
        (folder / "client").write_text(client)
        self.hosts = folder / "hosts.txt"
        self.hosts.write_text("left slots=2\nright slots=2\n")
        self.environment = {**os.environ, "SYNCLINE_SSH": f"ssh -F {folder}/client"}
        for host in HOSTS:
            deadline = time.monotonic() + 20
            while subprocess.run(["ssh", "-F", folder / "client", host, "true"], stderr=subprocess.DEVNULL).returncode:
                assert time.monotonic() < deadline, "sshd does not answer"
                time.sleep(0.1)

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    sshd = next((path for path in ("/usr/sbin/sshd", "/usr/bin/sshd") if pathlib.Path(path).exists()), None)
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("there is no sshd on this machine")
    # Where it separates its privileges, if it is root's.
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    farm = Farm(tmp_path_factory.mktemp("hosts"), sshd)
    yield farm
    farm.close()


def test_a_script_trains_the_same_on_hosts(farm, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    for name, where in [("here", "processes"), ("there", f"ssh:{farm.hosts}")]:
        done = command("run", "--on", where, "--workers", 2, "train.py", f"{name}.npy", cwd=tmp_path, env=farm.environment)
        assert done.returncode == 0, done.stderr
        assert "worker 1 of 2 ends in epoch 10" in done.stdout + done.stderr
    assert (numpy.load(tmp_path / "there.npy") == numpy.load(tmp_path / "here.npy")).all()


PLACED = """
import json, os, sys
import numpy as np
import syncline

told = {name: int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "OMP_NUM_THREADS")}
worker = syncline.join(np.zeros(1), steps_per_epoch=1)
worker.step(np.ones(1))
with open(f"{sys.argv[1]}.{worker.rank}", "w") as out:
    json.dump(told, out)
"""


def placed(folder, where, environment=None):
    """What each of three workers is told."""
    (folder / "placed.py").write_text(PLACED)
    done = command("run", "--on", where, "--workers", 3, "placed.py", "told", cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"told.{rank}").read_text()) for rank in range(3)]


def test_workers_know_who_they_are_on_their_host(farm, tmp_path):
    # A server and a worker on the left, two workers on the right.
    told = placed(tmp_path, f"ssh:{farm.hosts}", farm.environment)
    assert [each["RANK"] for each in told] == [0, 1, 2] and {each["WORLD_SIZE"] for each in told} == {3}
    assert [(each["LOCAL_RANK"], each["LOCAL_WORLD_SIZE"]) for each in told] == [(0, 1), (0, 2), (1, 2)]


def test_workers_of_one_machine_know_who_they_are(tmp_path):
    unsaid = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    for said, threads in [({}, max(1, len(os.sched_getaffinity(0)) // 3)), ({"OMP_NUM_THREADS": "7"}, 7)]:
        told = placed(tmp_path, "processes", {**unsaid, **said})
        assert [each.pop("OMP_NUM_THREADS") for each in told] == [threads] * 3
        assert told == [{"RANK": rank, "WORLD_SIZE": 3, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 3} for rank in range(3)]


def test_a_program_runs_on_hosts(farm, tmp_path):
    script = tmp_path / "consumer_producers.py"
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, script, f"ssh:{farm.hosts}"], capture_output=True, text=True, timeout=120, env=farm.environment
    )
    assert done.returncode == 0, done.stderr
    assert "3 producers, apart" in done.stdout + done.stderr and done.stdout.splitlines()[-1] == "over", done


def test_a_host_without_the_interpreter_is_told(farm, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    # As if this interpreter were somewhere where hosts have none.
    script = tmp_path / "as_elsewhere.py"
    script.write_text(
        "import sys; sys.executable = '/nowhere/bin/python'\nfrom syncline import _run\n_run.main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, script, "--on", f"ssh:{farm.hosts}", tmp_path / "train.py", tmp_path / "w.npy"],
        capture_output=True, text=True, timeout=120, env=farm.environment,
    )
    assert done.returncode == 1 and "must be at the same path on every host" in done.stderr, done
