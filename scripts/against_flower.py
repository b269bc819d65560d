#!/usr/bin/env python3
"""The same FedAvg on the same clients by `syncline federate` and by Flower's simulation: accuracy, time and memory as ratios.

    scripts/against_flower.py [path of the syncline binary] [--clients 20] [--rounds 20] [--rows 200] [--secure NEIGHBOURS]

With --secure both sum by SecAgg+ with so many neighbours a client, 22 bits a value, and bytes are told too: Flower's are those of the
contents of all messages between server and clients, as it serialises them, ours are counted as messages are made.

Needs pip packages: flwr[simulation], numpy. Each client has a CSV file of its own; both train softmax regression from zeros with
the same rate, batch and passes over the rows, all clients in every round, and both are judged on the same held-out file. Rows are
gone through in orders of their own, so accuracies agree but for chance. Flower's clients compute with NumPy. Memory is the largest sum, over the
processes of a run, of their proportional share of pages, looked at four times a second.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FEATURES, CLASSES, RATE, BATCH = 20, 5, 0.1, 20


def make(folder, clients, rows):
    import numpy as np

    random = np.random.default_rng(1)
    teacher = random.normal(size=(FEATURES, CLASSES))
    names = [f"x{at}" for at in range(FEATURES)] + ["label"]

    def write(path, count, centre):
        x = random.normal(size=(count, FEATURES)) + centre
        y = (x @ teacher + random.normal(size=(count, CLASSES))).argmax(axis=1)
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(names)
            table.writerows([*(f"{value:.5f}" for value in row), f"c{label}"] for row, label in zip(x, y))

    for client in range(clients):
        write(folder / f"client-{client:03}.csv", rows, random.normal(scale=0.3, size=FEATURES))
    write(folder / "held-out.csv", 2000, 0.0)


def read(path):
    import numpy as np

    with open(path, newline="") as file:
        table = list(csv.reader(file))[1:]
    x = np.array([[float(cell) for cell in row[:-1]] for row in table], dtype=np.float32)
    return x, np.array([int(row[-1][1:]) for row in table])


def counting(folder):
    """What notes the bytes of each message that a client of Flower gets and sends."""
    from flwr.common.serde import recorddict_to_proto

    def count(message, context, call_next):
        down = recorddict_to_proto(message.content).ByteSize()
        reply = call_next(message, context)
        up = recorddict_to_proto(reply.content).ByteSize() if reply.has_content() else 0
        with open(folder / f"bytes-{context.node_id}", "a") as file:
            file.write(f"{down} {up}\n")
        return reply

    return count


def flower(folder, clients, rounds, secure):
    """Runs Flower's simulation in this process and prints the accuracy."""
    import numpy as np
    from flwr.client import ClientApp, NumPyClient
    from flwr.client.mod import secaggplus_mod
    from flwr.common import ndarrays_to_parameters
    from flwr.server import LegacyContext, ServerApp, ServerAppComponents, ServerConfig
    from flwr.server.strategy import FedAvg
    from flwr.simulation import run_simulation

    held_out = read(folder / "held-out.csv")
    accuracies = []

    class Client(NumPyClient):
        def __init__(self, number):
            self.x, self.y = read(folder / f"client-{number:03}.csv")
            self.random = np.random.default_rng(number)

        def fit(self, parameters, config):
            weights, bias = (part.copy() for part in parameters)
            order = self.random.permutation(len(self.y))
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                logits = self.x[rows] @ weights + bias
                shares = np.exp(logits - logits.max(axis=1, keepdims=True))
                shares /= shares.sum(axis=1, keepdims=True)
                shares[np.arange(len(rows)), self.y[rows]] -= 1
                weights -= RATE * self.x[rows].T @ shares / len(rows)
                bias -= RATE * shares.mean(axis=0)
            # Weights above SecAgg+'s largest would be cut; all clients have equally many rows.
            return [weights, bias], 1 if secure else len(self.y), {}

    def judge(_round, parameters, _config):
        weights, bias = parameters
        accuracies.append(float(((held_out[0] @ weights + bias).argmax(axis=1) == held_out[1]).mean()))
        return 0.0, {"accuracy": accuracies[-1]}

    def components():
        start = [np.zeros((FEATURES, CLASSES), np.float32), np.zeros(CLASSES, np.float32)]
        strategy = FedAvg(
            fraction_fit=1.0,
            fraction_evaluate=0.0,
            min_available_clients=clients,
            evaluate_fn=judge,
            initial_parameters=ndarrays_to_parameters(start),
        )
        return strategy, ServerConfig(num_rounds=rounds)

    def client(context):
        return Client(int(context.node_config["partition-id"])).to_client()

    if secure:
        app = ServerApp()

        @app.main()
        def main(grid, context):
            from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow

            strategy, config = components()
            context = LegacyContext(context=context, config=config, strategy=strategy)
            sums = SecAggPlusWorkflow(secure + 1, secure * 2 // 3 + 1, max_weight=1.0, clipping_range=1.0)
            DefaultWorkflow(fit_workflow=sums)(grid, context)
    else:

        def server(_context):
            strategy, config = components()
            return ServerAppComponents(strategy=strategy, config=config)

        app = ServerApp(server_fn=server)
    run_simulation(
        server_app=app,
        client_app=ClientApp(client_fn=client, mods=[counting(folder), *([secaggplus_mod] if secure else [])]),
        num_supernodes=clients,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    noted = [line.split() for file in folder.glob("bytes-*") for line in file.read_text().splitlines()]
    down, up = (sum(int(pair[at]) for pair in noted) for at in (0, 1))
    print(json.dumps({"accuracy": accuracies[-1], "down": down, "up": up}))


def tree(root):
    """The processes that a process has started, itself among them."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting.extend(children.get(process, []))
    return found


def memory(root):
    total = 0
    for process in tree(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def measure(command):
    """Seconds, MiB, and what a command prints last."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most, done = [0.0], threading.Event()

    def watch():
        while not done.wait(0.25):
            most[0] = max(most[0], memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, err = process.communicate()
    took = time.monotonic() - start
    done.set()
    watcher.join()
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed: {err[-2000:]}")
    return took, most[0], out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default="target/release/syncline")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--secure", type=int, default=0, metavar="NEIGHBOURS")
    parser.add_argument("--flower", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flower:
        return flower(Path(arguments.flower), arguments.clients, arguments.rounds, arguments.secure)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, arguments.clients, arguments.rows)
        files = sorted(str(path) for path in folder.glob("client-*.csv"))
        ours = [os.path.abspath(arguments.binary), "federate", *files, "--clients", "files", "--no-standardize", "--json"]
        ours += ["--validation", str(folder / "held-out.csv"), "--rounds", str(arguments.rounds)]
        ours += ["--lr", str(RATE), "--batch", str(BATCH)]
        if arguments.secure:
            neighbours = "all" if arguments.secure == arguments.clients - 1 else str(arguments.secure)
            ours += ["--secure-sum", neighbours, "--secure-bits", "22"]
        theirs = [sys.executable, __file__, "--flower", name, "--secure", str(arguments.secure)]
        theirs += ["--clients", str(arguments.clients), "--rounds", str(arguments.rounds)]
        own_s, own_mib, out = measure(ours)
        own = json.loads(out)
        flower_s, flower_mib, out = measure(theirs)
        other = json.loads(out.strip().splitlines()[-1])
    each = arguments.clients * arguments.rounds
    (own_down, own_up) = (own["totals"][name] / each for name in ("down_bytes", "up_bytes"))
    (other_down, other_up), own = (other["down"] / each, other["up"] / each), own["validation"]["accuracy"]
    other = other["accuracy"]
    how = f", SecAgg+ with {arguments.secure} neighbours" if arguments.secure else ""
    print(f"{arguments.clients} clients of {arguments.rows} rows, {arguments.rounds} rounds{how}")
    print(f"{'':10} {'accuracy':>9} {'seconds':>9} {'MiB':>9} {'bytes up':>9} {'bytes down':>10}  (a client and round)")
    print(f"{'syncline':10} {own:9.4f} {own_s:9.2f} {own_mib:9.0f} {own_up:9.0f} {own_down:10.0f}")
    print(f"{'Flower':10} {other:9.4f} {flower_s:9.2f} {flower_mib:9.0f} {other_up:9.0f} {other_down:10.0f}")
    ratios = [flower_s / own_s, flower_mib / own_mib, other_up / own_up, other_down / own_down]
    print(f"{'ratio':10} {other - own:+9.4f}" + "".join(f" {ratio:9.1f}" for ratio in ratios))


if __name__ == "__main__":
    main()
