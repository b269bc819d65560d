#!/usr/bin/env python3
"""Compares models trained by `syncline train` with those of scikit-learn, on the same splits of its bundled data sets.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn
    cargo build --release && /tmp/venv/bin/python scripts/against_sklearn.py target/release/syncline [SPLITS [DATA ...]]

Prints a table for docs/measurements/against-scikit-learn.md: the held-out loss of both (log loss, or RMSE in deviations of
the training targets), mean over several splits, each with a seed of its own, and how many standard errors ours is larger.
Splits of one data set share rows, so the standard error is that of Nadeau and Bengio (2003), for a quarter held out. Both
get the same standardised features and targets; ours has the default flags besides --model and, where theirs has a penalty,
--l2; theirs has its defaults, with as many iterations as it wants. Outside of the build, because it downloads a package.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.filterwarnings("ignore")
SYNCLINE = sys.argv[1]
SPLITS = int(sys.argv[2]) if len(sys.argv) > 2 else 8
WANTED = sys.argv[3:]
HELD_OUT = 0.25
L2 = 0.1

CLASSES = {
    "iris": datasets.load_iris(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "breast cancer": datasets.load_breast_cancer(return_X_y=True),
    "digits": datasets.load_digits(return_X_y=True),
    "moons": datasets.make_moons(1500, noise=0.25, random_state=1),
    "hastie": tuple(datasets.make_hastie_10_2(3000, random_state=1)),
}
NUMBERS = {
    "diabetes": datasets.load_diabetes(return_X_y=True),
    "linnerud": (lambda d: (d.data, d.target[:, 0]))(datasets.load_linnerud()),
    "friedman 1": datasets.make_friedman1(1500, noise=1.0, random_state=1),
    "friedman 2": datasets.make_friedman2(1500, noise=50.0, random_state=1),
}


def write(path, x, y):
    header = ",".join(f"f{i}" for i in range(x.shape[1])) + ",y"
    labels = y if y.dtype.kind == "f" else [f"c{int(label)}" for label in y]
    rows = (",".join(f"{v:.7g}" for v in row) + f",{label}" for row, label in zip(x, labels))
    path.write_text("\n".join([header, *rows]) + "\n")


def ours(folder, model, train, held_out, seed, flags):
    write(folder / "train.csv", *train)
    write(folder / "held_out.csv", *held_out)
    task = "regression" if train[1].dtype.kind == "f" else "classification"
    command = [SYNCLINE, "train", folder / "train.csv", "--validation", folder / "held_out.csv", "--task", task]
    command += ["--model", model, "--seed", str(seed), "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} failed: {done.stderr}")
    metrics = json.loads(done.stdout)["metrics"]["validation"]
    return metrics.get("log_loss", metrics.get("rmse"))


def split(x, y, classes, seed):
    """A training and a held-out part: features, and targets that are numbers, with mean 0 and deviation 1 in training."""
    x_train, x_held, y_train, y_held = train_test_split(
        np.asarray(x, dtype=float), y, test_size=HELD_OUT, random_state=seed, stratify=y if classes else None
    )
    mean, deviation = x_train.mean(0), x_train.std(0)
    deviation[deviation == 0] = 1
    x_train, x_held = (x_train - mean) / deviation, (x_held - mean) / deviation
    if not classes:
        # A network of theirs needs that.
        mean, deviation = y_train.mean(), y_train.std()
        y_train, y_held = (y_train - mean) / deviation, (y_held - mean) / deviation
    return (x_train, y_train), (x_held, y_held)


def models(classes, rows, seed):
    """Name, model of theirs, model of ours, flags of ours."""
    if classes:
        linear = "logistic" if classes == 2 else "softmax"
        penalty = ["--l2", str(1 / rows)]
        network = MLPClassifier(hidden_layer_sizes=(64, 32), max_iter=2000, random_state=seed)
        yield linear, LogisticRegression(C=1.0, max_iter=5000), linear, penalty
    else:
        network = MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=2000, random_state=seed)
        yield "linear", LinearRegression(), "linear", []
        yield "ridge", Ridge(alpha=L2 * rows), "linear", ["--l2", str(L2)]
    yield "mlp:64,32", network, "mlp:64,32", []


def loss(theirs, x, y, classes):
    if classes:
        return log_loss(y, theirs.predict_proba(x), labels=theirs.classes_)
    return np.sqrt(((theirs.predict(x) - y) ** 2).mean())


def compare(folder, data, x, y, classes):
    if WANTED and data not in WANTED:
        return
    found = {}
    for seed in range(1, SPLITS + 1):
        train, held_out = split(x, y, classes, seed)
        for name, theirs, model, flags in models(classes, len(train[0]), seed):
            theirs.fit(*train)
            pair = loss(theirs, *held_out, classes), ours(folder, model, train, held_out, seed, flags)
            found.setdefault(name, []).append(pair)
    for name, pairs in found.items():
        theirs, our = np.array(pairs).T
        error = (our - theirs).std(ddof=1) * np.sqrt(1 / SPLITS + HELD_OUT / (1 - HELD_OUT))
        off = (our - theirs).mean() / error
        print(f"| {data} | {name} | {theirs.mean():.4f} | {our.mean():.4f} | {off:+.1f} |", flush=True)


def main():
    print("| data | model | scikit-learn | syncline | standard errors |\n|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        for data, (x, y) in CLASSES.items():
            y = (y > 0).astype(int) if y.min() < 0 else y
            compare(Path(name), data, x, y, len(set(y)))
        for data, (x, y) in NUMBERS.items():
            compare(Path(name), data, x, np.asarray(y, dtype=float), 0)


main()
