"""Arrays and other objects in the arguments and results of calls: what only Python knows about how they travel.

Plain values travel as MessagePack, which the native part writes and reads. Nothing is unpickled that a program has not asked for by
``pickle=True``.
"""

from __future__ import annotations

import functools
import importlib
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dlpack import view_of
from ._errors import UsageError


def taken_apart(value: Any, may_pickle: bool) -> tuple[Any, ...]:
    """What a value that is not plain travels as: its kind, and what is known of it.

    >>> kind, numbers, dtype, shape = taken_apart(np.eye(2, dtype=np.float16), False)
    >>> array(numbers, dtype, shape)
    array([[1., 0.],
           [0., 1.]], dtype=float16)
    """
    if isinstance(value, (bytearray, memoryview)):
        return "bytes", bytes(value)
    if isinstance(value, np.generic) and (dtype := _described(value.dtype)) is not None:
        return "scalar", dtype, value.tobytes()
    lent = value if isinstance(value, np.ndarray) or may_pickle else view_of(value)
    if isinstance(lent, np.ndarray) and not isinstance(lent, np.ma.MaskedArray) and (dtype := _described(lent.dtype)) is not None:
        return "array", np.ascontiguousarray(lent).reshape(-1).view(np.uint8), dtype, list(lent.shape)
    if may_pickle:
        return "pickle", _pickled(value)
    raise UsageError(
        f"{_told(value)} cannot travel: arrays, tensors, bytes, numbers, texts, lists, tuples and dictionaries can,"
        " and others where the program is made with pickle=True"
    )


def array(part: npt.NDArray[np.uint8], dtype: Any, shape: list[int]) -> npt.NDArray[Any]:
    """An array that lies in these bytes."""
    kind = _dtype_of(dtype)
    return part.view(kind).reshape(shape) if part.size else np.empty(shape, kind)


def scalar(dtype: Any, raw: bytes) -> Any:
    """A number of NumPy.

    >>> print(scalar(*taken_apart(np.float32(0.5), False)[1:]))
    0.5
    """
    return np.frombuffer(raw, _dtype_of(dtype))[0] if raw else np.zeros((), _dtype_of(dtype))[()]


def unpickled(raw: bytes) -> Any:
    """What was pickled; the program has asked for it."""
    return pickle.loads(raw)


#: Its functions have types in some versions of NumPy and none in others.
_format: Any = np.lib.format

#: Kinds of numbers that are not NumPy's own, such as bfloat16: the package that has them for all.
_MORE_KINDS = "ml_dtypes"


@functools.lru_cache(maxsize=256)
def _described(dtype: np.dtype[Any]) -> Any:
    """A kind of numbers in plain values; nothing where they refer to objects, or it cannot be told from a description."""
    if dtype.hasobject:
        return None
    if dtype.type.__module__ == _MORE_KINDS:
        return f"{_MORE_KINDS}.{dtype.name}"
    found = dtype.str if dtype.names is None else _format.dtype_to_descr(dtype)
    return found if _dtype_of(found) == dtype else None


def _dtype_of(described: Any) -> np.dtype[Any]:
    if isinstance(described, str):
        return _named(described)
    found: np.dtype[Any] = _format.descr_to_dtype(described)
    return found


@functools.lru_cache(maxsize=256)
def _named(described: str) -> np.dtype[Any]:
    if described.startswith(f"{_MORE_KINDS}."):
        found: np.dtype[Any] = np.dtype(getattr(importlib.import_module(_MORE_KINDS), described.partition(".")[2]))
        return found
    return np.dtype(described)


def _told(value: Any) -> str:
    """What a value is, for who gave it."""
    if isinstance(value, np.ma.MaskedArray):
        return "a masked array"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"an array of the type {value.dtype}"
    module = type(value).__module__
    return f"a value of the type {'' if module == 'builtins' else module + '.'}{type(value).__qualname__}"


def _pickled(value: Any) -> bytes:
    try:
        import cloudpickle  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return pickle.dumps(value)
    found: bytes = cloudpickle.dumps(value)
    return found
