#!/usr/bin/env python3
"""Runs the same sleeping jobs under several policies for real, and compares completion times with the simulator's.

    scripts/live_against_simulation.py [path of the syncline binary] [--jobs 30] [--cores 4] [--seed 1] [--policy NAME ...] [--plots FOLDER]

A third of the jobs can only be run through, a third can be stopped and go on, and a third can also have two workers. They sleep in
steps of a tenth of a second, so the machine's own cores do not matter. Each policy has a daemon and a folder of its own. Printed is a
row a policy: how many decisions its recording repeats, and the mean completion time as it was and as simulated with the
recorded arrivals and the lengths that the jobs turned out to have. With --plots the jobs of each policy are drawn, as FOLDER/live-POLICY.svg.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

POLICIES = ["fifo", "srtf", "tiresias-l", "drf", "syncline"]

# Where it is stands in a file, so that it can go on. A step that is under way when it is stopped is lost.
STEPS = """n=$(cat {folder}/n 2>/dev/null || echo 0)
while [ $n -lt %d ]; do sleep 0.1; n=$((n + {workers})); echo $n > {folder}/next; mv {folder}/next {folder}/n; done"""


def workload(count, seed):
    """Jobs of two to eight seconds, one every second and a half or so."""
    draw = random.Random(seed)
    for number in range(count):
        seconds = round(draw.uniform(2, 8), 1)
        kind = number % 3
        job = {
            "name": f"job-{number}",
            "seconds": seconds,
            "resume": kind > 0,
            "workers": {"min": 1, "max": 2 if kind == 2 else 1},
            "command": ["sh", "-c", STEPS % round(10 * seconds)],
        }
        yield draw.expovariate(1 / 1.5), job


def live(binary, policy, jobs, cores, plots):
    """Runs the jobs; returns the answer of `schedule replay --simulate`."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "cluster.toml").write_text(f"[[machines]]\nname = 'box'\ncapacity = {{ cpu = {cores} }}\n")
        state = ["--state", str(place / "state")]

        def schedule(*arguments):
            return subprocess.run([binary, "schedule", *arguments], cwd=place, check=True, capture_output=True, text=True)

        daemon = subprocess.Popen(
            [binary, "schedule", "serve", *state, "--listen", "127.0.0.1:0", "--cluster", "cluster.toml", "--policy", policy],
            cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            daemon.stdout.readline()
            for gap, job in jobs:
                time.sleep(gap)
                (place / "job.json").write_text(json.dumps([job]))
                schedule("submit", "job.json", *state)
            schedule("wait", *state)
            schedule("record", "live.jsonl", *state)
            plot = ["--plot", str(plots / f"live-{policy}.svg")] if plots else []
            return json.loads(schedule("replay", "live.jsonl", "--simulate", "--json", *plot).stdout)
        finally:
            daemon.terminate()
            daemon.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="?", default="target/release/syncline")
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", action="append")
    parser.add_argument("--plots", type=Path)
    args = parser.parse_args()
    binary, plots = str(Path(args.binary).resolve()), args.plots and args.plots.resolve()
    print("| policy | decisions, all repeated | jobs | live, s | simulated, s | difference | single jobs, mean difference |")
    print("|---|---|---|---|---|---|---|")
    for policy in args.policy or POLICIES:
        answer = live(binary, policy, list(workload(args.jobs, args.seed)), args.cores, plots)
        found = answer["simulated"]
        was, would = found["live_mean_jct_seconds"], found["simulated_mean_jct_seconds"]
        print(
            f"| `{policy}` | {answer['decisions']} | {found['jobs']} | {was:.2f} | {would:.2f} | {100 * (would / was - 1):+.1f} % "
            f"| {100 * found['mean_job_difference']:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
