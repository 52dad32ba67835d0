"""Sums of two arrays, with the activation after them, or its slope."""

from __future__ import annotations

from typing import Any

from pullback.engine.kernels.dense import LINE, RELU
from pullback.engine.kernels.native import item_size, share, vector


def add_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(u + v)``: all (n k)."""
    start, stop = share(a[0] * a[1], part, parts, LINE)
    offset, count = start * item_size(like), stop - start
    u, v = vector(a[3] + offset, count, like), vector(a[4] + offset, count, like)
    y = vector(a[5] + offset, count, like)
    if a[2] == RELU:
        for i in range(count):
            total = u[i] + v[i]
            y[i] = 0 if total <= 0 else total
    else:
        for i in range(count):
            y[i] = u[i] + v[i]


def add_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = (u + v) act'(x)``: u, v, x what act has made, gx, all (n k)."""
    start, stop = share(a[0] * a[1], part, parts, LINE)
    offset, count = start * item_size(like), stop - start
    u, v = vector(a[3] + offset, count, like), vector(a[4] + offset, count, like)
    x, gx = vector(a[5] + offset, count, like), vector(a[6] + offset, count, like)
    if a[2] == RELU:
        for i in range(count):
            gx[i] = u[i] + v[i] if x[i] > 0 else 0
    else:
        for i in range(count):
            gx[i] = u[i] + v[i]
