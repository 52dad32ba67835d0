"""Normalisation: over the features row by row, and over the batch column by column.

Sums are taken in float64, in which equal float32 numbers add up without loss. Over the batch every
part has sums of its rows, and whoever needs the total adds them up.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE, RELU
from pullback.engine.kernels.native import (
    item_size,
    product_of,
    real,
    reals,
    share,
    total_of,
    vector,
)


def layer_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = gamma h + beta``, h each row of x centred and over sigma: x, h, y (n, k), sigma (n)."""
    n, k, eps = a[0], a[1], real(a[2])
    size = item_size(like)
    gamma, beta, sigmas = vector(a[4], k, like), vector(a[5], k, like), vector(a[8], n, like)
    start, stop = share(n, part, parts, LINE)
    for i in range(start, stop):
        row = i * k * size
        x, y, h = (
            vector(a[3] + row, k, like),
            vector(a[6] + row, k, like),
            vector(a[7] + row, k, like),
        )
        number = x.dtype.type
        mean = number(total_of(x) / k)
        for j in range(k):
            h[j] = x[j] - mean
        rest = number(total_of(h) / k)
        for j in range(k):
            h[j] -= rest
        sigma = number(math.sqrt(product_of(h, h) / k + eps))
        sigmas[i] = sigma
        for j in range(k):
            h[j] /= sigma
            y[j] = gamma[j] * h[j] + beta[j]


def layer_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = (gh - mean gh - h mean(gh h)) / sigma``, ``gh = gamma gy``, in each row."""
    n, k, size = a[0], a[1], item_size(like)
    gamma, sigmas = vector(a[3], k, like), vector(a[5], n, like)
    start, stop = share(n, part, parts, LINE)
    for i in range(start, stop):
        row = i * k * size
        gy, h = vector(a[2] + row, k, like), vector(a[4] + row, k, like)
        gx = vector(a[6] + row, k, like)
        number = gx.dtype.type
        for j in range(k):
            gx[j] = gamma[j] * gy[j]
        mean, slope, sigma = number(total_of(gx) / k), number(product_of(gx, h) / k), sigmas[i]
        for j in range(k):
            gx[j] = (gx[j] - mean - slope * h[j]) / sigma


def batch_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum (x - x0), sum (x - x0)^2`` over a part's rows: x (n, k), s (parts, 2, k).

    x0 is the first row: equal rows have sums of exactly 0, and others lose few digits.
    """
    n, k, size = a[0], a[1], item_size(like)
    start, stop = share(n, part, parts, 1)
    at = a[3] + part * 16 * k
    first, one, two = vector(a[2], k, like), reals(at, k), reals(at + 8 * k, k)
    for j in range(k):
        one[j] = two[j] = 0
    for i in range(start, stop):
        row = vector(a[2] + i * k * size, k, like)
        for j in range(k):
            gap = float(row[j]) - float(first[j])
            one[j] += gap
            two[j] += gap * gap


@njit(inline="always")
def _total(s: Any, terms: Any, k: Any, j: Any) -> Any:
    """Return the sums over the parts of column ``j``, of both kinds."""
    one = two = 0.0
    for t in range(terms):
        both = reals(s + t * 16 * k, 2 * k)
        one += both[j]
        two += both[k + j]
    return one, two


def batch_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(gamma h + beta)``, h the columns of x centred and over sigma.

    x (n, k), s of ``batch_sums``, gamma, beta, y, h (n, k), mean, unbiased variance, sigma (k),
    and for each part 3 k numbers of room.
    """
    n, k, terms, act, eps, size = a[0], a[1], a[2], a[3], real(a[4]), item_size(like)
    first, gamma, beta = vector(a[5], k, like), vector(a[7], k, like), vector(a[8], k, like)
    room = vector(a[14] + 3 * part * k * size, 3 * k, like)
    mean, rest, sigma = room[:k], room[k : 2 * k], room[2 * k :]
    for j in range(k):
        one, two = _total(a[6], terms, k, j)
        variance = max(0.0, two / n - (one / n) * (one / n))
        exact = float(first[j]) + one / n
        mean[j] = exact
        rest[j] = exact - float(mean[j])  # what the mean of large numbers loses in rounding
        sigma[j] = math.sqrt(variance + eps)
        if part == 0:
            vector(a[11], k, like)[j] = mean[j]
            vector(a[12], k, like)[j] = variance * n / (n - 1)
            vector(a[13], k, like)[j] = sigma[j]
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop):
        row = i * k * size
        x, y = vector(a[5] + row, k, like), vector(a[9] + row, k, like)
        h = vector(a[10] + row, k, like)
        for j in range(k):
            h[j] = (x[j] - mean[j] - rest[j]) / sigma[j]
            y[j] = gamma[j] * h[j] + beta[j]
        if act == RELU:
            for j in range(k):
                y[j] = 0 if y[j] <= 0 else y[j]


def batch_back_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum gy, sum gy h`` over a part's rows: gy, h (n, k), s (parts, 2, k)."""
    n, k, size = a[0], a[1], item_size(like)
    start, stop = share(n, part, parts, 1)
    at = a[4] + part * 16 * k
    one, two = reals(at, k), reals(at + 8 * k, k)
    for j in range(k):
        one[j] = two[j] = 0
    for i in range(start, stop):
        gy, h = vector(a[2] + i * k * size, k, like), vector(a[3] + i * k * size, k, like)
        for j in range(k):
            one[j] += gy[j]
            two[j] += float(gy[j]) * float(h[j])


def batch_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = gamma (gy - mean gy - h mean(gy h)) / sigma``, in each column.

    gy (n, k), s of ``batch_back_sums``, gamma, h, sigma, gx, and for each part 3 k numbers of room.
    """
    n, k, terms, size = a[0], a[1], a[2], item_size(like)
    gamma, sigma = vector(a[5], k, like), vector(a[7], k, like)
    room = vector(a[9] + 3 * part * k * size, 2 * k, like)
    mean, slope = room[:k], room[k:]
    for j in range(k):
        one, two = _total(a[4], terms, k, j)
        mean[j], slope[j] = one / n, two / n
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop):
        row = i * k * size
        gy, h = vector(a[3] + row, k, like), vector(a[6] + row, k, like)
        gx = vector(a[8] + row, k, like)
        for j in range(k):
            gx[j] = gamma[j] * (gy[j] - mean[j] - h[j] * slope[j]) / sigma[j]


def batch_gradients(a: Any, part: Any, parts: Any, like: Any) -> None:
    """One kind of sum over the parts: s of ``batch_back_sums``, out (k); 0: ``gy``, 1: ``gy h``."""
    k, terms, kind = a[0], a[1], a[2]
    out = vector(a[4], k, like)
    for j in range(k):
        both = _total(a[3], terms, k, j)
        out[j] = both[1] if kind else both[0]


def scale_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gamma = sum_n d h``: d and h (n, k), gamma (k)."""
    n, k, size = a[0], a[1], item_size(like)
    left, right = share(k, part, parts, LINE)
    columns, offset = right - left, left * size
    out = vector(a[4] + offset, columns, like)
    for j in range(columns):
        out[j] = 0
    for i in range(n):
        row = i * k * size + offset
        d, h = vector(a[2] + row, columns, like), vector(a[3] + row, columns, like)
        for j in range(columns):
            out[j] += d[j] * h[j]
