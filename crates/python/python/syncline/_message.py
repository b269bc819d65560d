"""Arguments and results of calls, as they travel: plain values as JSON, arrays and bytes beside it as they are.

Nothing is unpickled that a program has not asked for by ``pickle=True``.
"""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np

from ._dlpack import view_of
from ._errors import UsageError

#: The key of an object that stands for something that JSON does not have.
_MARK = "\x00"

Parts = list["np.typing.NDArray[np.uint8]"]


def pack(value: Any, may_pickle: bool) -> tuple[bytes, Parts]:
    """A value as a body and its parts.

    >>> unpack(*pack({"x": [1, (2.5, None)], "y": np.eye(2, dtype=np.float16), "z": b"raw"}, False), False)
    {'x': [1, (2.5, None)], 'y': array([[1., 0.],
           [0., 1.]], dtype=float16), 'z': b'raw'}
    """
    parts: Parts = []
    body = json.dumps(_plain(value, parts, may_pickle))
    return body.encode(), parts


def unpack(body: bytes, parts: Parts, may_pickle: bool) -> Any:
    """The value again."""

    def restored(found: dict[str, Any]) -> Any:
        if _MARK not in found:
            return found
        kind, *rest = found[_MARK]
        if kind == "array":
            at, dtype, shape = rest
            return parts[at].view(np.dtype(dtype)).reshape(shape) if parts[at].size else np.empty(shape, dtype)
        if kind == "bytes":
            return parts[rest[0]].tobytes()
        if kind == "tuple":
            return tuple(rest[0])
        if kind == "map":
            return dict(rest[0])
        if kind == "pickle" and may_pickle:
            return pickle.loads(parts[rest[0]].tobytes())
        raise UsageError(f"the message holds `{kind}`, which this program does not take")

    return json.loads(body, object_hook=restored)


def _plain(value: Any, parts: Parts, may_pickle: bool) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)) and type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject and value.dtype.names is None:
        return _beside(np.ascontiguousarray(value).reshape(-1).view(np.uint8), parts, "array", value.dtype.str, list(value.shape))
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        return _plain(value.item(), parts, may_pickle)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _beside(np.frombuffer(bytes(value), dtype=np.uint8), parts, "bytes")
    if type(value) is list:
        return [_plain(item, parts, may_pickle) for item in value]
    if type(value) is tuple:
        return {_MARK: ["tuple", [_plain(item, parts, may_pickle) for item in value]]}
    if type(value) is dict:
        if all(type(key) is str and key != _MARK for key in value):
            return {key: _plain(item, parts, may_pickle) for key, item in value.items()}
        return {_MARK: ["map", [[_plain(key, parts, may_pickle), _plain(item, parts, may_pickle)] for key, item in value.items()]]}
    if not may_pickle and (array := view_of(value)) is not None and not array.dtype.hasobject and array.dtype.names is None:
        return _plain(array, parts, may_pickle)
    if may_pickle:
        return _beside(np.frombuffer(_pickled(value), dtype=np.uint8), parts, "pickle")
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise UsageError(
        f"a value of the type {kind} cannot travel: arrays, tensors, bytes, numbers, texts, lists, tuples and dictionaries can,"
        " and others where the program is made with pickle=True"
    )


def _beside(part: Any, parts: Parts, kind: str, *about: Any) -> dict[str, Any]:
    parts.append(part)
    return {_MARK: [kind, len(parts) - 1, *about]}


def _pickled(value: Any) -> bytes:
    try:
        import cloudpickle  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return pickle.dumps(value)
    found: bytes = cloudpickle.dumps(value)
    return found
