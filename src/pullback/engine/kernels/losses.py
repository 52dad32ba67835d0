"""Losses: every example's value and slope in one pass over its outputs."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

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
    """Values and slopes of class numbers: y and slope (n, t, k), target (n, t), values (n).

    A value is the mean over the positions ``t`` of its example. Where ``a[3]`` is set, those whose
    class number is below 0 are padding and do not count.
    """
    n, t, k, padding, size = a[0], a[1], a[2], a[3], item_size(like)
    values = vector(a[7], n, like)
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop):
        target = integers(a[6] + i * t * 8, t)
        count = 0
        for j in range(t):
            count += target[j] >= 0 or not padding
        value = 0.0
        for j in range(t):
            row = (i * t + j) * k * size
            y, slope = vector(a[5] + row, k, like), vector(a[8] + row, k, like)
            if target[j] < 0 and padding:
                for c in range(k):
                    slope[c] = 0
            else:
                value += _cross_entropy(y, target[j], count, real(a[4]), slope)
        values[i] = value / max(count, 1)


@njit(inline="always")
def _cross_entropy(y: Any, target: Any, count: Any, smoothing: Any, slope: Any) -> Any:
    """Return the value of one position; its slope is that of its share, one of ``count``.

    With ``z`` the outputs less their largest and ``s = sum_k exp z_k``, the value is
    ``log s - (1 - e) z_t - e / k sum_k z_k`` and the slope ``exp z / s`` less the target's share.
    """
    k, number = len(y), y.dtype.type
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
    if target < 0 or target >= k:
        return math.nan
    value = math.log(total) - (1 - smoothing) * (y[target] - largest)
    if smoothing:
        value -= smoothing / k * mass
    norm, rest = number(total * count), number(smoothing / (k * count))
    for j in range(k):
        slope[j] = slope[j] / norm - rest
    slope[target] -= number((1 - smoothing) / count)
    return value


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
