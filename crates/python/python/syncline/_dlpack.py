"""Tensors of other libraries as arrays over the same memory, by DLPack."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ._errors import UsageError


def view_of(value: Any) -> Optional[npt.NDArray[Any]]:
    """The memory of an array, or of a tensor whose library can lend it, without a copy; nothing for what is neither.

    Raises :class:`UsageError` for a tensor that NumPy cannot look at: one on a GPU, or of 16 bits with a long exponent.

    >>> numbers = np.arange(3.0)
    >>> view_of(numbers) is numbers, view_of([1.0])
    (True, None)
    """
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "__dlpack__") or isinstance(value, np.generic):
        return None
    # Of a tensor that remembers how it came to be only the numbers are meant.
    value = value.detach() if hasattr(value, "detach") else value
    try:
        found: npt.NDArray[Any] = np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UsageError(f"NumPy cannot look at the memory of a {kind}: {error}; bring it to the CPU, with 32 or 64 bits") from None
    return found
