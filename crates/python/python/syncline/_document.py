"""Documents of the command's ``--json``, as objects."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class Document(Mapping[str, Any]):
    """An object of a JSON document: its keys are attributes and items alike, and it is read only.

    >>> point = Document({"kind": "shuffle", "split": {"driver": 0.5}})
    >>> point.kind, point["kind"], point.split.driver
    ('shuffle', 'shuffle', 0.5)

    Names end with their unit: ``_s`` seconds, ``_ms`` milliseconds, ``_bytes``, ``_core_s`` core-seconds; those without one
    are counts, shares from 0 to 1, ratios or names. Three numbers ``[low, value, high]`` are an interval of 95 %.
    """

    # What the objects under some keys are; others are plain documents.
    _parts: ClassVar[dict[str, type[Document]]] = {}

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = {key: self._wrap(key, value) for key, value in fields.items()}

    def _wrap(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._parts.get(key, Document)(value)
        if isinstance(value, list):
            return [self._wrap(key, item) for item in value]
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            known = ", ".join(self._fields)
            raise AttributeError(f"a {type(self).__name__} has no `{name}`; it has {known}") from None

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._fields]

    def __repr__(self) -> str:
        fields = ", ".join(f"{key}={reprlib.repr(value)}" for key, value in self._fields.items())
        return f"{type(self).__name__}({fields})"

    def to_dict(self) -> dict[str, Any]:
        """The document as it was, of plain dictionaries and lists."""
        return {key: _plain(value) for key, value in self._fields.items()}

    # Documents are values: copies and processes of a pool get equal ones.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.to_dict(),)


def _plain(value: Any) -> Any:
    if isinstance(value, Document):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
