"""Losses: every example's value and slope in one pass over its outputs."""

from __future__ import annotations

import math
from typing import Any

from pullback.engine.kernels.elementary import falling_exp
from pullback.engine.kernels.native import (
    integers,
    item_size,
    real,
    reals,
    share,
    total_of,
    vector,
)


def cross_entropy(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Values and slopes of class numbers: y and slope (n, k), target and values (n).

    With ``z`` the outputs less their largest and ``s = sum_k exp z_k``, the value is
    ``log s - (1 - e) z_t - e / k sum_k z_k`` and the slope ``exp z / s`` less the target's share.
    """
    n, k, smoothing = a[0], a[1], real(a[2])
    target, size = integers(a[4], n), item_size(like)
    values = vector(a[5], n, like)
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop):
        y, slope = vector(a[3] + i * k * size, k, like), vector(a[6] + i * k * size, k, like)
        number = y.dtype.type
        largest = y[0]
        for j in range(1, k):
            # NaN counts as the largest of all, so that it is found in the value
            largest = largest if largest >= y[j] or largest != largest else y[j]
        mass = 0.0
        for j in range(k):
            z = y[j] - largest
            mass += z
            slope[j] = falling_exp(z)
        total = total_of(slope)
        if target[i] < 0 or target[i] >= k:
            values[i] = math.nan
            continue
        value = math.log(total) - (1 - smoothing) * (y[target[i]] - largest)
        if smoothing:
            value -= smoothing / k * mass
        values[i] = value
        norm, rest = number(total), number(smoothing / k)
        for j in range(k):
            slope[j] = slope[j] / norm - rest
        slope[target[i]] -= number(1 - smoothing)


def scaled_rows(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gy[i] = g[i] slope[i]``: slope and gy (n, k), g (n)."""
    n, k, size = a[0], a[1], item_size(like)
    g = vector(a[3], n, like)
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop):
        slope, gy = vector(a[2] + i * k * size, k, like), vector(a[4] + i * k * size, k, like)
        for j in range(k):
            gy[j] = g[i] * slope[j]


def count_classes(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Add to ``losses`` the sum of values (n) and n, to ``hits`` the number of rows of y (n, k)
    whose largest number is the target's, and n.
    """
    n, k, size = a[0], a[1], item_size(like)
    target, losses, hits = integers(a[4], n), reals(a[5], 2), reals(a[6], 2)
    losses[0] += total_of(vector(a[2], n, like))
    losses[1] += n
    found = 0
    for i in range(n):
        y = vector(a[3] + i * k * size, k, like)
        best = 0
        for j in range(1, k):
            # the first of the largest, or the first NaN
            if (y[j] > y[best] or y[j] != y[j]) and y[best] == y[best]:
                best = j
        found += best == target[i]
    hits[0] += found
    hits[1] += n
