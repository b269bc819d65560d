"""Training a model of one's own in one's own loop, with the parameter server between the steps."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional, TypeVar, Union

from . import _native, _run
from ._ask import Path, path
from ._document import Document
from ._errors import SynclineError, UsageError
from ._parameters import parameters_of
from ._progress import Progress, notebook
from ._told import Told

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
        self._epochs: int = spec["epochs"]
        #: Whether its work passes from hand to hand, so that it may come to work at others' shares.
        self._deals: bool = spec["elastic"] is not None or spec["on_worker_loss"] == "redistribute"
        self._knows_share = False
        #: The epoch whose batches are gone through, where the script goes through epochs.
        self._only: Optional[int] = None
        self._shown: Optional[Progress] = None
        self._loss: Optional[float] = None
        self._process = os.getpid()
        self._parameters = parameters_of(model)
        self._session = _native.Session.join(json.dumps(spec), place, self._parameters.values)
        self._goes_on = True
        if self._session.report is None:
            self._exchange(None, None, 0)

    def _exchange(self, gradient: Any, loss: Optional[float], samples: int) -> None:
        self._goes_on = self._session.step(gradient, loss, samples, self._parameters.values)
        self._parameters.spread()

    def step(self, gradients: Any = None, *, loss: Any = None, samples: Optional[int] = None) -> bool:
        """Hands the gradients of this step to the servers, waits for as long as the policy says, and puts the new parameters into
        the model. Returns whether there is a further step.

        Of a module the gradients are those that ``loss.backward()`` left, and are cleared; for arrays they are given, in the
        same structure as the arrays. ``loss`` is the batch's mean loss, for the report, which has none where it is not told; one
        that is no number ends the run. ``samples`` is the batch's size where that is not ``batch_size``: batches count by it.
        """
        self._check_process()
        if not self._goes_on:
            return False
        self._check_share()
        self._parameters.collect(gradients)
        # A tensor that still has its graph warns of becoming a number.
        self._loss = None if loss is None else float(loss.detach() if hasattr(loss, "detach") else loss)
        size = self._batch_size if samples is None else int(samples)
        self._exchange(self._parameters.gradient, self._loss, size)
        return self._goes_on

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets gradients that ``backward`` has left since the last :meth:`step`. A step clears them itself; a loop that was
        written for an optimiser keeps its line."""
        self._parameters.forget()

    def batches(
        self, loader: Union[Iterable[Batch], Callable[[int], Iterable[Batch]]], *, progress: Optional[bool] = None
    ) -> Iterator[Batch]:
        """Goes through ``loader`` in every epoch that is left, for one :meth:`step` a batch. A worker that was started again goes on
        where it was. A sampler with ``set_epoch`` is told the epoch.

        Where workers come and go, or do the work of others that were lost, give a function of the share that makes its loader:
        it is called for each share that this worker comes to work at.

        Within :meth:`epochs` it goes through the batches of that epoch. How far it is shows in a notebook, and with ``progress=True``
        on a terminal as well; not with ``progress=False``."""
        of_share = None if hasattr(loader, "__iter__") or not callable(loader) else loader
        if of_share is None and self._deals:
            raise UsageError(
                "this worker may come to do the work of others: give `batches` a function that makes the loader of a share, such as"
                " batches(lambda share: loader_of(share, worker.workers))"
            )
        self._knows_share = True
        readers: dict[int, _Reader] = {}
        if self._shown is None and (progress or (progress is None and notebook() is not None)):
            self._shown = Progress()
        while self._goes_on:
            share, _, epoch, step = self._session.at
            if self._only is not None and epoch != self._only:
                return
            if share not in readers or not readers[share].stands_at(epoch, step):
                found: Any = loader if of_share is None else of_share(share)
                readers[share] = _Reader(found, epoch, step)
            before = self._session.at
            yield readers[share].next()
            if self._session.at == before and self._goes_on:
                readers[share].passed += 1
            if self._shown is not None:
                self._shown.tell(self._told(), last=not self._goes_on)

    def epochs(self) -> Iterator[int]:
        """Goes through the epochs that are left, for scripts that do something after each; :meth:`batches` goes through the
        batches of the epoch then. An epoch comes again where the run is taken back to a checkpoint in it.

        >>> import numpy as np
        >>> weights, rows = np.zeros(2, dtype=np.float32), [1.0, 2.0, 3.0]
        >>> worker = join(weights, steps_per_epoch=len(rows), epochs=2, optimizer="sgd", lr=0.1)
        >>> for epoch in worker.epochs():
        ...     for row in worker.batches(rows):
        ...         _ = worker.step(weights - row)
        ...     print(f"after epoch {epoch}: {weights[0]:.3f}")
        after epoch 0: 0.561
        after epoch 1: 0.970
        """
        try:
            before: Any = None
            while self._goes_on:
                if self._session.at == before:
                    raise UsageError(f"no step was taken in epoch {self.epoch}: go through its batches by worker.batches(loader), and step")
                before, self._only = self._session.at, self._session.at[2]
                yield self._only
        finally:
            self._only = None

    def _told(self) -> str:
        """How far it is."""
        _, _, epoch, step = self._session.at
        loss = "" if self._loss is None else f", loss {self._loss:.4g}"
        if not self._goes_on:
            return f"all of {self._epochs} epochs{loss}" if self.finished else f"left in epoch {epoch + 1} of {self._epochs}{loss}"
        return f"epoch {epoch + 1} of {self._epochs}, step {step + 1} of {self.steps_per_epoch}{loss}"

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
    def finished(self) -> bool:
        """Whether training is over and the model has its last parameters: not where the run was ended early, or goes on without this
        worker."""
        return self._session.is_finished

    @property
    def share(self) -> int:
        """Of whose share of the work the next step is: this worker's :attr:`rank`, but where workers come and go, or do the work of
        others that were lost. There are as many shares as :attr:`workers`."""
        self._knows_share = True
        return self._session.at[0]

    @property
    def epoch(self) -> int:
        """The epoch of the next step, from 0."""
        return self._epochs if self._session.is_finished else self._session.at[2]

    @property
    def round(self) -> int:
        """The round of the next step, from 0."""
        return self._session.at[1]

    @property
    def report(self) -> Optional[Document]:
        """What the run was like: of a script that was started alone, once it is :meth:`closed <close>`."""
        told = self._session.report
        return None if told is None else Told(told).report

    def close(self) -> None:
        """Takes no further step; the script's end does the same. Others go on without this worker's gradients; a script that is alone
        ends its run by that, of which there is no report then."""
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

    def _check_share(self) -> None:
        if not self._knows_share and self._session.at[0] != self.rank:
            raise UsageError(
                "this step is of the work of another worker, and the script has not asked whose: take its rows by `worker.share`, or by"
                " worker.batches(lambda share: ...)"
            )


