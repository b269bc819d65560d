"""The parameters of a script's model as one flat vector, which is what crosses to the servers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional, Protocol

import numpy as np
import numpy.typing as npt

from ._dlpack import view_of
from ._errors import UsageError

Vector = npt.NDArray[np.float32]

#: Whether NumPy may write to a tensor that lends its memory.
_LENDS_FOR_WRITING = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


class Parameters(Protocol):
    """A model's parameters and gradients, and the flat vectors that stand for them."""

    model: Any
    values: Vector
    gradient: Vector

    def collect(self, gradients: Any) -> None:
        """Puts the gradients of a step into :attr:`gradient`."""

    def spread(self) -> None:
        """Puts :attr:`values` into the model, and makes ready for the next gradients."""

    def forget(self) -> None:
        """Drops gradients that lie in the model."""


def parameters_of(model: Any) -> Parameters:
    """The parameters of a PyTorch module (or of tensors), or of a tree of arrays of NumPy or JAX."""
    if hasattr(model, "parameters") and callable(model.parameters):
        return Tensors(model, model.parameters())
    items = list(model.values()) if isinstance(model, Mapping) else model
    if isinstance(items, (list, tuple)) and items and all(hasattr(item, "requires_grad") for item in items):
        return Tensors(model, items)
    jax = sys.modules.get("jax")
    if jax is not None and any(isinstance(leaf, jax.Array) for leaf in jax.tree_util.tree_leaves(model)):
        return Pytree(model)
    return Arrays(model)


class Arrays:
    """Arrays of NumPy, and tensors whose memory NumPy can look at (DLPack), in lists and dictionaries of any depth: they are changed
    in place. A single array of 32 bits is itself the vector that crosses."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._arrays = {name: _parameter(name, leaf) for name, leaf in _leaves(model)}
        if not self._arrays:
            raise UsageError("give a PyTorch module, or arrays: one, or lists and dictionaries of them")
        first = next(iter(self._arrays.values()))
        self._is_itself = len(self._arrays) == 1 and first.dtype == np.float32 and first.flags.c_contiguous
        if self._is_itself:
            self.values = first.reshape(-1)
        else:
            self.values = np.empty(sum(array.size for array in self._arrays.values()), dtype=np.float32)
            _put(self._arrays.values(), self.values)
        self.gradient = np.zeros_like(self.values)

    def collect(self, gradients: Any) -> None:
        if gradients is None:
            raise UsageError("for arrays, a step takes the gradients: step(gradients)")
        found = _in_order({name: _lent(leaf) for name, leaf in _leaves(gradients)}, self._arrays)
        if self._is_itself:
            gradient = np.ascontiguousarray(found[0], dtype=np.float32).reshape(-1)
            # Both cross at once: of |w|^2 / 2 they are the same array.
            self.gradient = gradient.copy() if np.may_share_memory(gradient, self.values) else gradient
        else:
            _put(found, self.gradient)

    def spread(self) -> None:
        if self._is_itself:
            return
        for array, values in zip(self._arrays.values(), _parts(self._arrays.values(), self.values)):
            np.copyto(array, values, casting="same_kind")

    def forget(self) -> None:
        """Gradients of arrays are given, and lie nowhere."""


def _parameter(name: str, leaf: Any) -> npt.NDArray[Any]:
    """A parameter as an array that can be changed in place."""
    array = view_of(leaf)
    if array is None or not np.issubdtype(array.dtype, np.floating):
        kind = type(leaf).__name__ if array is None else f"an array of {array.dtype}"
        raise UsageError(f"parameters are arrays of floating point numbers; {name or 'this'} is {kind}")
    if not array.flags.writeable:
        hint = "" if isinstance(leaf, np.ndarray) or _LENDS_FOR_WRITING else "; NumPy 2.1 and later can also write to tensors that lend their memory"
        raise UsageError(f"parameters are changed in place, and {name or 'this'} is for reading only: give a copy{hint}")
    return array


def _lent(leaf: Any) -> Any:
    """A gradient without a copy, where it is a tensor."""
    array = view_of(leaf)
    return leaf if array is None else array


class Pytree:
    """Arrays of JAX in any pytree, as flax and optax have them. They cannot be changed, so :attr:`model` is made anew by each
    step."""

    def __init__(self, model: Any) -> None:
        import jax

        self._jax = jax
        self.model = model
        leaves, self._structure = jax.tree_util.tree_flatten(model)
        self._arrays = dict(zip(self._names(model), leaves))
        for name, array in self._arrays.items():
            if not jax.numpy.issubdtype(jax.numpy.asarray(array).dtype, jax.numpy.floating):
                raise UsageError(f"parameters are arrays of floating point numbers; {name or 'this'} is not")
        self.values = np.empty(sum(np.size(array) for array in leaves), dtype=np.float32)
        self.gradient = np.zeros_like(self.values)
        _put(map(np.asarray, leaves), self.values)

    def _names(self, tree: Any) -> list[str]:
        found = self._jax.tree_util.tree_flatten_with_path(tree)[0]
        return [self._jax.tree_util.keystr(path) for path, _ in found]

    def collect(self, gradients: Any) -> None:
        if gradients is None:
            raise UsageError("for arrays, a step takes the gradients: step(gradients)")
        found = dict(zip(self._names(gradients), self._jax.tree_util.tree_leaves(gradients)))
        _put(map(np.asarray, map(_lent, _in_order(found, self._arrays))), self.gradient)

    def spread(self) -> None:
        numpy = self._jax.numpy
        leaves = self._arrays.values()
        # Copies: an array of JAX that shared the vector's memory would change with the next step.
        made = [numpy.array(part, dtype=leaf.dtype) for leaf, part in zip(leaves, _parts(leaves, self.values))]
        self.model = self._jax.tree_util.tree_unflatten(self._structure, made)

    def forget(self) -> None:
        """Gradients of arrays are given, and lie nowhere."""


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What stands in lists and dictionaries, with where: ``["layers"][0]``."""
    if isinstance(tree, (Mapping, list, tuple)):
        for key, inner in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
            yield from _leaves(inner, f"{name}[{key!r}]")
    else:
        yield name, tree


