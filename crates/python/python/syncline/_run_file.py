"""Run files: what happened in a training run, span by span."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import _native
from ._ask import Path, path
from ._document import Document
from ._frames import pandas_module, polars_module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas


class RunFile:
    """The spans of a run file, as columns; see :func:`run_file`."""

    def __init__(self, file: Path) -> None:
        head, nodes, columns = _native.read_run(path(file))
        self.info = Document(json.loads(head))
        """The head: the run's settings, nodes and machine."""
        self.nodes = nodes
        """Their names; the column ``node`` counts in this list."""
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns["start_ns"])

    def __getitem__(self, column: str) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = self._columns[column]
        return found

    @property
    def columns(self) -> list[str]:
        """``node``, ``phase``, ``start_ns``, ``end_ns``, ``iteration``, ``round``, ``bytes``, ``records``, and what not every span
        has, else -1: ``peer``, ``sync``, ``worker``, ``task``."""
        return list(self._columns)

    def to_pandas(self) -> pandas.DataFrame:
        """One row a span; ``node`` and ``phase`` are categories, and what a span does not have is missing."""
        module = pandas_module()
        table = module.DataFrame(self._columns)
        table["node"] = module.Categorical.from_codes(self._columns["node"], self.nodes)
        table["phase"] = table["phase"].astype("category")
        for column in ("peer", "sync", "worker", "task"):
            table[column] = table[column].astype("Int64").mask(table[column] < 0)
        found: pandas.DataFrame = table
        return found

    def to_polars(self) -> Any:
        """The same as a ``polars.DataFrame``."""
        module = polars_module()
        table = module.DataFrame(self._columns)
        names = module.Series(self.nodes, dtype=module.String)
        absent = [module.when(module.col(name) >= 0).then(module.col(name)).alias(name) for name in ("peer", "sync", "worker", "task")]
        return table.with_columns(names.gather(table["node"]).cast(module.Categorical).alias("node"), module.col("phase").cast(module.Categorical), *absent)

    def __repr__(self) -> str:
        return f"RunFile({len(self)} spans of {len(self.nodes)} nodes)"


def run_file(file: Path) -> RunFile:
    """Reads a run file, as ``syncline train --trace`` and ``syncline trace import`` write them (Parquet; pandas and polars open it
    directly as well).

    Raises :class:`SynclineError` when it is none; of a torn one, what was whole is read.
    """
    return RunFile(file)
