"""Why a run took so long: reports on the logs of Spark, the traces of profilers, and run files of ``syncline train --trace``.

>>> from syncline import trace
>>> report = trace.report("eventlogs/app-20261121092843-0000.zst")   # doctest: +SKIP
>>> for sentence in report.verdict:                                   # doctest: +SKIP
...     print(sentence)
>>> report.to_pandas().head()                                         # doctest: +SKIP
"""

from __future__ import annotations

import html as _html
import json as _json
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native
from ._ask import Path
from ._ask import path as _path
from ._document import Document
from ._errors import UsageError
from ._frames import frame as _frame

if TYPE_CHECKING:
    import pandas

__all__ = ["Comparison", "Iterations", "Report", "Straggler", "Survey", "SyncPoint", "compare", "report", "reports", "survey"]


class SyncPoint(Document):
    """Where parts of a program wait for each other, and what that costs."""

    kind: str
    place: str
    count: int
    participants: int
    idle_core_s: float
    """Core-seconds in which nobody worked because of it."""
    share: float
    """Of the whole run."""
    split: Document
    """The causes of the idle time, in core-seconds."""


class Straggler(Document):
    """Somebody who was waited for, and why."""

    who: str
    place: str
    factor: float
    """How many times as slow as the others."""
    late: int
    meetings: int
    idle_core_s: float
    cause: str


class Iterations(Document):
    """Rounds that repeat."""

    pattern: str
    count: int
    median_ms: float
    sync_points: int


class Report(Document):
    """What a log tells; see :func:`report`. In a notebook it shows itself as a page."""

    source: str
    system: str
    name: str
    complete: bool
    verdict: list[str]
    """Where the time went and what to do about it, in sentences."""
    wall_ms: float
    cores: int
    shares: Document
    """Of the cores' time, by what it was spent on; they add up to 1."""
    iterations: list[Iterations]
    sync_points: list[SyncPoint]
    stragglers: list[Straggler]
    failures: Document
    critical_path: list[Document]
    damage: Document

    _parts = {"sync_points": SyncPoint, "stragglers": Straggler, "iterations": Iterations}

    def __init__(self, explained: Union[_native.Explained, dict[str, Any]]) -> None:
        # Of a copy there is no log any more, only its document.
        self._explained = explained if isinstance(explained, _native.Explained) else None
        super().__init__(explained if isinstance(explained, dict) else _json.loads(explained.json()))

    def to_pandas(self, table: str = "sync_points") -> pandas.DataFrame:
        """A table of the report: ``sync_points``, ``stragglers``, ``shares``, ``critical_path``, ``stages``, ``executors``,
        ``queries`` or any other of its lists.

        Raises :class:`UsageError` if it has no such table.
        """
        if table == "shares":
            return _frame({"what": what, "share": share} for what, share in self.shares.items())
        # Some of the inner tables have the name of a count.
        tables = {name: rows for name, rows in {**self, **self.get("tables", {})}.items() if _is_table(rows)}
        if table not in tables:
            raise UsageError(f"the report has no table `{table}`; it has shares, {', '.join(sorted(tables))}")
        return _frame(tables[table])

    def to_html(self, path: Optional[Path] = None) -> str:
        """The report as one page that needs nothing else; also written to ``path``, if one is given."""
        page = self._native().html()
        if path is not None:
            with open(_path(path), "w", encoding="utf-8") as file:
                file.write(page)
        return page

    def to_text(self, width: int = 100) -> str:
        """The report as the command prints it, in lines of this width at most."""
        return self._native().text(width)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        if self._explained is None:
            return f"<pre>{_html.escape(repr(self))}</pre>"
        # A frame of its own, so that its style and the notebook's leave each other alone.
        page = _html.escape(self.to_html(), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 40em; border: 0" title="report"></iframe>'

    def _native(self) -> _native.Explained:
        if self._explained is None:
            raise UsageError("a copied report has its values only: ask syncline.trace.report for the file again")
        return self._explained


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Document) for row in value)


class Comparison(Document):
    """What got slower or faster between two runs of one program."""

    wall_ms: list[float]
    shares: list[list[Any]]
    iterations: list[Document]
    stages: list[Document]

    def to_pandas(self, table: str = "stages") -> pandas.DataFrame:
        """``stages`` or ``iterations`` as a table."""
        return _frame(self[table])


class Survey(Document):
    """Every log of a folder."""

    rows: list[Document]
    failed: list[Any]
    """Logs that could not be read, and why."""

    def __init__(self, fields: dict[str, Any], markdown: str = "") -> None:
        self._markdown = markdown
        super().__init__(fields)

    def to_pandas(self) -> pandas.DataFrame:
        """One row a log."""
        return _frame(self.rows)

    def to_markdown(self) -> str:
        """The table as Markdown."""
        return self._markdown

    def _repr_markdown_(self) -> str:
        return self._markdown


def report(log: Path) -> Report:
    """Explains one log: a Spark event log (plain or compressed, rolling, in an archive, or by its address at a history server), a
    Chrome or PyTorch trace, a dump of PyTorch's flight recorder, or a run file.

    Raises :class:`SynclineError` when it cannot be read, and :class:`UsageError` when it holds several: :func:`reports`.
    """
    found = reports(log)
    if len(found) != 1:
        raise UsageError(f"{_path(log)} holds {len(found)} logs: use syncline.trace.reports")
    return found[0]


def reports(*logs: Path) -> list[Report]:
    """Explains all logs that these paths lead to; Chrome traces among them are the ranks of one run."""
    return [Report(explained) for explained in _native.explain([_path(log) for log in logs])]


def compare(first: Union[Path, Report], second: Union[Path, Report]) -> Comparison:
    """What got slower or faster between two runs of one program; the chance that luck alone differs as much is that of the
    Mann-Whitney test."""
    one, other = (item if isinstance(item, Report) else report(item) for item in (first, second))
    return Comparison(_json.loads(_native.compare(one._native(), other._native())))


def survey(folder: Path) -> Survey:
    """Characterises every log of a folder."""
    document, markdown = _native.survey(_path(folder))
    return Survey(_json.loads(document), markdown)
