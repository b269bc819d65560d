#!/usr/bin/env python3
"""`syncline.trace.report` beside the binary's `syncline trace report --json`, of the same log.

    scripts/against_binary.py LOG ... [--binary target/release/syncline] [--turns 7]

Needs the package syncline, built as the binary is. Each turn reads each log by the binary (a process), by Python in a process of its own, of which the call
alone is timed as well, so that a busy moment of the machine meets all. What is told is the median of the turns, with the least and the most.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

CALL = """
import sys, time, syncline
begun = time.perf_counter()
report = syncline.trace.report(sys.argv[1])
print(time.perf_counter() - begun, report.tasks)
"""


def by_binary(binary, log):
    begun = time.perf_counter()
    subprocess.run([binary, "trace", "report", log, "--json"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def by_python(log):
    """The process and the call within it."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CALL, log], check=True, capture_output=True, text=True)
    return time.perf_counter() - begun, float(done.stdout.split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", metavar="LOG")
    parser.add_argument("--binary", default="target/release/syncline")
    parser.add_argument("--turns", type=int, default=7)
    asked = parser.parse_args()
    print("| log | MB | by | s | least .. most | beside the binary |\n|---|--:|---|--:|--:|--:|")
    for log in asked.logs:
        turns = {"the binary": [], "Python, the process": [], "Python, the call": []}
        for _ in range(asked.turns):
            turns["the binary"].append(by_binary(asked.binary, log))
            process, call = by_python(log)
            turns["Python, the process"].append(process)
            turns["Python, the call"].append(call)
        binary = statistics.median(turns["the binary"])
        for by, times in turns.items():
            middle = statistics.median(times)
            told = f"{middle:.3f} | {min(times):.3f} .. {max(times):.3f} | {middle / binary:.2f}"
            print(f"| {Path(log).name} | {Path(log).stat().st_size / 1e6:.1f} | {by} | {told} |", flush=True)


if __name__ == "__main__":
    main()
