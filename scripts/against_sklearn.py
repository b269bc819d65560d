#!/usr/bin/env python3
"""Compares models trained by `syncline train` with those of scikit-learn, on the same split of its bundled data sets.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn
    cargo build --release && /tmp/venv/bin/python scripts/against_sklearn.py target/release/syncline

Prints a table for docs/measurements/against-scikit-learn.md: held-out loss (log loss, or RMSE in deviations of the training
targets) of both. Both get the same standardised features and targets; ours is trained with default flags besides --model, theirs with its defaults (no penalty for linear
models). Outside of the build, because it downloads a package.
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


def ours(folder, model, train, held_out, *flags):
    write(folder / "train.csv", *train)
    write(folder / "held_out.csv", *held_out)
    command = [SYNCLINE, "train", folder / "train.csv", "--validation", folder / "held_out.csv"]
    command += ["--model", model, "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return float("nan")
    metrics = json.loads(done.stdout)["metrics"]["validation"]
    return metrics.get("log_loss", metrics.get("rmse"))


def split(x, y, stratify):
    x = np.asarray(x, dtype=float)
    parts = train_test_split(x, y, test_size=0.25, random_state=1, stratify=y if stratify else None)
    x_train, x_held, y_train, y_held = parts
    mean, deviation = x_train.mean(0), x_train.std(0)
    deviation[deviation == 0] = 1
    return ((x_train - mean) / deviation, y_train), ((x_held - mean) / deviation, y_held)


def main():
    print("| data | model | scikit-learn | syncline |\n|---|---|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data, (x, y) in CLASSES.items():
            y = (y > 0).astype(int) if y.min() < 0 else y
            train, held_out = split(x, y, True)
            linear = "logistic" if len(set(y)) == 2 else "softmax"
            models = [
                (linear, LogisticRegression(C=1.0, max_iter=5000), ["--l2", str(1 / len(train[0]))]),
                ("mlp:64,32", MLPClassifier(hidden_layer_sizes=(64, 32), max_iter=400, random_state=1), []),
            ]
            for model, theirs, flags in models:
                theirs.fit(*train)
                loss = log_loss(held_out[1], theirs.predict_proba(held_out[0]))
                print(f"| {data} | {model} | {loss:.4f} | {ours(folder, model, train, held_out, *flags):.4f} |", flush=True)
        for data, (x, y) in NUMBERS.items():
            train, held_out = split(x, np.asarray(y, dtype=float), False)
            rows = len(train[0])
            # Targets of mean 0 and deviation 1 for both: a network of theirs needs that.
            mean, deviation = train[1].mean(), train[1].std()
            train, held_out = [(x, (y - mean) / deviation) for x, y in (train, held_out)]
            models = [
                ("linear", LinearRegression(), []),
                ("linear", Ridge(alpha=L2 * rows), ["--l2", str(L2)]),
                ("mlp:64,32", MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=2000, random_state=1), []),
            ]
            for model, theirs, flags in models:
                theirs.fit(*train)
                rmse = np.sqrt(((theirs.predict(held_out[0]) - held_out[1]) ** 2).mean())
                name = "ridge" if flags else model
                print(f"| {data} | {name} | {rmse:.4f} | {ours(folder, model, train, held_out, *flags):.4f} |", flush=True)


main()
