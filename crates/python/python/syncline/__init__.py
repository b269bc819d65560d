"""Syncline: explain, predict, schedule and train parallel machine learning whose parts must wait for each other.

>>> import syncline
>>> report = syncline.trace.report("run.parquet")     # doctest: +SKIP
>>> print(report.verdict[0])                          # doctest: +SKIP

The parts:

- :mod:`syncline.trace`: why a run took so long, from Spark's event logs, profilers' traces and run files.
- :func:`syncline.predict`: what it would cost with other workers or policies.
- :mod:`syncline.queue`: systems with barriers under a stream of jobs: formulas, bounds and a simulator.
- :mod:`syncline.schedule`: many jobs on one cluster.
- :class:`syncline.Model`: a model that ``syncline train --save`` wrote, applied to a table.
- :func:`syncline.dataset`: rows of files as arrays, read as ``syncline train`` reads them.
- :func:`syncline.run_file`: the spans of a run, as columns.
- :func:`syncline.join`: a training loop of one's own, with servers between its steps.
- :mod:`syncline.federated`: federated learning with clients of one's own.
- :class:`syncline.Program`: programs of nodes and services, on threads, on processes, on hosts and in virtual time.
"""

from typing import TYPE_CHECKING, Any

from . import queue, schedule, trace
from ._dataset import Dataset, dataset
from ._document import Document
from ._errors import SynclineError, UsageError
from ._model import Model, Predictions
from ._native import __version__
from ._predict import predict
from ._run_file import RunFile, run_file

if TYPE_CHECKING:
    from . import federated
    from ._batched import batched
    from ._join import Worker, join
    from ._program import Client, Handle, Node, Program, RemoteError, Run, this_node

__all__ = [
    "Client",
    "Dataset",
    "Document",
    "Handle",
    "Model",
    "Node",
    "Predictions",
    "Program",
    "RemoteError",
    "Run",
    "RunFile",
    "SynclineError",
    "UsageError",
    "Worker",
    "__version__",
    "batched",
    "dataset",
    "federated",
    "join",
    "predict",
    "queue",
    "run_file",
    "schedule",
    "this_node",
    "trace",
]

# What needs NumPy, without which the command starts faster: where each is.
_LATER = {
    "_batched": ("batched",),
    "_join": ("Worker", "join"),
    "_program": ("Client", "Handle", "Node", "Program", "RemoteError", "Run", "this_node"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "federated":
        return import_module("syncline.federated")
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"syncline.{module}"), name)
    raise AttributeError(f"module `syncline` has no `{name}`")
