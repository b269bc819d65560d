"""Tables for whoever has pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._errors import SynclineError

if TYPE_CHECKING:
    import pandas


def pandas_module() -> Any:
    """pandas, if it is there."""
    try:
        import pandas
    except ImportError:
        raise SynclineError("this gives a pandas.DataFrame: install pandas, as by `pip install pandas`") from None
    return pandas


def polars_module() -> Any:
    """polars, if it is there."""
    try:
        import polars
    except ImportError:
        raise SynclineError("this gives a polars.DataFrame: install polars, as by `pip install polars`") from None
    return polars


def frame(rows: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """A table of rows; their inner objects become columns such as ``split.driver``, and intervals three columns."""
    found: pandas.DataFrame = pandas_module().DataFrame([_flat(row) for row in rows])
    return found


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{before}{key}."))
        elif _is_interval(key, value):
            flat.update(zip((f"{before}{key}.low", f"{before}{key}", f"{before}{key}.high"), value))
        else:
            flat[before + key] = value
    return flat


def _is_interval(key: str, value: Any) -> bool:
    if not (isinstance(value, list) and len(value) == 3 and key not in ("quantiles_ms", "fits")):
        return False
    return all(isinstance(item, (int, float)) for item in value)
