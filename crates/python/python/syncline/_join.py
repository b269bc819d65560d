"""Training a model of one's own in one's own loop, with the parameter server between the steps."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional, TypeVar

from . import _native, _run
from ._ask import Path, path
from ._document import Document
from ._errors import SynclineError, UsageError
from ._parameters import parameters_of

Batch = TypeVar("Batch")

#: The worker of this process.
_joined: Optional[Worker] = None


class Worker:
    """This process's part in a training run; see :func:`join`."""

    def __init__(self, model: Any, spec: dict[str, Any], place: str, rank: int) -> None:
        self.rank = rank
        """Which worker this is, from 0."""
        self.workers: int = spec["workers"]
        """How many there are."""
        self.steps_per_epoch: int = spec["steps_per_epoch"]
        self._batch_size: int = spec["batch_size"]
        self._process = os.getpid()
        self._parameters = parameters_of(model)
        self._session = _native.Session.join(json.dumps(spec), place, self._parameters.values)
        self._goes_on = True
        self._steps = 0
        if self._session.report is None:
            self._exchange(None, 0.0, 0)
            self._steps = self._steps_before(spec["every"])

    def _steps_before(self, every: str) -> int:
        """How many steps lie before the round that this worker begins with: some where it goes on after a loss."""
        name, _, count = every.partition(":")
        steps = {"batch": 1, "epoch": self.steps_per_epoch}.get(name) or int(count)
        rounds = -(-self.steps_per_epoch // steps)
        epoch, within = divmod(self._session.round, rounds)
        return epoch * self.steps_per_epoch + within * steps

    def _exchange(self, gradient: Any, loss: float, samples: int) -> None:
        self._goes_on = self._session.step(gradient, loss, samples, self._parameters.values)
        self._parameters.spread()

    def step(self, gradients: Any = None, *, loss: Any = None, samples: Optional[int] = None) -> bool:
        """Hands the gradients of this step to the servers, waits for as long as the policy says, and puts the new parameters into
        the model. Returns whether there is a further step.

        Of a module the gradients are those that ``loss.backward()`` left, and are cleared; for arrays they are given, in the
        same structure as the arrays. ``loss`` is the batch's mean loss, for the report; ``samples`` its size where that is not
        ``batch_size``: batches count by it.
        """
        self._check_process()
        if not self._goes_on:
            return False
        self._parameters.collect(gradients)
        # A tensor that still has its graph warns of becoming a number.
        number = 0.0 if loss is None else float(loss.detach() if hasattr(loss, "detach") else loss)
        size = self._batch_size if samples is None else int(samples)
        self._exchange(self._parameters.gradient, number, size)
        self._steps += 1
        return self._goes_on

    def batches(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """Goes through ``loader`` in every epoch that is left, for one :meth:`step` a batch. A worker that was started again goes on
        where it was. A sampler with ``set_epoch`` is told the epoch."""
        while self._goes_on:
            set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(self.epoch)
            done, before = self._steps % self.steps_per_epoch, self._steps
            for number, batch in enumerate(loader):
                if number < done:
                    continue
                if not self._goes_on or number == self.steps_per_epoch:
                    break
                yield batch
            if self._goes_on and self._steps == before:
                raise UsageError(
                    f"no step was taken in epoch {self.epoch}: the loader has fewer than {done + 1} batches, or step() was not called"
                )

    @property
    def model(self) -> Any:
        """The model with the parameters of the next step: what was given to :func:`join`, or where arrays cannot be changed, as those
        of JAX, a tree of new ones."""
        return self._parameters.model

    @property
    def goes_on(self) -> bool:
        """Whether there is a further step."""
        return self._goes_on

    @property
    def epoch(self) -> int:
        """The epoch of the next step, from 0."""
        return self._steps // self.steps_per_epoch

    @property
    def round(self) -> int:
        """The round of the next step, from 0."""
        return self._session.round

    @property
    def report(self) -> Optional[Document]:
        """What the run was like: of a script that was started alone, once it is :meth:`closed <close>`."""
        told = self._session.report
        return None if told is None else Document(json.loads(told)["report"])

    def close(self) -> None:
        """Takes no further step; the script's end does the same. Others go on without this worker's gradients."""
        if self._process == os.getpid():
            self._goes_on = False
            self._session.finish()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        # In a worker's process the end of the script is the end of the run.
        if _run.launched is None:
            self.close()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise SynclineError("this process was forked from a worker's, and has no part in the run: step there")


def join(
    model: Any,
    *,
    steps_per_epoch: int,
    epochs: int = 1,
    batch_size: int = 1,
    sync: str = "bsp",
    optimizer: str = "adam",
    lr: Optional[float] = None,
    momentum: Optional[float] = None,
    betas: Optional[Sequence[float]] = None,
    eps: Optional[float] = None,
    l1: float = 0.0,
    l2: float = 0.0,
    schedule: str = "constant",
    clip: Optional[float] = None,
    every: str = "batch",
    fold: str = "mean",
    seed: int = 1,
    trace: Optional[Path] = None,
) -> Worker:
    """Takes part in a training run as a worker: servers hold the parameters, and every :meth:`Worker.step` exchanges gradients for
    new parameters, as the policy ``sync`` says (``bsp``, ``asp``, ``ssp:2``, ``backup:1`` ...).

    ``model`` is a PyTorch module, whose gradients ``backward`` leaves in it; or arrays of NumPy (one, or lists and dictionaries of
    them), which are changed in place; or a pytree of JAX, which is new in :attr:`Worker.model` after each step.
    ``steps_per_epoch`` is how many steps each worker takes in an epoch, the same for all. The other
    settings are those of ``syncline train``.

    Started by ``syncline run --workers 4 train.py``, the script is one of four workers; started by ``python train.py`` it is the
    only one. What stands before ``join`` is done once in every process of the run, so it should do no more than prepare.

    >>> import numpy as np
    >>> weights = np.zeros(3, dtype=np.float32)
    >>> worker = join(weights, steps_per_epoch=200, optimizer="sgd", lr=0.1)
    >>> while worker.goes_on:
    ...     gradient = 2 * (weights - np.array([1.0, 2.0, 3.0]))
    ...     _ = worker.step(gradient, loss=float(np.sum(gradient**2)))
    >>> worker.close()
    >>> print(weights.round(3))
    [1. 2. 3.]
    """
    global _joined
    if _joined is not None and _joined.goes_on and _run.launched is not None:
        raise UsageError("this process has joined a run already")
    spec: dict[str, Any] = {
        "workers": 1,
        "servers": 1,
        "sync": sync,
        "every": every,
        "fold": fold,
        "optimizer": optimizer,
        "lr": lr,
        "momentum": momentum,
        "betas": betas,
        "eps": eps,
        "l1": l1,
        "l2": l2,
        "schedule": schedule,
        "clip": clip,
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "batch_size": batch_size,
        "seed": seed,
        "inject": [],
        "trace": None if trace is None else path(trace),
        "checkpoint": None,
        "checkpoint_every": None,
        "resume": None,
        "on_worker_loss": "stop",
        "silence": None,
    }
    launched = _run.launched
    if launched is None:
        worker = Worker(model, spec, "alone", 0)
        atexit.register(worker.close)
    else:
        spec.update({name: value for name, value in launched.options.items() if value is not None})
        launched.begins()
        worker = Worker(model, spec, launched.place, launched.rank)
        if worker._session.report is not None:
            launched.over(worker._session.report)
    _joined = worker
    return worker
