"""Calls that are gathered, and answered together."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ._errors import UsageError
from ._here import here

if TYPE_CHECKING:
    from ._program import Node


class _Batch:
    """Calls that wait for one another; the first of them sees to the rest."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.full = threading.Condition()
        self.done = threading.Event()
        self.answers: Any = None
        self.error: Optional[BaseException] = None


def batched(size: int, timeout: float = 0.01) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes of a method for many a method for one: calls of several clients are gathered, up to ``size`` of them and for ``timeout``
    seconds at most, and the method is called once with each argument stacked along a new first axis. It gives an answer for
    each, along the first axis or in a list.

    >>> class Model:
    ...     @batched(size=4)
    ...     def double(self, numbers):
    ...         return 2 * numbers
    >>> print(Model().double(1.5))
    3.0

    Where the size is known to the object only, its constructor wraps the method: ``self.double = batched(size=n)(self.double)``.
    """
    if size < 1:
        raise UsageError(f"a batch of {size} calls: it must be at least 1")

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        if (served := getattr(method, "__self__", None)) is not None:
            return functools.wraps(method)(functools.partial(decorate(method.__func__), served))  # type: ignore[attr-defined]
        lock = threading.Lock()
        slot = f"_batch of {method.__name__}"

        @functools.wraps(method)
        def call(self: Any, *args: Any) -> Any:
            with lock:
                batch: Optional[_Batch] = self.__dict__.get(slot)
                is_first = batch is None
                if batch is None:
                    batch = self.__dict__[slot] = _Batch()
                place = len(batch.calls)
                batch.calls.append(args)
                if len(batch.calls) == size:
                    del self.__dict__[slot]
                    with batch.full:
                        batch.full.notify()
            node = here()
            if is_first:
                _gather(self, batch, lock, slot, size, timeout)
                _answer(self, batch, method)
            elif node is not None and node.is_virtual:
                _pass_until(node, batch.done.is_set, timeout)
            batch.done.wait()
            if batch.error is not None:
                raise batch.error
            return batch.answers[place]

        return call

    return decorate


def _gather(served: Any, batch: _Batch, lock: threading.Lock, slot: str, size: int, timeout: float) -> None:
    """Waits for others, and closes the batch."""
    node = here()
    if node is not None and node.is_virtual:
        end = node.now() + timeout
        _pass_until(node, lambda: len(batch.calls) >= size or node.now() >= end, timeout)
    else:
        with batch.full:
            batch.full.wait_for(lambda: len(batch.calls) >= size, timeout)
    with lock:
        if served.__dict__.get(slot) is batch:
            del served.__dict__[slot]


def _pass_until(node: Node, over: Callable[[], bool], timeout: float) -> None:
    """Lets virtual time pass, in sixteenths of a batch's patience, until something is so: others go on only where this one waits."""
    while not over() and not node.is_stopping:
        node.sleep(max(timeout / 16, 1e-6))


def _answer(served: Any, batch: _Batch, method: Callable[..., Any]) -> None:
    try:
        answers = method(served, *(np.stack(column) for column in zip(*batch.calls)))
        if len(answers) != len(batch.calls):
            raise ValueError(f"`{method.__name__}` gave {len(answers)} answers for {len(batch.calls)} calls")
        batch.answers = answers
    except BaseException as error:
        batch.error = error
    finally:
        batch.done.set()
