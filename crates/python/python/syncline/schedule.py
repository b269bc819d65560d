"""Many jobs on one cluster: policies compared by simulation, and what a planner makes of a job.

>>> from syncline import schedule
>>> found = schedule.simulate(policy=["fifo", "srtf"], jobs=10, machines=5, seeds="1..2")
>>> [policy.name for policy in found.policies]
['fifo', 'srtf']
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional, Union

from ._ask import Path, path
from ._ask import ask as _ask
from ._document import Document
from ._frames import frame as _frame

if TYPE_CHECKING:
    import pandas

__all__ = ["PolicyResult", "Simulation", "bound", "plan", "replay", "simulate"]


class PolicyResult(Document):
    """One policy's results over all seeds."""

    name: str
    seeds: int
    mean_utility: float
    mean_jct_of_completed_seconds: Optional[float]
    utilisation: float


class Simulation(Document):
    """Policies compared; the others with the first, seed by seed."""

    policies: list[PolicyResult]

    _parts = {"policies": PolicyResult}

    def to_pandas(self) -> pandas.DataFrame:
        """One row a policy."""
        return _frame(self.policies)


def simulate(*, policy: Union[str, Iterable[str], None] = None, **options: Any) -> Simulation:
    """Compares scheduling policies on a synthetic setting, on jobs of a file or on a trace; options are those of
    ``syncline schedule simulate``: ``jobs``, ``machines``, ``seeds``, ``trace``, ``format_``, ``cluster``, ``slots`` ..."""
    return Simulation(_ask("schedule", "simulate", options={"policy": policy, **options}))


def plan(**options: Any) -> Document:
    """What a planner makes of a job: where and when it would run, or why it is turned down; options are those of
    ``syncline schedule plan``."""
    return Document(_ask("schedule", "plan", options=options))


def bound(**options: Any) -> Document:
    """The best possible utility by a linear program, and how near policies come to it."""
    return Document(_ask("schedule", "bound", options=options))


def replay(recording: Path, **options: Any) -> Document:
    """Drives the policy of a recording with its events, and checks that it decides the same."""
    return Document(_ask("schedule", "replay", options=options, values=[path(recording)]))
