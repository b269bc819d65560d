"""A server answers the calls of eight clients in batches of four.

    python examples/python/batching.py
    python examples/python/batching.py processes
    python examples/python/batching.py sim
"""

import sys

import numpy as np

import syncline


class Model:
    """Computes with a batch as quickly as with one."""

    def __init__(self):
        self.batches = 0

    @syncline.batched(size=4, timeout=0.2)
    def root(self, numbers):
        self.batches += 1
        return np.sqrt(numbers)

    def count(self):
        return self.batches


def ask(model):
    rank = syncline.this_node().rank
    for number in range(5):
        assert model.root(float((rank + number) ** 2)) == rank + number


def tell(model):
    while not syncline.this_node().stopped_within(0.05):
        if model.count() >= 10:
            print("forty roots in batches of up to four")
            return


program = syncline.Program("batching")
model = program.service("model", Model)
program.nodes("client", 8, ask, model)
program.node("teller", tell, model)
program.run(*sys.argv[1:])
