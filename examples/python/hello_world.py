"""One node that says hello, and one that is said hello to.

    python examples/python/hello_world.py            # on threads
    python examples/python/hello_world.py processes
    python examples/python/hello_world.py sim
"""

import sys

import syncline


class Greeter:
    """Says hello to whoever calls."""

    def greet(self, name):
        return f"Hello {name}!"


def visit(greeter):
    print(greeter.greet("World"))


program = syncline.Program("hello_world")
greeter = program.service("greeter", Greeter)
program.node("visitor", visit, greeter)
program.run(*sys.argv[1:])
