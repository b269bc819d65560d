"""Clinics that learn one model of least squares without showing their rows: a client for each, and a secure sum.

    python examples/python/federated_numpy.py
    python examples/python/federated_numpy.py threads
    python examples/python/federated_numpy.py processes

Without an argument time is virtual, some clinics are slow, and a round waits for six of eight. With PyTorch a client puts the
parameters into its module by `federated.put`, and gives them back by `federated.arrays_of`.
"""

import sys

import numpy as np

from syncline import federated

TRUTH = np.array([1.0, -2.0, 0.5])
ROWS = [30 + 10 * clinic for clinic in range(8)]


class Clinic(federated.Client):
    """Rows around a centre of its own, so that no two clinics are alike."""

    def __init__(self, number):
        draw = np.random.default_rng(number)
        self.x = draw.normal(loc=draw.normal(size=3) / 2, size=(ROWS[number], 3))
        self.y = self.x @ TRUTH + draw.normal(scale=0.1, size=ROWS[number])

    def fit(self, parameters, config):
        (weights,) = parameters
        for _ in range(10):
            weights -= 0.1 * self.x.T @ (self.x @ weights - self.y) / len(self.y)
        return [weights], len(self.y), {}

    def evaluate(self, parameters, config):
        return float(((self.x @ parameters[0] - self.y) ** 2).mean()), len(self.y), {}


on = sys.argv[1] if len(sys.argv) > 1 else None
devices = {"speeds": "exp", "step_time": "10s", "quorum": 6} if on is None else {"on": on, "nodes": 4}
trained = federated.run(
    Clinic, [np.zeros(3)], clients=8, examples=ROWS, rounds=15, secure_sum="all", secure_clip=4.0, **devices
)
print(trained)
print(f"learned {np.round(trained.parameters[0], 1) + 0.0}, where no server saw a clinic's rows or its model")