def _in_order(gradients: Mapping[str, Any], arrays: Mapping[str, Any]) -> list[Any]:
    """The gradients of these arrays, in the same order."""
    strange = sorted(gradients.keys() ^ arrays.keys())
    if strange:
        name = strange[0]
        there, absent = ("gradients", "parameters") if name in gradients else ("parameters", "gradients")
        raise UsageError(f"the {there} have {name or 'a single array'}, the {absent} have not: give them the same structure")
    for name, array in arrays.items():
        shape, wanted = np.shape(gradients[name]), np.shape(array)
        if shape != wanted:
            raise UsageError(f"the gradient{name and ' ' + name} has the shape {shape}, its parameter {wanted}")
    return [gradients[name] for name in arrays]


def _parts(arrays: Iterable[Any], flat: Vector) -> Iterator[Vector]:
    """The piece of the flat vector that stands for each array, in its shape."""
    start = 0
    for array in arrays:
        end = start + np.size(array)
        yield flat[start:end].reshape(np.shape(array))
        start = end


def _put(arrays: Iterable[npt.NDArray[Any]], flat: Vector) -> None:
    arrays = list(arrays)
    for array, part in zip(arrays, _parts(arrays, flat)):
        part[...] = array


class Tensors:
    """Tensors of PyTorch. Those of 32 bits on the CPU become views of the flat vectors, so that nothing is copied."""

    def __init__(self, model: Any, tensors: Iterable[Any]) -> None:
        import torch

        self.model = model
        self._torch = torch
        self._tensors = [tensor for tensor in tensors if tensor.requires_grad]
        if not self._tensors:
            raise UsageError("the model has no parameter that is trained")
        total = sum(tensor.numel() for tensor in self._tensors)
        self.values = np.empty(total, dtype=np.float32)
        self.gradient = np.zeros(total, dtype=np.float32)
        self._views: list[tuple[Any, Any]] = []
        start = 0
        for tensor in self._tensors:
            end = start + tensor.numel()
            view = torch.from_numpy(self.values[start:end]).view(tensor.shape)
            view.copy_(tensor.detach())
            self._views.append((view, torch.from_numpy(self.gradient[start:end]).view(tensor.shape)))
            if self._is_bound(tensor):
                tensor.data = view
            start = end
        self.forget()

    def _is_bound(self, tensor: Any) -> bool:
        return bool(tensor.device.type == "cpu" and tensor.dtype == self._torch.float32)

    def forget(self) -> None:
        """All gradients are zero, and lie in the vector where they can."""
        self.gradient.fill(0.0)
        for tensor, (_, gradient) in zip(self._tensors, self._views):
            tensor.grad = gradient if self._is_bound(tensor) else None

    def collect(self, gradients: Any) -> None:
        if gradients is not None:
            raise UsageError("the gradients of tensors are taken from their `.grad`: step() takes none")
        for tensor, (_, gradient) in zip(self._tensors, self._views):
            if tensor.grad is None:
                gradient.zero_()
            elif tensor.grad.data_ptr() != gradient.data_ptr():
                # The script has replaced it, as `zero_grad` does.
                gradient.copy_(tensor.grad)

    def spread(self) -> None:
        with self._torch.no_grad():
            for tensor, (view, _) in zip(self._tensors, self._views):
                if tensor.data_ptr() != view.data_ptr():
                    tensor.data.copy_(view)
        self.forget()
