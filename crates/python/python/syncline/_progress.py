"""How far a loop is, for whoever looks on: a line that changes, in a notebook and on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, Optional

#: Seconds between two changes of the line.
_EVERY = 0.25


class Progress:
    """A line in a notebook, or on a terminal's standard error; elsewhere nothing."""

    def __init__(self) -> None:
        self._begun = self._shown = time.monotonic()
        self._cell: Optional[Any] = None
        shell = notebook()
        if shell is not None:
            self._cell = shell.display({"text/plain": ""}, raw=True, display_id=True)
        self._is_on_terminal = self._cell is None and sys.stderr is not None and sys.stderr.isatty()

    @property
    def is_seen(self) -> bool:
        """Whether there is anybody to look."""
        return self._cell is not None or self._is_on_terminal

    def tell(self, line: str, *, last: bool = False) -> None:
        """Shows a line in place of the one before, unless that has just been shown."""
        now = time.monotonic()
        if not self.is_seen or (now - self._shown < _EVERY and not last):
            return
        self._shown = now
        line = f"{line}, {now - self._begun:.0f} s"
        if self._cell is not None:
            self._cell.update({"text/plain": line}, raw=True)
        else:
            print(f"\r\x1b[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)


def notebook() -> Optional[Any]:
    """IPython's ``display`` module, where this process is a notebook's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython import display  # type: ignore[import-not-found, unused-ignore]

    return display
