#!/usr/bin/env python3
"""What the engines cost, on this machine: a start, the loss of a node, the bytes of a run.

    scripts/engines_measured.py --syncline target/release/syncline [--turns 5] [--nodes 4,32] [--only starts,loss,bytes] [--quick]

Starts what it measures itself, in a temporary folder, and ends it: three servers of SSH at loopback addresses; a Slurm of eight nodes and a
Kubernetes of one, by the scripts in $SYNCLINE_SHARED/engines (for Kubernetes also its binaries in $SYNCLINE_KUBERNETES, and
syncline-kubernetes beside syncline); for the bytes two network namespaces joined by a bridge, each with its own sshd. What is not on
the machine is left out, and said. In each turn all engines take turns, each beside its own measure: `srun hostname` for as many nodes, a bare
pod, `ssh HOST hostname`. Told are medians, in brackets the least and the most, and ratios of medians of this run. --quick takes one turn of
four nodes. Needs root for namespaces and Kubernetes.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = pathlib.Path(os.environ.get("SYNCLINE_SHARED", ROOT.parent / "shared"))
#: Cores of each node of the Slurm that is started.
SLURM_CORES, SLURM_NODES = 4, 8
IMAGE = "docker.io/library/syncline:measured"


def call(*words, env=None, check=True, timeout=600):
    """Runs a command to its end; it and how long it took."""
    begun = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in words], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout
    )
    took = time.perf_counter() - begun
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done, took


def wait_for(what, look, seconds=60):
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.05)
    return found


class Processes:
    """This machine, without an engine."""

    name, on, env, measure = "processes", "processes", None, None

    def close(self):
        pass


class Ssh:
    """Servers of SSH, at loopback addresses or in namespaces of their own."""

    name, measure = "ssh", "`ssh HOST hostname`"

    def __init__(self, folder, slots, addresses, spaces=None):
        self.folder = folder / "ssh"
        self.folder.mkdir()
        self.servers = []
        for key in ["host", "user"]:
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        os.makedirs("/run/sshd", exist_ok=True)
        port = 20000 + os.getpid() % 10000
        client = (
            f"Host *\nPort {port}\nIdentityFile {self.folder}/user\nUserKnownHostsFile {self.folder}/known\n"
            "StrictHostKeyChecking no\nLogLevel ERROR\n"
        )
        for number, address in enumerate(addresses):
            settings = self.folder / f"sshd.{number}"
            settings.write_text(
                f"ListenAddress {address}\nPort {port}\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
                f"AuthorizedKeysFile {self.folder}/authorized\nMaxSessions 64\nSetEnv XDG_CACHE_HOME={self.folder}/cache\n"
            )
            within = ["ip", "netns", "exec", spaces[number]] if spaces else []
            server = [*within, "/usr/sbin/sshd", "-D", "-e", "-f", str(settings)]
            self.servers.append(subprocess.Popen(server, stderr=subprocess.DEVNULL))
            client += f"Host host{number}\nHostName {address}\n"
        (self.folder / "client").write_text(client)
        self.env = {**os.environ, "SYNCLINE_SSH": f"ssh -F {self.folder}/client"}
        self.set_slots(slots)
        for number in range(len(addresses)):
            wait_for("sshd", lambda: self.hostname(number, check=False)[0].returncode == 0)

    def set_slots(self, slots):
        """So many nodes on each host."""
        hosts = self.folder / "hosts.txt"
        hosts.write_text("".join(f"host{number} slots={count}\n" for number, count in enumerate(slots)))
        self.on = f"ssh:{hosts}"

    def hostname(self, number, check=True):
        return call("ssh", "-F", self.folder / "client", f"host{number}", "hostname", check=check)

    def beside(self, nodes):
        return self.hostname(0)[1]

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()


class Slurm:
    name, measure, on = "slurm", "`srun hostname` for as many nodes", "slurm"

    def __init__(self, folder):
        self.folder = folder / "slurm"
        call(SHARED / "engines/slurm-up", self.folder, SLURM_NODES, "none")
        self.env = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def beside(self, nodes):
        return call("srun", f"--ntasks={nodes}", "hostname", env=self.env)[1]

    def close(self):
        call(SHARED / "engines/slurm-down", self.folder, check=False)


class Kubernetes:
    name, measure = "kubernetes", "a bare pod that ends at once"

    def __init__(self, folder, binary):
        self.folder, self.count = folder / "kubernetes", 0
        call(SHARED / "engines/kubernetes-up", self.folder, os.environ["SYNCLINE_KUBERNETES"])
        self.env = {**os.environ, "KUBECONFIG": str(self.folder / "kubeconfig")}
        archive = folder / "image.tar"
        call(ROOT / "scripts/image", "syncline:measured", archive, binary, binary.with_name("syncline-kubernetes"))
        call("ctr", "-a", self.folder / "containerd/c.sock", "-n", "k8s.io", "images", "import", archive)
        archive.unlink()
        # The bridge between this machine and its pods comes with the first of them. On a disk that is nearly full a kubelet removes
        # images that no pod has: these stay.
        for name, image in [("pause", "docker.io/local/pause:1"), ("busybox", "docker.io/local/busybox:1"), ("ours", IMAGE)]:
            command = [] if name == "pause" else ["--command", "--", "/bin/echo" if name == "busybox" else "/bin/syncline"]
            self.kubectl("run", name, f"--image={image}", "--image-pull-policy=Never", "--restart=Never", *command)
        self.beside(1)
        links = json.loads(call("ip", "-4", "-json", "addr", "show", "cik8s0")[0].stdout)
        address = links[0]["addr_info"][0]["local"]
        self.show(folder / "rows")
        self.on = f"kubernetes:image={IMAGE},pull=never,listen={address},volume=rows:{folder}/rows:ro"

    def show(self, rows):
        """Has pods see a folder of this machine under its own path."""
        common = {"apiVersion": "v1", "metadata": {"name": "rows"}}
        spec = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        size = {"storage": "1Gi"}
        volume = {**spec, "capacity": size, "hostPath": {"path": str(rows)}}
        claim = {**spec, "volumeName": "rows", "resources": {"requests": size}}
        for kind, spec in [("PersistentVolume", volume), ("PersistentVolumeClaim", claim)]:
            file = self.folder / f"{kind}.json"
            file.write_text(json.dumps({**common, "kind": kind, "spec": spec}))
            self.kubectl("apply", "-f", file)

    def kubectl(self, *words):
        return call("kubectl", *words, env=self.env)[0].stdout

    def beside(self, nodes):
        self.count += 1
        name, begun = f"bare{self.count}", time.perf_counter()
        image = "--image=docker.io/local/busybox:1"
        self.kubectl("run", name, image, "--image-pull-policy=Never", "--restart=Never", "--command", "--", "/bin/echo", "here")
        phase = lambda: self.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}") == "Succeeded"
        wait_for("a bare pod", phase)
        took = time.perf_counter() - begun
        self.kubectl("delete", "pod", name, "--force", "--grace-period=0")
        return took

    def close(self):
        call(SHARED / "engines/kubernetes-down", self.folder, check=False)


class Namespaces:
    """Two hosts of their own, joined by a bridge that is this machine's part in it."""

    def __init__(self):
        number = os.getpid() % 250
        self.bridge, self.prefix = f"em{number}", f"10.214.{number}"
        self.spaces = [f"{self.bridge}-{host}" for host in (1, 2)]
        call("ip", "link", "add", self.bridge, "type", "bridge")
        call("ip", "addr", "add", f"{self.prefix}.254/24", "dev", self.bridge)
        call("ip", "link", "set", self.bridge, "up")
        for host, space in enumerate(self.spaces, 1):
            call("ip", "netns", "add", space)
            call("ip", "link", "add", f"{self.bridge}v{host}", "type", "veth", "peer", "name", "eth0", "netns", space)
            call("ip", "link", "set", f"{self.bridge}v{host}", "master", self.bridge, "up")
            call("ip", "-n", space, "addr", "add", f"{self.prefix}.{host}/24", "dev", "eth0")
            call("ip", "-n", space, "link", "set", "eth0", "up")
            call("ip", "-n", space, "link", "set", "lo", "up")

    def addresses(self):
        return [f"{self.prefix}.{host}" for host in (1, 2)]

    def passed(self):
        """Bytes that have passed over the cable of the first host, both ways."""
        at = pathlib.Path(f"/sys/class/net/{self.bridge}v1/statistics")
        return sum(int((at / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def close(self):
        for space in self.spaces:
            for pid in call("ip", "netns", "pids", space, check=False)[0].stdout.split():
                call("kill", "-KILL", pid, check=False)
            call("ip", "netns", "del", space, check=False)
        call("ip", "link", "del", self.bridge, check=False)


def table(folder, rows, columns):
    path = folder / f"{rows}x{columns}.csv"
    draw = random.Random(7)
    with path.open("w") as file:
        file.write(",".join(f"c{column}" for column in range(columns)) + ",kind\n")
        for _ in range(rows):
            row = [draw.gauss(0, 1) for _ in range(columns)]
            file.write(",".join(f"{x:.3f}" for x in row) + (",cat\n" if row[0] + row[1] > 0 else ",dog\n"))
    return path


def shown(times, unit=1.0):
    return f"{statistics.median(times) * unit:.3g} ({min(times) * unit:.3g}-{max(times) * unit:.3g})"


def first_round(engine, words, run):
    """From the start of a run of one epoch of one round until that is told to be done, and until the command ends."""
    shutil.rmtree(run, ignore_errors=True)
    progress, begun = run / "progress.jsonl", time.perf_counter()
    words = [*map(str, words), "--run-dir", str(run)]
    process = subprocess.Popen(words, env=engine.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    first = None
    while process.poll() is None:
        if first is None and progress.exists() and progress.stat().st_size > 0:
            first = time.perf_counter() - begun
        time.sleep(0.002)
    took = time.perf_counter() - begun
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}:\n{process.stderr.read()[-3000:]}")
    return first or took, took


def starts(engines, binary, folder, sizes, turns):
    """A run of one round: how long until that is done, and in all."""
    data = table(folder / "rows", 512, 8)
    for nodes in sizes:
        servers = 1 if nodes < 16 else 2
        found = {engine.name: {"all": [], "first": [], "beside": []} for engine in engines}
        for turn in range(turns + 1):
            for engine in engines:
                if engine.name == "ssh":
                    engine.set_slots([-(-nodes // 3)] * 3)
                words = f"train {data} --workers {nodes - servers} --servers {servers} --epochs 1 --batch 4096 --quiet"
                first, took = first_round(engine, [binary, *words.split(), "--on", engine.on], folder / "start")
                beside = engine.beside(nodes) if engine.measure else None
                # The first turn brings binaries and images to where they are kept.
                if turn > 0:
                    found[engine.name]["all"].append(took)
                    found[engine.name]["first"].append(first)
                    if beside is not None:
                        found[engine.name]["beside"].append(beside)
        print(f"\n{nodes} nodes, of which {servers} servers; seconds\n")
        print("| engine | start to the end of the first round | whole command | beside it | ratio of the command |")
        print("|---|---|---|---|---|")
        for engine in engines:
            times = found[engine.name]
            beside, ratio = "", ""
            if times["beside"]:
                beside = f"{shown(times['beside'])}: {engine.measure}"
                ratio = f"{statistics.median(times['all']) / statistics.median(times['beside']):.2f}"
            print(f"| {engine.name} | {shown(times['first'])} | {shown(times['all'])} | {beside} | {ratio} |", flush=True)


def node_process(name):
    """The process of a node, wherever its engine has put it on this machine."""
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"SYNCLINE_NODE={name}".encode() in words and not any(word.startswith(b"SYNCLINE_AGENT=") for word in words):
            # What only carries a node has its order in the environment.
            if not any(word.startswith(b"SYNCLINE_KUBERNETES_ORDER=") for word in words):
                return int(path.parent.name)
    return None


def run_with_loss(engine, binary, data, folder, is_killed):
    """How long a run takes whose worker is killed after a while, and how soon after that it is started again."""
    words = f"train {data} --workers 3 --servers 1 --epochs 60 --batch 32 --inject all:5ms --quiet --on-worker-loss restart"
    errors = folder / "errors"
    begun, told = time.perf_counter(), {}
    with errors.open("w") as file:
        process = subprocess.Popen(
            [binary, *words.split(), "--on", engine.on], env=engine.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

        def hear():
            for line in process.stderr:
                file.write(line)
                if "is started again" in line:
                    told.setdefault("again", time.perf_counter())

        ear = threading.Thread(target=hear)
        ear.start()
        if is_killed:
            worker = wait_for("the worker", lambda: node_process("worker/1"))
            time.sleep(1.5)
            killed = time.perf_counter()
            os.kill(worker, 9)
        code = process.wait()
        took = time.perf_counter() - begun
        ear.join()
    if code != 0 or (is_killed and "again" not in told):
        sys.exit(f"the run on {engine.name} ended with {code}:\n{errors.read_text()[-3000:]}")
    return took, told["again"] - killed if is_killed else None


def losses(engines, binary, folder, turns):
    """A worker is killed in a run that has it started again: what that costs in all, beside the same run without."""
    data = table(folder / "rows", 960, 8)
    found = {engine.name: {"whole": [], "cut": [], "again": []} for engine in engines}
    for _ in range(turns):
        for engine in engines:
            if engine.name == "ssh":
                engine.set_slots([2, 2, 2])
            found[engine.name]["whole"].append(run_with_loss(engine, binary, data, folder, False)[0])
            cut, again = run_with_loss(engine, binary, data, folder, True)
            found[engine.name]["cut"].append(cut)
            found[engine.name]["again"].append(again)
    print("\nA worker of three is killed, and started again; seconds\n")
    print("| engine | run without | run with | what it cost | of that until a new process was begun |")
    print("|---|---|---|---|---|")
    for engine in engines:
        times = found[engine.name]
        cost = statistics.median(times["cut"]) - statistics.median(times["whole"])
        print(
            f"| {engine.name} | {shown(times['whole'])} | {shown(times['cut'])} | {cost:.2g} | {shown(times['again'])} |",
            flush=True,
        )


def bytes_on_the_wire(binary, folder):
    """What passes between a server and its workers, by the formula, by our own count, and over the server's cable."""
    columns, workers, epochs = 600, 3, 4
    data = table(folder, 1200, columns)
    network = Namespaces()
    try:
        farm = Ssh(folder / "bytes", [1, workers], network.addresses(), network.spaces)
        try:
            print("\nBytes between one server and three workers on two hosts, bsp\n")
            print("| network | rounds | formula, MB | counted / formula | on the cable / formula | on the cable / counted |")
            print("|---|---|---|---|---|---|")
            for name, more in [("warm", ""), ("TLS", ""), ("in the clear", "--insecure-network")]:
                trace = folder / "bytes.parquet"
                words = f"train {data} --workers {workers} --servers 1 --epochs {epochs} --batch 20 --model mlp:256 --validation 0"
                before = network.passed()
                run, _ = call(
                    binary, *words.split(), *more.split(), "--on", farm.on, "--trace", trace, "--json", env=farm.env
                )
                passed = network.passed() - before
                if name == "warm":
                    continue
                report = json.loads(run.stdout)
                calls = json.loads(call(binary, "trace", "report", trace, "--json")[0].stdout)["calls"]["rows"]
                counted = sum(row["request_bytes"] + row["reply_bytes"] for row in calls if row["callee"].startswith("server"))
                rounds = sum(worker["rounds"] for worker in report["workers"])
                # Every round of every worker pulls and pushes all parameters, 4 bytes each.
                formula = 2 * 4 * report["settings"]["parameters"] * rounds
                print(
                    f"| {name} | {rounds} | {formula / 1e6:.1f} | {counted / formula:.4f} | {passed / formula:.4f} |"
                    f" {passed / counted:.4f} |",
                    flush=True,
                )
        finally:
            farm.close()
    finally:
        network.close()


def engines_here(folder, binary):
    """Those that can be started on this machine."""
    engines = [Processes()]
    if os.path.exists("/usr/sbin/sshd"):
        engines.append(Ssh(folder, [2, 2, 2], [f"127.0.2.{number}" for number in (1, 2, 3)]))
    else:
        print("ssh is left out: there is no sshd")
    if shutil.which("slurmctld") and (SHARED / "engines/slurm-up").exists():
        engines.append(Slurm(folder))
    else:
        print("slurm is left out: there is no Slurm, or no script that starts it")
    binaries = pathlib.Path(os.environ.get("SYNCLINE_KUBERNETES", "/nowhere"))
    needed = [binaries / "kubelet", SHARED / "engines/kubernetes-up", binary.with_name("syncline-kubernetes")]
    missing = [path for path in needed if not path.exists()]
    if missing:
        print(f"kubernetes is left out: there is no {missing[0]}")
    else:
        engines.append(Kubernetes(folder, binary))
    return engines


def main():
    # Also who asks it to end finds nothing left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--syncline", type=pathlib.Path, default=ROOT / "target/release/syncline")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--nodes", default="4,32")
    parser.add_argument("--only", default="starts,loss,bytes")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    binary = asked.syncline.resolve()
    turns, sizes = (1, [4]) if asked.quick else (asked.turns, [int(size) for size in asked.nodes.split(",")])
    parts = asked.only.split(",")
    with tempfile.TemporaryDirectory(prefix="syncline-engines-") as name:
        folder = pathlib.Path(name)
        for part in ["bytes", "rows"]:
            (folder / part).mkdir()
        engines = []
        try:
            if {"starts", "loss"} & set(parts):
                engines = engines_here(folder, binary)
            if "starts" in parts:
                starts(engines, binary, folder, sizes, turns)
            if "loss" in parts:
                losses(engines, binary, folder, turns)
        finally:
            for engine in engines:
                engine.close()
        if "bytes" in parts:
            bytes_on_the_wire(binary, folder)


if __name__ == "__main__":
    main()
