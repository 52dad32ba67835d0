"""One code for every array library: the namespace that belongs to an array."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from pullback.core.errors import DataError


def namespace(x: Any) -> Any:
    """Return the array-API namespace of ``x``: NumPy for NumPy arrays, else its library's."""
    if isinstance(x, np.ndarray | np.generic):
        return np
    from array_api_compat import array_namespace

    return array_namespace(x)


def library(x: Any) -> Any:
    """Return the module of ``x``'s library: ``numpy`` or ``torch``, whose operations take ``out``.

    The array-API namespace has no ``out``.
    """
    return np if isinstance(x, np.ndarray | np.generic) else sys.modules[type(x).__module__]


def count_up(count: int, like: Any, dtype: Any = None) -> Any:
    """Return ``0, 1, ... count - 1``, of ``like``'s library, device and dtype, or another dtype.

    It is made there: what comes from the host cannot be part of a graph of the device.
    """
    if isinstance(like, np.ndarray):
        return np.arange(count, dtype=dtype or like.dtype)
    return namespace(like).arange(count, dtype=dtype or like.dtype, device=like.device)


def on_host(x: Any) -> np.ndarray:
    """Return ``x`` as an array of NumPy's."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def copy(x: Any) -> Any:
    """Return a copy of ``x``, of the same library and device."""
    return x.copy() if isinstance(x, np.ndarray) else x.clone()


def astype(x: Any, dtype: str) -> Any:
    """Return ``x`` as an array of ``dtype``, of the same library and device."""
    xp = namespace(x)
    return xp.astype(x, getattr(xp, dtype))


def memory(x: Any) -> tuple[Any, ...]:
    """Return where ``x`` begins in memory, and its strides."""
    if isinstance(x, np.ndarray):
        return x.ctypes.data, x.strides
    return x.data_ptr(), x.stride()


def as_numpy(x: Any, what: str = "x") -> np.ndarray:
    """Return ``x`` as a NumPy array, without a copy where its library shares its memory.

    Takes what NumPy makes arrays of, and the arrays of any library with ``__array__`` (tensors,
    data frames of numbers) or ``__dlpack__``.

    Raises:
        DataError: its library will not give up the numbers, as of a tensor on another device.
    """
    if isinstance(x, np.ndarray):
        return x
    try:
        if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
            return np.from_dlpack(x)
        return np.asarray(x)
    except (RuntimeError, TypeError, BufferError) as error:
        why = " ".join(str(error).split())
        raise DataError(
            f"{what}: a {type(x).__name__} that is no array of numbers in memory ({why}); "
            "detach it, bring it to the CPU, or convert it to float32 first"
        ) from None


def full(shape: tuple[int, ...], fill: float, like: Any) -> Any:
    """Return an array of ``fill``, of ``like``'s library, dtype and device."""
    if isinstance(like, np.ndarray):
        return np.full_like(like, fill, order="C", shape=shape)
    return namespace(like).full(shape, fill, dtype=like.dtype, device=like.device)


LINE = 64
"""Bytes of a line of the cache, and of the widest registers."""


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a NumPy array that begins at a line of the cache, its numbers not set.

    What lies across two lines takes two accesses, and NumPy's own large arrays begin anywhere.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    array: np.ndarray = memory[start : start + size].view(dtype).reshape(shape)
    return array


def as_array_like(values: np.ndarray, like: Any) -> Any:
    """Return ``values`` as an array of ``like``'s library, dtype and device."""
    if isinstance(like, np.ndarray):
        return values.astype(like.dtype, copy=False)
    xp = namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=like.device)


def beside(values: np.ndarray, like: Any) -> Any:
    """Return ``values`` as an array of ``like``'s library and device, in their own dtype."""
    if isinstance(like, np.ndarray):
        return values
    return namespace(like).asarray(values, device=like.device)


def add_rows(out: Any, ids: Any, rows: Any) -> None:
    """Add ``rows (M, C)`` to those of ``out`` at ``ids (M,)``, which may repeat; not below 0."""
    kept = ids >= 0
    ids, rows = ids[kept], rows[kept]
    if isinstance(out, np.ndarray):
        np.add.at(out, ids, rows)
    else:
        out.index_put_((ids,), rows, accumulate=True)
