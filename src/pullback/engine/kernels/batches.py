"""Rows of the data gathered into a batch, and made the network's input on the way."""

from __future__ import annotations

from typing import Any

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.native import (
    bytes_at,
    integers,
    item_size,
    prefetch,
    real,
    share,
    vector,
)

AHEAD = 8
"""Rows that are asked for before they are needed, as they lie anywhere in the memory."""


def gather_bytes(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``out[i] = data[rows[i]] * scale + shift``: data (count, k) of bytes, out (n, k)."""
    n, k, scale, shift = a[0], a[1], real(a[2]), real(a[3])
    data, rows, x = a[4], integers(a[5], n), a[6]
    # by columns: the parts of the product that follows are made of them
    start, stop = share(k, part, parts, LINE)
    for i in range(n):
        if i + AHEAD < n:
            for j in range(start, stop, 64):
                prefetch(data + rows[i + AHEAD] * k + j)
        source = bytes_at(data + rows[i] * k + start, stop - start)
        out = vector(x + (i * k + start) * item_size(like), stop - start, like)
        factor, offset = out.dtype.type(scale), out.dtype.type(shift)
        for j in range(stop - start):
            out[j] = out.dtype.type(source[j]) * factor + offset
