"""A consumer asks three producers at once, and adds up what they make.

    python examples/python/consumer_producers.py
    python examples/python/consumer_producers.py processes
    python examples/python/consumer_producers.py sim
"""

import sys

import numpy as np

import syncline


class Producer:
    """Makes work of a certain kind."""

    def __init__(self, kind):
        self.kind = kind

    def work(self, context):
        return np.full(4, self.kind + context)


class Consumer:
    """Asks all producers in each of ten rounds."""

    def __init__(self, producers):
        self.producers = producers

    def run(self):
        total = 0
        for context in range(10):
            asked = [producer.futures.work(context) for producer in self.producers]
            total += sum(int(future.result().sum()) for future in asked)
        print(f"{len(self.producers)} producers made {total}")
        syncline.this_node().stop()


program = syncline.Program("consumer_producers")
producers = [program.service(f"producer-{kind}", Producer, kind) for kind in range(3)]
program.service("consumer", Consumer, producers)
program.run(*sys.argv[1:])
