"""One code for every array library: the namespace that belongs to an array."""

from __future__ import annotations

from typing import Any

import numpy as np


def namespace(x: Any) -> Any:
    """Return the array-API namespace of ``x``: NumPy for NumPy arrays, else its library's."""
    if isinstance(x, np.ndarray | np.generic):
        return np
    from array_api_compat import array_namespace

    return array_namespace(x)


def as_array_like(values: np.ndarray, like: Any) -> Any:
    """Return ``values`` as an array of ``like``'s library, dtype and device."""
    if isinstance(like, np.ndarray):
        return values.astype(like.dtype, copy=False)
    xp = namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=like.device)
