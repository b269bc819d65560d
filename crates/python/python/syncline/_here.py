"""In which node this thread runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ._program import Node

_thread = threading.local()


def here() -> Optional[Node]:
    """The node of this thread; nothing outside of a program."""
    node: Optional[Node] = getattr(_thread, "node", None)
    return node


def is_here(node: Optional[Node]) -> None:
    """This thread runs in that node from now on, or in none."""
    _thread.node = node
