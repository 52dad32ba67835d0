"""Normalisation: over the features row by row, and over the batch column by column.

Sums are taken in float64, in which equal float32 numbers add up without loss; what rounding is
left is taken out by the mean of what has been centred.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE
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


def batch_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """The same with the columns of x: x, h, y (n, k), mean, unbiased variance and
    sigma (k), s (k) float64.
    """
    n, k, eps, size = a[0], a[1], real(a[2]), item_size(like)
    left, right = share(k, part, parts, LINE)
    columns, offset = right - left, left * size
    gamma, beta = vector(a[4] + offset, columns, like), vector(a[5] + offset, columns, like)
    mean, variance = vector(a[8] + offset, columns, like), vector(a[9] + offset, columns, like)
    sigma, s = vector(a[10] + offset, columns, like), reals(a[11] + left * 8, columns)
    x, y, h = a[3] + offset, a[6] + offset, a[7] + offset
    _column_means(x, n, columns, k, s, like)
    for j in range(columns):
        mean[j] = s[j]
    for i in range(n):
        row = i * k * size
        source, centred = vector(x + row, columns, like), vector(h + row, columns, like)
        for j in range(columns):
            centred[j] = source[j] - mean[j]
    _column_means(h, n, columns, k, s, like)
    for j in range(columns):
        variance[j] = s[j]  # for now what rounding has left of the mean
        mean[j] += variance[j]
    for i in range(n):
        centred = vector(h + i * k * size, columns, like)
        for j in range(columns):
            centred[j] -= variance[j]
    for j in range(columns):
        s[j] = 0
    for i in range(n):
        centred = vector(h + i * k * size, columns, like)
        for j in range(columns):
            s[j] += float(centred[j]) * float(centred[j])
    for j in range(columns):
        variance[j] = s[j] / (n - 1)
        sigma[j] = math.sqrt(s[j] / n + eps)
    for i in range(n):
        row = i * k * size
        out, centred = vector(y + row, columns, like), vector(h + row, columns, like)
        for j in range(columns):
            centred[j] /= sigma[j]
            out[j] = gamma[j] * centred[j] + beta[j]


@njit(inline="always")
def _column_means(x: Any, n: Any, columns: Any, stride: Any, s: Any, like: Any) -> None:
    for j in range(columns):
        s[j] = 0
    for i in range(n):
        row = vector(x + i * stride * item_size(like), columns, like)
        for j in range(columns):
            s[j] += row[j]
    for j in range(columns):
        s[j] /= n


def batch_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = (gh - mean gh - h mean(gh h)) / sigma``, ``gh = gamma gy``, in each column."""
    n, k, size = a[0], a[1], item_size(like)
    left, right = share(k, part, parts, LINE)
    columns, offset = right - left, left * size
    gamma, sigma = vector(a[3] + offset, columns, like), vector(a[5] + offset, columns, like)
    means, slopes = reals(a[7] + left * 8, columns), reals(a[8] + left * 8, columns)
    for j in range(columns):
        means[j] = slopes[j] = 0
    for i in range(n):
        row = i * k * size + offset
        gy, h = vector(a[2] + row, columns, like), vector(a[4] + row, columns, like)
        for j in range(columns):
            means[j] += gy[j]
            slopes[j] += float(gy[j]) * float(h[j])
    number = gamma.dtype.type
    for i in range(n):
        row = i * k * size + offset
        gy, h = vector(a[2] + row, columns, like), vector(a[4] + row, columns, like)
        gx = vector(a[6] + row, columns, like)
        for j in range(columns):
            # gamma is the same in all of the column
            centred = gy[j] - number(means[j] / n) - h[j] * number(slopes[j] / n)
            gx[j] = gamma[j] * centred / sigma[j]


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
