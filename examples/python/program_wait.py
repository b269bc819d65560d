"""Nodes that work until the program is asked to stop, and clean up after themselves.

    python examples/python/program_wait.py
    python examples/python/program_wait.py processes
    python examples/python/program_wait.py sim
"""

import sys

import syncline


def works():
    node, rounds = syncline.this_node(), 0
    while not node.stopped_within(0.01):
        rounds += 1
    print(f"{node.name} cleans up after {'some' if rounds else 'no'} rounds")


def stops():
    syncline.this_node().sleep(0.5)
    print("now all stop")
    syncline.this_node().stop()


program = syncline.Program("program_wait")
program.nodes("worker", 2, works)
program.node("stopper", stops)
running = program.launch(*sys.argv[1:])
running.wait()
print("all have stopped")
