"""Rows of files as arrays: what ``syncline train`` would learn from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native
from ._ask import Path, logger, paths
from ._document import Document
from ._errors import SynclineError
from ._frames import pandas_module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas

Names = Union[str, Iterable[str]]


class Dataset:
    """Rows of features with a target each; see :func:`dataset`."""

    def __init__(self, found: dict[str, Any]) -> None:
        for note in found["notes"]:
            logger.info("%s", note)
        self._found = found
        self.targets: npt.NDArray[Any] = found["targets"]
        """An amount for each row, or a number in :attr:`classes`."""
        self.classes: list[str] = found["classes"]
        """The names of the classes; none for amounts."""
        self.weights: Optional[npt.NDArray[np.float32]] = found["weights"]
        """How much each row counts, around 1; ``None`` where all count the same."""
        self.feature_names: list[str] = found["feature_names"]
        """The names of the features; none of a sparse file."""
        self.target_name: str = found["target_name"] or "label"
        """The column that is to be predicted."""
        self.target_scale: tuple[float, float] = found["target_scale"]
        """Centre and deviation of amounts: what models of ours learn is ``(targets - centre) / deviation``."""
        self.schema = Document(json.loads(found["schema"]))
        """How columns became features and a target."""

    @property
    def is_sparse(self) -> bool:
        """Whether only values are kept that are not zero, as of a LIBSVM file."""
        return "dense" not in self._found

    @property
    def features(self) -> Any:
        """One row an example, 32 bits a value: an array, or of a sparse file a ``scipy.sparse.csr_array``."""
        if not self.is_sparse:
            return self._found["dense"]
        try:
            from scipy.sparse import csr_array
        except ImportError:
            raise SynclineError("this gives a sparse array of SciPy: install it, as by `pip install scipy`, or take `csr`") from None
        return csr_array(self.csr, shape=self.shape)

    @property
    def csr(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Of a sparse file the values, their columns, and where each row begins among them."""
        if not self.is_sparse:
            raise SynclineError("these rows are not sparse: take `features`")
        return self._found["values"], self._found["indices"], self._found["offsets"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.targets), self._found["columns"]

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        rows, columns = self.shape
        kind = f"{len(self.classes)} classes" if self.classes else "amounts"
        return f"Dataset({rows} rows, {columns} features, target={self.target_name!r}, {kind})"

    def to_pandas(self) -> pandas.DataFrame:
        """The features by their names, and last the target, classes by theirs."""
        module = pandas_module()
        if self.is_sparse:
            table = module.DataFrame.sparse.from_spmatrix(self.features)
        else:
            table = module.DataFrame(self.features, columns=self.feature_names or None)
        target = module.Categorical.from_codes(self.targets, self.classes) if self.classes else self.targets
        found: pandas.DataFrame = table.assign(**{self.target_name: target})
        return found


def dataset(
    files: Union[Path, Iterable[Path]],
    *,
    label: Union[str, int, None] = None,
    task: Optional[str] = None,
    columns: Optional[Names] = None,
    drop: Optional[Names] = None,
    category: Optional[Names] = None,
    weight: Union[str, int, None] = None,
    missing: Optional[str] = None,
    na: Optional[Names] = None,
    decimal: Optional[str] = None,
    zero_based: Optional[bool] = None,
    header: Optional[str] = None,
    delimiter: Optional[str] = None,
    standardize: bool = True,
) -> Dataset:
    """Reads files as ``syncline train`` does, of every format that it reads (CSV, Parquet, LIBSVM, NPZ ..., also packed, and patterns of
    several): what columns are is found out, words become features, missing cells are filled, and each column has mean 0 and deviation 1.

    Settings are those of ``syncline train``; ``task`` is ``classification`` or ``regression``, ``header`` is ``present`` or ``absent``, and
    ``standardize=False`` leaves numbers as they are. Names of columns are a list, or a text with commas between them. To write rows, ``numpy.savez(file, X=features, y=targets)`` and ``to_parquet`` of a
    DataFrame make files that it reads.

    >>> import tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "fruit.csv")
    >>> with open(file, "w") as out: _ = out.write("weight,girth,kind\\n3,1,apple\\n5,2,plum\\n7,1,apple\\n")
    >>> rows = dataset(file, label="kind", standardize=False)
    >>> rows, rows.classes, rows.feature_names
    (Dataset(3 rows, 2 features, target='kind', 2 classes), ['apple', 'plum'], ['weight', 'girth'])
    >>> rows.features[0].tolist(), rows.targets.tolist()
    ([3.0, 1.0], [0, 1, 0])
    """
    asked: dict[str, Any] = {
        "data": paths(files),
        "label": None if label is None else str(label),
        "task": task,
        "columns": _names(columns),
        "drop": _names(drop),
        "category": _names(category),
        "weight": None if weight is None else str(weight),
        "missing": missing,
        "na": _names(na),
        "decimal": decimal,
        "zero_based": zero_based,
        "header": header,
        "delimiter": delimiter,
        "standardize": standardize,
    }
    return Dataset(_native.read_dataset(json.dumps({name: value for name, value in asked.items() if value is not None})))


def _names(names: Optional[Names]) -> Optional[list[str]]:
    if names is None:
        return None
    # A text is divided by commas, as the command's options are; a name that has one itself stands in a list.
    return names.split(",") if isinstance(names, str) else [str(name) for name in names]
