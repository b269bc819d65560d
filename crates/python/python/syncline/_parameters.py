"""The parameters of a script's model as one flat vector, which is what crosses to the servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional, Protocol

import numpy as np
import numpy.typing as npt

from ._errors import UsageError

Vector = npt.NDArray[np.float32]


class Parameters(Protocol):
    """A model's parameters and gradients, and the flat vectors that stand for them."""

    values: Vector
    gradient: Vector

    def collect(self, gradients: Any) -> None:
        """Puts the gradients of a step into :attr:`gradient`."""

    def spread(self) -> None:
        """Puts :attr:`values` into the model, and makes ready for the next gradients."""


def parameters_of(model: Any) -> Parameters:
    """The parameters of a PyTorch module (or of tensors), or arrays: one, a list, or a dictionary of them."""
    if hasattr(model, "parameters") and callable(model.parameters):
        return Tensors(model.parameters())
    items = list(model.values()) if isinstance(model, Mapping) else model
    if isinstance(items, (list, tuple)) and items and all(hasattr(item, "requires_grad") for item in items):
        return Tensors(items)
    return Arrays(model)


class Arrays:
    """Arrays of NumPy: they are changed in place."""

    def __init__(self, model: Any) -> None:
        self._names: Optional[list[Any]] = list(model) if isinstance(model, Mapping) else None
        self._single = isinstance(model, np.ndarray)
        self._arrays = self._listed(model)
        for array in self._arrays:
            if not (isinstance(array, np.ndarray) and np.issubdtype(array.dtype, np.floating)):
                kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
                raise UsageError(f"parameters are arrays of floating point numbers, not {kind}")
        self.values = np.empty(sum(array.size for array in self._arrays), dtype=np.float32)
        self.gradient = np.zeros_like(self.values)
        _put(self._arrays, self.values)

    def _listed(self, model: Any) -> list[Any]:
        if self._single:
            return [model]
        if isinstance(model, Mapping):
            if self._names is None or set(model) != set(self._names):
                raise UsageError(f"gradients of {_named(model)}, but parameters {_named(self._names or [])}")
            return [model[name] for name in self._names]
        if not isinstance(model, (list, tuple)) or not model:
            raise UsageError("give a PyTorch module, or an array, a list or a dictionary of arrays")
        return list(model)

    def collect(self, gradients: Any) -> None:
        if gradients is None:
            raise UsageError("for arrays, a step takes the gradients: step(gradients)")
        found = [np.asarray(gradient) for gradient in self._listed(gradients)]
        shapes = [array.shape for array in self._arrays]
        if [gradient.shape for gradient in found] != shapes:
            raise UsageError(f"gradients of the shapes {[g.shape for g in found]} for parameters of {shapes}")
        _put(found, self.gradient)

    def spread(self) -> None:
        start = 0
        for array in self._arrays:
            np.copyto(array, self.values[start : start + array.size].reshape(array.shape), casting="same_kind")
            start += array.size


def _put(arrays: Iterable[npt.NDArray[Any]], flat: Vector) -> None:
    start = 0
    for array in arrays:
        flat[start : start + array.size].reshape(array.shape)[...] = array
        start += array.size


def _named(names: Iterable[Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class Tensors:
    """Tensors of PyTorch. Those of 32 bits on the CPU become views of the flat vectors, so that nothing is copied."""

    def __init__(self, tensors: Iterable[Any]) -> None:
        import torch

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
        self._clear()

    def _is_bound(self, tensor: Any) -> bool:
        return bool(tensor.device.type == "cpu" and tensor.dtype == self._torch.float32)

    def _clear(self) -> None:
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
        self._clear()
