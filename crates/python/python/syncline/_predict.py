"""What a run would cost with other workers or policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional, Union

from ._ask import Path, ask, paths
from ._document import Document
from ._frames import frame

if TYPE_CHECKING:
    import pandas

Numbers = Union[int, str, Iterable[int]]
Names = Union[str, Iterable[str]]


class Prediction(Document):
    """What :func:`predict` answers. ``run`` is what was given, and the predictor's own error on it."""

    run: Document

    @property
    def predictions(self) -> list[Document]:
        """One entry a combination that was asked for (of a Spark log: a number of cores)."""
        found: list[Document] = self["sizes"] if "sizes" in self else self["predictions"]
        return found

    def to_pandas(self) -> pandas.DataFrame:
        """One row a combination; ``x.low``, ``x`` and ``x.high`` are an interval of 95 % and the value within."""
        return frame(self.predictions)

    def _repr_html_(self) -> str:
        table: str = self.to_pandas().to_html()
        return table


def predict(
    source: Union[Path, Iterable[Path]],
    *,
    workers: Optional[Numbers] = None,
    sync: Optional[Names] = None,
    cores: Optional[Numbers] = None,
    **options: Any,
) -> Prediction:
    """Says what a run would cost with other workers or policies, with intervals and the predictor's own error on what it was given.

    ``source`` is a run file of ``syncline train --trace``, a Spark event log (then ``cores`` and its kin are asked about), or the
    traces of the ranks of one run. Further options are those of ``syncline predict``: ``batch="32,64"``, ``json`` left out.

    >>> import syncline
    >>> answer = syncline.predict("run.parquet", workers=range(1, 17), sync=["bsp", "ssp:2"])   # doctest: +SKIP
    >>> answer.to_pandas()[["workers", "sync", "round_s.low", "round_s", "round_s.high"]]       # doctest: +SKIP
    """
    options = {"workers": workers, "sync": sync, "cores": cores, **options}
    return Prediction(ask("predict", options=options, values=paths(source)))
