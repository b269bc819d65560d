"""Ctrl-C: every long call ends by one ``KeyboardInterrupt``, and what comes after it is the script's own."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

# A script with a long call, which goes on when that was interrupted, and is interrupted once more when nothing of ours runs.
SCRIPT = """
import sys, time
import numpy as np
import syncline
from syncline import federated, queue, schedule


class Slow(federated.Client):
    def __init__(self, number):
        pass

    def fit(self, parameters, config):
        time.sleep(0.1)
        return parameters, 1, {}


def attentive():
    while not syncline.this_node().stopped_within(0.05):
        pass


def program(body):
    found = syncline.Program("long")
    found.nodes("worker", 2, body)
    return found


def train():
    weights = np.zeros(2, dtype="f4")
    worker = syncline.join(weights, steps_per_epoch=10**6, sync="ssp:2")
    while worker.goes_on:
        time.sleep(0.001)
        worker.step(weights)


calls = {
    "queue": lambda: queue.simulate(system="fork-join", workers=64, arrivals="exp:0.5", service="exp:1", jobs=10**9),
    "schedule": lambda: schedule.simulate(policy="srtf", jobs=20_000, machines=500, seeds="1..1000"),
    "federated": lambda: federated.run(Slow, np.zeros(2), clients=3, rounds=10_000),
    "federated threads": lambda: federated.run(Slow, np.zeros(2), clients=3, rounds=10_000, on="threads", nodes=3),
    "federated processes": lambda: federated.run(Slow, np.zeros(2), clients=3, rounds=10_000, on="processes", nodes=2),
    "program threads": lambda: program(attentive).run(),
    "program processes": lambda: program(attentive).run("processes"),
    "program sim": lambda: program(attentive).run("sim"),
    "train": train,
}
print("begins", flush=True)
try:
    calls[sys.argv[1]]()
except KeyboardInterrupt:
    for _ in range(3):
        print("cleans up", flush=True)
        time.sleep(0.02)
try:
    print("goes on", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("ends", flush=True)
"""

CALLS = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('    "')]


class Started:
    """A script whose lines are waited for."""

    def __init__(self, folder, *arguments):
        script = folder / "long.py"
        script.write_text(textwrap.dedent(SCRIPT))
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr))
        self.reader.start()
        self.watch = threading.Timer(60, self.process.kill)
        self.watch.start()

    def line(self):
        return self.process.stdout.readline().strip()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self):
        code = self.process.wait()
        self.watch.cancel()
        self.reader.join()
        return code, "".join(self.errors)


@pytest.mark.parametrize("call", CALLS)
def test_a_long_call_is_interrupted_once(tmp_path, call):
    script = Started(tmp_path, call)
    said = [script.line()]
    time.sleep(1.5)
    script.interrupt()
    said += [script.line() for _ in range(4)]
    time.sleep(0.2)
    script.interrupt()
    said.append(script.line())
    code, errors = script.end()
    assert said == ["begins", "cleans up", "cleans up", "cleans up", "goes on", "ends"], (said, errors)
    assert code == 0 and "panicked" not in errors and "Fatal" not in errors, (code, errors)
