#!/usr/bin/env python3
"""When do jobs start: Slurm's own `squeue --start` and `syncline schedule plan --from`, against when they do.

    against_squeue.py record FOLDER             # fills the queue of the Slurm that SLURM_CONF names; needs an idle cluster
    against_squeue.py compare FOLDER [SYNCLINE] # can be done later, anywhere

`record` submits sleeping jobs that use less than their limits, keeps snapshots of the queue with what
`squeue --start` says at the same time, waits until all jobs have started, and keeps when they did.
"""

import argparse
import calendar
import json
import pathlib
import random
import statistics
import subprocess
import time


def out(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def submit(chance):
    """A job of 1 to 16 cores for 1 to 5 minutes, of which it uses two fifths in the mean."""
    limit = chance.choice([1, 2, 3, 5])
    used = max(2, int(60 * limit * min(1.0, chance.betavariate(1.5, 2.5))))
    cores = chance.choices([1, 2, 4, 8, 16], [30, 30, 25, 10, 5])[0]
    nodes = max(1, cores // 4)
    command = ["sbatch", "--parsable", "-o", "/dev/null", f"--job-name=used-{used}", "-n", str(cores), "-N", str(nodes)]
    return out(*command, "-t", str(limit), "--wrap", f"exec sleep {used}").strip()


def snapshot(folder, name):
    here = folder / name
    here.mkdir(parents=True)
    (here / "squeue.json").write_text(out("squeue", "--json"))
    (here / "sinfo.json").write_text(out("sinfo", "--json"))
    (here / "partitions.txt").write_text(out("scontrol", "-o", "show", "partition"))
    (folder / f"{name}.start.txt").write_text(out("squeue", "--start", "-h", "-o", "%i %S"))


def record(given):
    chance = random.Random(given.seed)
    given.folder.mkdir(parents=True)
    jobs = [submit(chance) for _ in range(given.jobs)]
    begun, starts, left = time.time(), {}, list(given.at)
    while not starts.keys() >= set(jobs):
        for job in json.loads(out("squeue", "--json"))["jobs"]:
            if job["job_state"] not in ("PENDING", "CONFIGURING") and job["start_time"]:
                starts[str(job["job_id"])] = job["start_time"]
        (given.folder / "starts.json").write_text(json.dumps(starts))
        if left and time.time() - begun >= left[0]:
            snapshot(given.folder, f"at-{left.pop(0):.0f}")
        time.sleep(10)


def said_by_slurm(path):
    """Starts by job; the times are those of the cluster's zone, which is UTC here."""
    said = {}
    for line in path.read_text().splitlines():
        job, when = line.split()
        if when != "N/A":
            said[job] = calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%S"))
    return said


def compare(given):
    starts = json.loads((given.folder / "starts.json").read_text())
    print("| snapshot | waiting | `squeue --start` says | its mean error | ours by limits | ours likely, middle | within the interval | its width |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for here in sorted(given.folder.glob("at-*/"), key=lambda path: int(path.name[3:])):
        plan = json.loads(out(given.syncline, "schedule", "plan", "--from", str(here), "--json"))
        slurm = said_by_slurm(given.folder / f"{here.name}.start.txt")
        theirs, same, limits, likely, within, width = [], [], [], [], [], []
        for job in plan["waiting"]:
            real = starts.get(job["job"])
            if real is None or job["start_likely_unix_seconds"] is None:
                continue
            low, middle, high = job["start_likely_unix_seconds"]
            if job["job"] in slurm:
                theirs.append(abs(slurm[job["job"]] - real))
                same.append(abs(middle - real))
            limits.append(abs(job["start_by_limits_unix_seconds"] - real))
            likely.append(abs(middle - real))
            within.append(low - 1 <= real <= high + 1)
            width.append(high - low)
        mean = lambda values: f"{statistics.mean(values):.0f} s" if values else "-"
        waiting = len(plan["waiting"])
        print(f"| {here.name[3:]} s | {waiting} | {len(theirs)} jobs | {mean(theirs)} (ours on these: {mean(same)}) | {mean(limits)} "
              f"| {mean(likely)} | {100 * statistics.mean(within):.0f} % | {mean(width)} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(required=True)
    recording = commands.add_parser("record")
    recording.add_argument("folder", type=pathlib.Path)
    recording.add_argument("--jobs", type=int, default=240)
    recording.add_argument("--at", type=float, nargs="*", default=[60, 240, 480], help="seconds after the last was submitted")
    recording.add_argument("--seed", type=int, default=1)
    recording.set_defaults(run=record)
    comparing = commands.add_parser("compare")
    comparing.add_argument("folder", type=pathlib.Path)
    comparing.add_argument("syncline", nargs="?", default="syncline")
    comparing.set_defaults(run=compare)
    given = arguments.parse_args()
    given.run(given)


main()
