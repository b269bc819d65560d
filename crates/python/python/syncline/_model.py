"""Saved models, applied to tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native
from ._ask import Path, logger, path, paths
from ._dataset import Dataset
from ._document import Document
from ._errors import UsageError
from ._frames import pandas_module, polars_module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas
    import polars


class Predictions:
    """What a model predicts for some rows, in their order."""

    def __init__(
        self,
        name: str,
        values: npt.NDArray[Any],
        classes: list[str],
        scores: Optional[npt.NDArray[np.float32]],
    ) -> None:
        self.name = name
        """The column that is predicted."""
        self.values = values
        """A number for each row, or its likeliest class: a whole number or a truth where all classes are such, or else its name."""
        self.classes = classes
        """The classes that the model tells apart; none for numbers."""
        self.scores = scores
        """For each row a probability (of svm: a margin) of each class; ``None`` for numbers."""

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Predictions({self.name!r}, {len(self)} rows, {len(self.classes)} classes)"

    def to_pandas(self, index: Any = None) -> pandas.DataFrame:
        """A column of predictions, and one for each class."""
        table: pandas.DataFrame = pandas_module().DataFrame(self._columns(), index=index)
        return table

    def to_polars(self) -> Any:
        """The same as a ``polars.DataFrame``."""
        return polars_module().DataFrame(self._columns())

    def _columns(self) -> dict[str, Any]:
        # Names are objects in an array of NumPy, which not every table takes for text.
        values = list(self.values) if self.values.dtype == object else self.values
        columns: dict[str, Any] = {f"predicted {self.name}": values}
        if self.scores is not None:
            columns.update((name, self.scores[:, at]) for at, name in enumerate(self.classes))
        return columns


class Model:
    """A model that ``syncline train --save`` wrote, with what it knows of its training table's columns.

    >>> model = Model("model.safetensors")                         # doctest: +SKIP
    >>> model.apply("new.csv").values                              # doctest: +SKIP
    >>> model.apply({"size": [1.5, 2.0], "colour": ["red", ""]})   # doctest: +SKIP
    """

    def __init__(self, file: Path) -> None:
        self._file = _native.SavedFile(path(file))
        self.schema = Document(json.loads(self._file.schema()))
        """How columns become features and a target."""

    @property
    def kind(self) -> str:
        """Which model it is."""
        return self._file.kind()

    @property
    def target(self) -> str:
        """The column that it predicts."""
        name: str = self.schema.target.name
        return name or "label"

    @property
    def classes(self) -> list[str]:
        """The classes that it tells apart; none for numbers."""
        return self._file.classes()

    @property
    def parameters(self) -> npt.NDArray[np.float32]:
        """All parameters as one vector, a copy: of each layer the weights (inputs by outputs), then the biases."""
        return self._file.parameters()

    def save(self, file: Path, parameters: npt.ArrayLike) -> None:
        """Writes a file of the same model with these parameters, as after training it further, for ``syncline apply``, ``evaluate`` and
        this class.

        Raises :class:`UsageError` where they are not as many, or no numbers.
        """
        import numpy

        self._file.save(path(file), numpy.ascontiguousarray(parameters, dtype=numpy.float32).reshape(-1))

    def read(self, rows: Union[Path, Iterable[Path]]) -> Dataset:
        """The rows of files with their targets, as features that this model takes: at the scale of its training rows."""
        return Dataset(self._file.read(paths(rows)))

    def __repr__(self) -> str:
        return f"Model({self.kind!r}, target={self.target!r}, classes={self.classes!r})"

    def apply(self, rows: Union[Path, Iterable[Path], pandas.DataFrame, polars.DataFrame, polars.LazyFrame, Mapping[str, Any]]) -> Predictions:
        """Predicts for the rows of files (of any format that ``syncline train`` reads), of a DataFrame of pandas or polars, or of a
        dictionary of columns. Columns are found by name, in any order; cells that are missing are filled as in training.

        Raises :class:`SynclineError` where a column is missing or a cell does not fit.
        """
        table: Any = rows
        if hasattr(table, "collect_schema") and hasattr(table, "collect"):
            table = table.collect()
        if isinstance(table, Mapping) or hasattr(table, "to_csv") or hasattr(table, "write_csv"):
            numbers, chosen, scores, notes = self._file.apply([], _as_text(table))
        else:
            numbers, chosen, scores, notes = self._file.apply(paths(table))
        for note in notes:
            logger.info("%s", note)
        if numbers is not None:
            return Predictions(self.target, numbers, [], None)
        return Predictions(self.target, _labels(self.classes)[chosen], self.classes, scores)


def _labels(classes: list[str]) -> npt.NDArray[Any]:
    """Classes as pandas and polars read them from a table, so that predictions can be compared with a column of it."""
    import numpy

    if all(re.fullmatch("0|-?[1-9][0-9]{0,17}", name) for name in classes):
        return numpy.array([int(name) for name in classes])
    if set(classes) in ({"True", "False"}, {"true", "false"}):
        return numpy.array([name.lower() == "true" for name in classes])
    return numpy.array(classes, dtype=object)


def _as_text(rows: Any) -> bytes:
    """A table in memory as the text of a table: so its cells are read as those of a file are."""
    if hasattr(rows, "to_csv"):
        text: str = rows.to_csv(index=False)
        return text.encode()
    if hasattr(rows, "write_csv"):
        text = rows.write_csv()
        return text.encode()
    columns = {str(name): list(values) for name, values in rows.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{name}` {length}" for name, length in lengths.items())
        raise UsageError(f"the columns have different lengths: {told}")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in zip(*columns.values()))
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """A cell as text has it: nothing is missing."""
    return "" if value is None or value != value else value
