"""A parameter server of plain services: two learners fetch parameters, compute gradients on their rows, and hand them in.

    python examples/python/parameter_server.py
    python examples/python/parameter_server.py processes
    python examples/python/parameter_server.py sim

For training in earnest there is `syncline.join`, which has policies, optimisers and checkpoints (train_numpy.py).
"""

import sys
import threading

import numpy as np

import syncline

TRUTH = np.array([1.0, -2.0, 0.5])


class ParameterServer:
    """Holds the parameters; calls come on several threads."""

    def __init__(self, rate):
        self.rate, self.lock = rate, threading.Lock()
        self.parameters = np.zeros_like(TRUTH)

    def fetch(self):
        with self.lock:
            return self.parameters.copy()

    def update(self, gradient):
        with self.lock:
            self.parameters -= self.rate * gradient


def learn(server):
    """Asynchronous steps on rows of one's own."""
    draw = np.random.default_rng(syncline.this_node().rank)
    for _ in range(300):
        x = draw.normal(size=(16, len(TRUTH)))
        server.update(2 * x.T @ (x @ (server.fetch() - TRUTH)) / len(x))
    print(f"{syncline.this_node().name} sees {np.round(server.fetch(), 2) + 0.0}")


program = syncline.Program("parameter_server")
program.nodes("learner", 2, learn, program.service("server", ParameterServer, 0.02))
program.run(*sys.argv[1:])
