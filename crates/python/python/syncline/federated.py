"""Federated learning with clients of one's own: each fits a model to what it has, and a server of ours folds what they come to.

>>> import numpy as np
>>> class Halfway(Client):
...     def __init__(self, number): self.goal = np.array([number, 2.0 * number])
...     def fit(self, parameters, config):
...         return [parameters[0] + (self.goal - parameters[0]) / 2], 10, {}
...     def evaluate(self, parameters, config):
...         return float(np.abs(parameters[0] - self.goal).mean()), 10, {}
>>> trained = run(Halfway, [np.zeros(2)], clients=3, rounds=30)
>>> [round(float(value), 3) for value in trained.parameters[0]], trained.report.totals.counted
([1.0, 2.0], 90)

Clients that are made for Flower's ``NumPyClient`` have these methods already.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _native
from ._ask import Path, flags, logger
from ._document import Document
from ._errors import UsageError
from ._parameters import _leaves, _parts, _put
from ._program import start_again
from ._told import Told

__all__ = ["Client", "Trained", "arrays_of", "put", "run"]

#: Arrays in lists and dictionaries of any depth, as the initial parameters have them.
Arrays = Any


class Client:
    """What a client does. Any object with these methods will do."""

    def fit(self, parameters: Arrays, config: dict[str, Any]) -> tuple[Arrays, float, Mapping[str, Any]]:
        """Trains from these parameters on what the client has, and gives new ones, how many examples they come from (which is what they weigh),
        and a dictionary, whose ``loss``, where there is one, is reported as what clients met.

        ``config`` has ``server_round``, from 1, and with ``strategy="prox"`` or ``mu=`` the ``proximal_mu``. The parameters are the
        client's to change.
        """
        raise NotImplementedError

    def evaluate(self, parameters: Arrays, config: dict[str, Any]) -> Optional[tuple[float, int, Mapping[str, Any]]]:
        """The mean loss of these parameters on what the client has, on how many examples, and a dictionary, perhaps with an ``accuracy``."""
        return None


class Trained:
    """What a run came to."""

    def __init__(self, parameters: Arrays, told: Told) -> None:
        #: The parameters, as the initial ones were given; of a PyTorch module a list of arrays (see :func:`put`).
        self.parameters = parameters
        #: The document of ``syncline federate --json``: rounds, bytes, waits, privacy, fairness.
        self.report = told.report
        self._text = told.text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Trained({self.report.strategy}, {len(self.report.rounds)} rounds)"


def run(
    client: Callable[[int], Any],
    initial: Arrays,
    *,
    clients: int,
    examples: Optional[Sequence[int]] = None,
    evaluate: Optional[Callable[[int, Arrays], tuple[float, Mapping[str, Any]]]] = None,
    on_round: Optional[Callable[[Document], None]] = None,
    rounds: Optional[int] = None,
    strategy: Optional[str] = None,
    select: Union[str, int, float, None] = None,
    quorum: Optional[int] = None,
    deadline: Optional[str] = None,
    late: Optional[str] = None,
    fold: Optional[str] = None,
    mu: Optional[float] = None,
    server_lr: Optional[float] = None,
    server_momentum: Optional[float] = None,
    alpha: Optional[float] = None,
    staleness_power: Optional[float] = None,
    buffer: Optional[int] = None,
    most_stale: Optional[int] = None,
    compress: Optional[str] = None,
    liars: Optional[str] = None,
    dp_noise: Optional[float] = None,
    dp_epsilon: Optional[float] = None,
    dp_clip: Optional[float] = None,
    dp_adaptive: bool = False,
    dp_delta: Optional[float] = None,
    dp_by: Optional[str] = None,
    reproducible_noise: bool = False,
    secure_sum: Union[str, int, None] = None,
    secure_clip: Optional[float] = None,
    secure_bits: Optional[int] = None,
    on: Optional[str] = None,
    nodes: Optional[int] = None,
    step_time: Optional[str] = None,
    speeds: Optional[str] = None,
    jitter: Optional[str] = None,
    network: Optional[str] = None,
    dropout: Optional[float] = None,
    evaluate_every: Optional[int] = None,
    target_loss: Optional[float] = None,
    seed: Optional[int] = None,
    trace: Optional[Path] = None,
) -> Trained:
    """Trains one model on many clients, and returns when it is over.

    ``client(number)`` makes the client of a number from 0 on, once in each process that has it; ``initial`` are arrays, one or lists and
    dictionaries of them, or a PyTorch module. ``examples`` says how many each client has, where that is to be known before it has
    answered: for ``select="samples:5"`` and for secure sums. ``evaluate(round, parameters)`` judges the model in the launching process, in
    place of the clients.

    All else is as of ``syncline federate``. Without ``on`` time is virtual: ``step_time`` is that of one ``fit`` on a device of factor 1,
    and clients who do the same do the same again to the bit. With ``on="processes"`` the script is started again for every node, and comes to
    the same ``run`` there; clients are spread over ``nodes``.

    What a client raises ends the run with a :class:`syncline.SynclineError` that names it.
    """
    asked = {name: value for name, value in locals().items() if name not in _OWN}
    layout = _Layout(initial)
    work = _Work(client, layout, evaluate)
    if on not in (None, "threads"):
        start_again()
    values, document = _native.federate(
        flags(asked),
        clients,
        None if examples is None else [int(count) for count in examples],
        layout.values,
        work.fit,
        work.evaluate,
        None if evaluate is None else work.judge,
        None if on_round is None else lambda told: on_round(Document(json.loads(told))),
    )
    told = Told(document)
    if told.trace_error is not None:
        logger.warning("%s", told.trace_error)
    return Trained(layout.tree(values), told)


#: Arguments of :func:`run` that are no options of the command.
_OWN = {"client", "initial", "clients", "examples", "evaluate", "on_round"}


def arrays_of(model: Any) -> list[npt.NDArray[Any]]:
    """What a PyTorch module has of floating point numbers, parameters and buffers, as arrays.

    >>> import torch                                          # doctest: +SKIP
    >>> [array.shape for array in arrays_of(torch.nn.Linear(3, 2))]    # doctest: +SKIP
    [(2, 3), (2,)]
    """
    return [tensor.detach().cpu().numpy().copy() for tensor in _floats(model)]


def put(model: Any, parameters: Iterable[npt.NDArray[Any]]) -> None:
    """Puts arrays, as :func:`arrays_of` gives them, into a PyTorch module."""
    import torch

    tensors, arrays = _floats(model), list(parameters)
    shapes = [tuple(tensor.shape) for tensor in tensors], [np.shape(array) for array in arrays]
    if shapes[0] != shapes[1]:
        raise UsageError(f"the module has tensors of the shapes {shapes[0]}, the arrays have {shapes[1]}")
    with torch.no_grad():
        for tensor, array in zip(tensors, arrays):
            tensor.copy_(torch.as_tensor(array))


def _floats(model: Any) -> list[Any]:
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]


class _Layout:
    """The structure of the parameters, and the flat vector that travels for them."""

    def __init__(self, initial: Arrays) -> None:
        self._tree = arrays_of(initial) if hasattr(initial, "state_dict") else initial
        self._arrays = {name: np.asarray(leaf) for name, leaf in _leaves(self._tree)}
        for name, array in self._arrays.items():
            if not np.issubdtype(array.dtype, np.floating):
                raise UsageError(f"parameters are arrays of floating point numbers; {name or 'this'} is an array of {array.dtype}")
        self.values = self._flat(self._arrays.values())
        if not self.values.size:
            raise UsageError("give the initial parameters: an array, or lists and dictionaries of them, or a PyTorch module")

    def _flat(self, arrays: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        flat = np.empty(sum(array.size for array in self._arrays.values()), dtype=np.float32)
        _put(arrays, flat)
        return flat

    def tree(self, values: npt.NDArray[np.float32]) -> Arrays:
        """Arrays of these values, in the structure and of the types of the initial ones."""
        pieces = zip(self._arrays.values(), _parts(self._arrays.values(), values))
        return _rebuilt(self._tree, (part.astype(array.dtype) for array, part in pieces))

    def vector(self, tree: Arrays) -> npt.NDArray[np.float32]:
        """The flat vector of what a client gives."""
        found = {name: np.asarray(leaf) for name, leaf in _leaves(tree)}
        for name in sorted(found.keys() ^ self._arrays.keys()):
            has = "has not" if name in self._arrays else "has"
            raise UsageError(f"`fit` {has} given back {name or 'a single array'}: give parameters of the structure that it was given")
        for name, array in self._arrays.items():
            if found[name].shape != array.shape:
                raise UsageError(f"`fit` gave back {name or 'an array'} of the shape {found[name].shape}, and was given {array.shape}")
        return self._flat(found[name] for name in self._arrays)


def _rebuilt(tree: Arrays, arrays: Iterator[Any]) -> Arrays:
    """The same lists and dictionaries, with these arrays in the place of the leaves."""
    if isinstance(tree, Mapping):
        return {key: _rebuilt(inner, arrays) for key, inner in tree.items()}
    if isinstance(tree, (list, tuple)):
        inner = [_rebuilt(inner, arrays) for inner in tree]
        return inner if isinstance(tree, list) else tuple(inner)
    return next(arrays)


class _Work:
    """The clients of this process, as the native part calls them."""

    def __init__(self, make: Callable[[int], Any], layout: _Layout, judge: Optional[Callable[[int, Arrays], Any]]) -> None:
        self._make = make
        self._layout = layout
        self._judge = judge
        self._made: dict[int, Any] = {}

    def _client(self, number: int) -> Any:
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def fit(
        self, number: int, values: npt.NDArray[np.float32], server_round: int, mu: float
    ) -> tuple[npt.NDArray[np.float32], float, Optional[float]]:
        config: dict[str, Any] = {"server_round": server_round}
        if mu > 0:
            config["proximal_mu"] = mu
        try:
            answer = self._client(number).fit(self._layout.tree(values), config)
            parameters, examples, metrics = _three("fit", "parameters, the number of examples and a dictionary", answer)
            return self._layout.vector(parameters), float(examples), _number(metrics, "loss")
        except Exception:
            traceback.print_exc()
            raise

    def evaluate(self, number: int, values: npt.NDArray[np.float32]) -> Optional[tuple[float, int, Optional[float]]]:
        try:
            evaluate = getattr(self._client(number), "evaluate", None)
            answer = None if evaluate is None else evaluate(self._layout.tree(values), {})
            if answer is None:
                return None
            loss, examples, metrics = _three("evaluate", "a loss, the number of examples and a dictionary", answer)
            return float(loss), int(examples), _number(metrics, "accuracy")
        except Exception:
            traceback.print_exc()
            raise

    def judge(self, server_round: int, values: npt.NDArray[np.float32]) -> Optional[tuple[float, int, Optional[float]]]:
        assert self._judge is not None
        answer = self._judge(server_round, self._layout.tree(values))
        if answer is None:
            return None
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise UsageError(f"`evaluate` is to give a loss and a dictionary, or None, and gave {type(answer).__name__}")
        return float(answer[0]), 1, _number(answer[1], "accuracy")


def _three(method: str, what: str, answer: Any) -> tuple[Any, Any, Any]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise UsageError(f"`{method}` is to give {what}, and gave {type(answer).__name__}")
    return tuple(answer)


def _number(metrics: Optional[Mapping[str, Any]], name: str) -> Optional[float]:
    value = (metrics or {}).get(name)
    return None if value is None else float(value)
