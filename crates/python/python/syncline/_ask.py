"""Questions to the command's library: arguments in, a document out, remarks to ``logging``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from typing import Any, Union

from . import _native

Path = Union[str, "os.PathLike[str]"]

logger = logging.getLogger("syncline")
logger.addHandler(logging.NullHandler())


def paths(names: Union[Path, Iterable[Path]]) -> list[str]:
    """One path, or several."""
    return [path(names)] if isinstance(names, (str, os.PathLike)) else [path(name) for name in names]


def path(name: Path) -> str:
    """A path as text, with the user's home in place of ``~``."""
    return os.path.expanduser(os.fspath(name))


def ask(*command: str, options: dict[str, Any], values: Iterable[str] = ()) -> dict[str, Any]:
    """The document that a command answers with."""
    given = [*command, "--json", *flags(options)]
    values = list(values)
    if values:
        given += ["--", *values]
    output, remarks = _native.answer(given)
    for word, text in remarks:
        level = logging.WARNING if word == "warning:" else logging.INFO
        logger.log(level, "%s", text)
    document: dict[str, Any] = json.loads(output)
    return document


def flags(options: dict[str, Any]) -> list[str]:
    """Keyword arguments as the command's options: ``arrival_rate=0.5`` is ``--arrival-rate=0.5``.

    >>> flags({"arrival_rate": 0.5, "sync": ["bsp", "ssp:2"], "verbose": True, "seed": None})
    ['--arrival-rate=0.5', '--sync=bsp,ssp:2', '--verbose']
    """
    found = []
    for name, value in options.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is True:
            found.append(flag)
        elif value is not None and value is not False:
            found.append(f"{flag}={text(value)}")
    return found


def text(value: Any) -> str:
    """A value as the command reads it: lists and ranges are divided by commas."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Iterable):
        return ",".join(text(item) for item in value)
    return str(value)
