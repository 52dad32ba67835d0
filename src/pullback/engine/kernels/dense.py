"""Dense layers: a matrix product by BLAS for each part, and what follows while it is in cache.

The larger side of a product is the one that is divided: it keeps down what each thread packs.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.native import block, gemm, item_size, share, vector

NOTHING, RELU = range(2)
"""What is applied to the sum (forward), or to its cotangent (pullback)."""
LINE = 16
"""Rows or columns that stay together: a line of the cache of float32."""


@njit(inline="always")
def _tile(rows: Any, columns: Any, part: Any, parts: Any) -> Any:
    """Return a part of a matrix: the first row and column, and how many there are of each."""
    if columns > rows:
        left, right = share(columns, part, parts, LINE)
        return 0, rows, left, right - left
    top, bottom = share(rows, part, parts, LINE)
    return top, bottom - top, 0, columns


@njit(inline="always")
def finish(y: Any, b: Any, rows: Any, columns: Any, stride: Any, act: Any, like: Any) -> None:
    """Add the bias to a tile of the output, and apply the activation."""
    size = item_size(like)
    for i in range(rows):
        out = vector(y + i * stride * size, columns, like)
        if b:
            bias = vector(b, columns, like)
            for j in range(columns):
                out[j] += bias[j]
        if act == RELU:
            for j in range(columns):
                out[j] = 0 if out[j] <= 0 else out[j]  # NaN stays


def linear_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(x W + b)``: x (n, k), W (k, m), b (m) or none, y (n, m)."""
    n, call, wide, k, m, act = a[0], a[1], a[2], a[3], a[4], a[5]
    x, w, b, y, size = a[6], a[7], a[8], a[9], item_size(like)
    top, rows, left, columns = _tile(n, m, part, parts)
    if rows == 0 or columns == 0:
        return
    y += (top * m + left) * size
    gemm(
        call, wide, False, False, rows, columns, k,
        x + top * k * size, k, w + left * size, m, 0.0, y, m, like,
    )  # fmt: skip
    finish(y, b + left * size if b else 0, rows, columns, m, act, like)


def linear_partial(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = x W`` over this part of the inputs: x (n, k), W (k, m), s (parts, n, m).

    Of a long product every thread takes those rows of W that it also updates, so that they stay
    in its cache.
    """
    n, call, wide, k, m = a[0], a[1], a[2], a[3], a[4]
    w, s, size = a[7], a[8], item_size(like)
    first, last = share(k, part, parts, LINE)
    x, stride = block(a[6], n, k, first, last, a[5], size)
    gemm(
        call, wide, False, False, n, m, last - first,
        x, stride, w + first * m * size, m, 0.0, s + part * n * m * size, m, like,
    )  # fmt: skip


def linear_total(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(sum_part s[part] + b)``: s (terms, n, m), b (m) or none, y (n, m)."""
    n, m, act, terms = a[0], a[1], a[2], a[3]
    s, b, y, size = a[4], a[5], a[6], item_size(like)
    top, bottom = share(n, part, parts, 1)
    for i in range(top, bottom):
        out = vector(y + i * m * size, m, like)
        first = vector(s + i * m * size, m, like)
        for j in range(m):
            out[j] = first[j]
        for term in range(1, terms):
            more = vector(s + (term * n + i) * m * size, m, like)
            for j in range(m):
                out[j] += more[j]
    finish(y + top * m * size, b, bottom - top, m, m, act, like)


def linear_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = (gy W^T) act'(x)``: gy (n, m), W (k, m), gx and x (n, k), x what act has made."""
    n, call, wide, k, m, act = a[0], a[1], a[2], a[3], a[4], a[5]
    gy, w, x, gx, size = a[6], a[7], a[8], a[9], item_size(like)
    top, rows, left, columns = _tile(n, k, part, parts)
    if rows == 0 or columns == 0:
        return
    gx += (top * k + left) * size
    x += (top * k + left) * size
    gemm(
        call, wide, False, True, rows, columns, m,
        gy + top * m * size, m, w + left * m * size, m, 0.0, gx, k, like,
    )  # fmt: skip
    if act == RELU:
        for i in range(rows):
            out, made = (
                vector(gx + i * k * size, columns, like),
                vector(x + i * k * size, columns, like),
            )
            for j in range(columns):
                out[j] = out[j] if made[j] > 0 else 0


def outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``W = x^T d``, summed over the examples: d (n, m), x (n, k), W (k, m)."""
    n, call, wide, k, m = a[0], a[1], a[2], a[3], a[4]
    d, w, size = a[6], a[8], item_size(like)
    top, rows, left, columns = _tile(k, m, part, parts)
    if rows == 0 or columns == 0:
        return
    x, stride = block(a[7], n, k, top, top + rows, a[5], size)
    gemm(
        call, wide, True, False, rows, columns, n,
        x, stride, d + left * size, m, 0.0, w + (top * m + left) * size, m, like,
    )  # fmt: skip


def column_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``b = sum_n d``: d (n, m), b (m)."""
    n, m, d, b, size = a[0], a[1], a[2], a[3], item_size(like)
    left, right = share(m, part, parts, LINE)
    columns = right - left
    out = vector(b + left * size, columns, like)
    for j in range(columns):
        out[j] = 0
    for i in range(n):
        row = vector(d + (i * m + left) * size, columns, like)
        for j in range(columns):
            out[j] += row[j]


def relu_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = max(x, 0)``, NaN where x is: x and y (n k)."""
    start, stop = share(a[0] * a[1], part, parts, LINE)
    offset = start * item_size(like)
    x, y = vector(a[2] + offset, stop - start, like), vector(a[3] + offset, stop - start, like)
    for i in range(stop - start):
        y[i] = 0 if x[i] <= 0 else x[i]


def relu_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = gy`` where ``y > 0``, else 0: all (n k)."""
    start, stop = share(a[0] * a[1], part, parts, LINE)
    offset, count = start * item_size(like), stop - start
    gy, y = vector(a[2] + offset, count, like), vector(a[3] + offset, count, like)
    gx = vector(a[4] + offset, count, like)
    for i in range(count):
        gx[i] = gy[i] if y[i] > 0 else 0