class _Reader:
    """One pass through the batches of a share."""

    def __init__(self, loader: Iterable[Any], epoch: int, step: int) -> None:
        set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        self._batches = iter(loader)
        self._epoch = epoch
        self._done = 0
        #: Batches for which no step was taken.
        self.passed = 0
        while self._done < step:
            self.next()

    def stands_at(self, epoch: int, step: int) -> bool:
        """Whether this step is of the batch that comes next."""
        return epoch == self._epoch and step == self._done - self.passed

    def next(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            raise UsageError(
                f"the loader has no batch for step {self._done + 1} of epoch {self._epoch}: it has fewer than steps_per_epoch, or step()"
                " was not called for each"
            ) from None
        self._done += 1
        return batch


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
    compress: Optional[str] = None,
    every: str = "batch",
    fold: str = "mean",
    seed: int = 1,
    trace: Optional[Path] = None,
    checkpoint: Optional[Path] = None,
    checkpoint_every: Optional[str] = None,
    keep: Optional[int] = None,
    resume: Optional[Path] = None,
    on_worker_loss: str = "stop",
    replicas: int = 0,
) -> Worker:
    """Takes part in a training run as a worker: servers hold the parameters, and every :meth:`Worker.step` exchanges gradients for
    new parameters, as the policy ``sync`` says (``bsp``, ``asp``, ``ssp:2``, ``backup:1``, ``local:8``, ``allreduce``,
    ``hierarchical:4,8`` ...).

    ``model`` is a PyTorch module, whose gradients ``backward`` leaves in it; or arrays of NumPy (one, or lists and dictionaries of
    them), which are changed in place; or a pytree of JAX, which is new in :attr:`Worker.model` after each step.
    ``steps_per_epoch`` is how many steps each worker takes in an epoch, the same for all. The other
    settings are those of ``syncline train``; what ``syncline run`` is told on the command line goes before what stands here.

    Started by ``syncline run --workers 4 train.py``, the script is one of four workers; started by ``python train.py`` it is the
    only one, who waits for nobody. What stands before ``join`` is done once in every process of the run, so it should do no more than prepare.

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
        "on": "processes",
        "insecure_network": False,
        "workers": 1,
        "elastic": None,
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
        "compress": compress,
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "batch_size": batch_size,
        "seed": seed,
        "inject": [],
        "trace": None if trace is None else path(trace),
        "checkpoint": None if checkpoint is None else path(checkpoint),
        "checkpoint_every": checkpoint_every,
        "keep": keep,
        "resume": None if resume is None else path(resume),
        "on_worker_loss": on_worker_loss,
        "replicas": replicas,
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
            launched.over(Told(worker._session.report))
        if not worker.goes_on and not worker.finished:
            # It comes too late to have any part in the run: nothing of the script is to be done with what it begins with.
            worker.close()
    _joined = worker
    return worker
