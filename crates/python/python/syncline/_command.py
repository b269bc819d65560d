"""The command ``syncline``, as this package brings it along."""

from __future__ import annotations

import signal
import sys

from . import _native, _run


def main() -> None:
    """Runs the command with the arguments of this process, and ends it with the command's code."""
    if sys.argv[1:2] == ["run"]:
        _run.main(sys.argv[2:])
    # The command attends to interrupts by itself; Python's handler would wait for it to return.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.run(["syncline", *sys.argv[1:]], sys.executable, ["-m", "syncline"]))
