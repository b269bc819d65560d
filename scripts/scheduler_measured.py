#!/usr/bin/env python3
"""Measures the scheduler: what a decision costs with a long queue, submissions a second, and how soon a killed daemon is back.

    scripts/scheduler_measured.py [--binary target/release/syncline] [--example target/release/examples/decision_cost]
                                  [--machines 1000] [--jobs 10000] [--limit 60] [--only decisions|live|resize]

Decisions: the example runs once a policy, and is ended after --limit seconds. Submissions: one connection sends jobs that wait behind
a full machine, one a request and then hundred a request; each is on the disk before it is answered. Recovery: with that queue, and jobs
that run, the daemon is killed with SIGKILL and started again with the same folder; the time until it answers, and what has become of
the jobs. Resizes: a training job of ten million parameters grows from one worker to two when another job ends, once told of it while it
runs and once by a checkpoint, a stop and a start; the time from the decision until it has the size, and the longest time in which it
trained on nothing meanwhile. Printed are tables in Markdown.
"""

import argparse
import http.client
import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

POLICIES = (
    "pd-ors oasis dorm drf fifo rrh srtf srsf tiresias-l optimus gavel-las gavel-las-aware pollux sia syncline".split()
)


def decisions(example, machines, jobs, limit):
    print(f"\n{machines} machines of 4 GPUs, {jobs} jobs at once\n")
    print("| policy | all at once, s | one event, ms | memory, MB | running |\n|---|---|---|---|---|")
    for policy in POLICIES:
        command = [example, policy, str(machines), str(jobs)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            print(f"| `{policy}` | more than {limit:.0f} | - | - | - |", flush=True)
            continue
        if run.returncode != 0:
            print(f"| `{policy}` | fails: {run.stderr.strip().splitlines()[-1]} | - | - | - |", flush=True)
            continue
        found = json.loads(run.stdout)
        print(
            f"| `{policy}` | {found['first_decision_seconds']:.2f} | {1e3 * found['median_decision_seconds']:.1f} "
            f"| {found['peak_memory_mb']:.0f} | {found['running']} |",
            flush=True,
        )


class Daemon:
    def __init__(self, binary, place, policy="fifo"):
        self.binary, self.place, self.policy = binary, Path(place), policy
        (self.place / "cluster.toml").write_text("[[machines]]\nname = 'box'\ncapacity = { cpu = 2 }\n")
        self.start()

    def start(self):
        """Seconds until it has answered a request."""
        begun = time.monotonic()
        command = [self.binary, "schedule", "serve", "--state", "state", "--listen", "127.0.0.1:0"]
        command += ["--cluster", "cluster.toml", "--policy", self.policy]
        self.process = subprocess.Popen(
            command, cwd=self.place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        address, self.token = self.process.stdout.readline().strip().removeprefix("http://").split("/#")
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.ask("GET", "/api/status")
        return time.monotonic() - begun

    def ask(self, method, path, body=None):
        head = {"Authorization": f"Bearer {self.token}"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, head)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        """Cancels what waits, then what runs, and waits until it has stopped."""
        jobs = self.ask("GET", "/api/status")["jobs"]
        for state in ("waiting", "running"):
            for job in (job for job in jobs if job["state"] == state):
                self.ask("DELETE", f"/api/jobs/{job['id']}")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if all(job["state"] == "cancelled" for job in self.ask("GET", "/api/status")["jobs"]):
                break
            time.sleep(0.2)
        self.process.terminate()
        self.process.wait()


def sleeper(seconds):
    return {"command": ["sleep", str(seconds)], "seconds": seconds, "workers": {"min": 2, "max": 2}}


def submissions(daemon, count=300, batches=10, batch=100):
    daemon.ask("POST", "/api/jobs", {"jobs": [sleeper(3600)]})
    begun = time.monotonic()
    for _ in range(count):
        daemon.ask("POST", "/api/jobs", {"jobs": [sleeper(3600)]})
    single = count / (time.monotonic() - begun)
    begun = time.monotonic()
    for _ in range(batches):
        daemon.ask("POST", "/api/jobs", {"jobs": [sleeper(3600)] * batch})
    many = batches * batch / (time.monotonic() - begun)
    print(f"\nsubmissions a second: {single:.0f} one at a time, {many:.0f} a hundred at a time")


def recovery(daemon):
    before = daemon.ask("GET", "/api/status")["jobs"]
    daemon.kill()
    seconds = daemon.start()
    after = daemon.ask("GET", "/api/status")["jobs"]
    same = [(job["id"], job["state"], job["attempts"]) for job in before] == [
        (job["id"], job["state"], job["attempts"]) for job in after
    ]
    states = {state: sum(job["state"] == state for job in after) for state in {job["state"] for job in after}}
    print(f"recovery after SIGKILL: {seconds:.2f} s with {len(after)} jobs ({states}); as before: {'yes' if same else 'NO'}")


# Ten million parameters, between the two hidden layers.
TRAINING = 'workers = 2\nepochs = 100000\nmodel = "mlp:3150,3150"\nbatch = 4\nsync = "bsp"\n'


def training(while_it_runs):
    command = ["syncline", "schedule", "train", "{folder}", "--servers", "{servers}"]
    job = {"name": "learns", "files": {"job.toml": TRAINING}, "workers": {"min": 1, "max": 2}, "seconds": 3600}
    job |= {"resume": True, "pin": True, "grace": 120, "command": command}
    if while_it_runs:
        job["command"] = [*command, "--elastic", "{workers}"]
        job["scale"] = ["syncline", "schedule", "scale", "{folder}", "--workers", "{workers}"]
    return job


def progress(folder):
    """Samples trained on, as far as the run has said so."""
    lines = (folder / "progress.jsonl").read_text().splitlines() if (folder / "progress.jsonl").exists() else []
    return json.loads(lines[-1])["samples"] if lines else 0


def until(what, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)
    return found


def resize(binary, while_it_runs):
    """Seconds until it has its size, and the longest time without a new sample."""
    place = tempfile.mkdtemp()
    daemon = Daemon(binary, place, "drf")
    try:
        other = {"name": "other", "command": ["sleep", "3600"], "seconds": 60}
        daemon.ask("POST", "/api/jobs", {"jobs": [other, training(while_it_runs)]})
        folder = Path(place) / "state/runs/j1/files/run"
        until(lambda: progress(folder) > 0)
        time.sleep(10)
        # It has closed a connection that said nothing for so long.
        daemon.connection.close()
        daemon.ask("DELETE", "/api/jobs/other")
        until(lambda: daemon.ask("GET", "/api/jobs/other")["state"] == "cancelled")
        begun = latest = time.monotonic()
        samples, longest, has_it = progress(folder), 0.0, None
        while has_it is None or time.monotonic() < has_it + 20:
            job = daemon.ask("GET", "/api/jobs/learns")
            if has_it is None and job["state"] == "running" and job["workers"] == 2:
                has_it = time.monotonic()
            longest = max(longest, time.monotonic() - latest)
            if (now := progress(folder)) != samples:
                samples, latest = now, time.monotonic()
            time.sleep(0.02)
        return has_it - begun, longest, job["attempts"]
    finally:
        daemon.end()
        shutil.rmtree(place, ignore_errors=True)


def resizes(binary):
    print("\n| 1 to 2 workers | has them after, s | longest time without a new sample, s | starts |\n|---|---|---|---|")
    for name, while_it_runs in (("told while it runs", True), ("checkpoint, stop and start", False)):
        after, longest, attempts = resize(binary, while_it_runs)
        print(f"| {name} | {after:.1f} | {longest:.1f} | {attempts} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/syncline")
    parser.add_argument("--example", default="target/release/examples/decision_cost")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--only", choices=["decisions", "live", "resize"])
    args = parser.parse_args()
    if args.only in (None, "resize"):
        resizes(str(Path(args.binary).resolve()))
    if args.only in (None, "decisions"):
        decisions(str(Path(args.example).resolve()), args.machines, args.jobs, args.limit)
    if args.only in (None, "live"):
        place = tempfile.mkdtemp()
        daemon = Daemon(str(Path(args.binary).resolve()), place)
        try:
            submissions(daemon)
            recovery(daemon)
        finally:
            if daemon.process.poll() is None:
                daemon.end()
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
