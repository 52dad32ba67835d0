"""Convolutions backwards from a gradient most of which is 0, as max-pooling leaves it.

It is not multiplied as a matrix: each of its other numbers adds rows of W, or of the image, that
stay in the first level of the cache. Which these are stands in words of 32 bits.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.bits import WORD, mark, turn
from pullback.engine.kernels.conv import (
    CHANNELS,
    COLUMNS,
    DILATION_ROWS,
    FIRST,
    KERNEL_COLUMNS,
    KERNEL_ROWS,
    MARKS,
    OUTPUTS,
    PADDED_HEIGHT,
    PADDED_WIDTH,
    ROWS,
    SCRATCH,
    SCRATCH_EACH,
    STRIDE_COLUMNS,
    STRIDE_ROWS,
    TURNED,
    close,
    image_of,
    is_padded,
    sizes_of,
    zero,
)
from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.lanes import add_rows
from pullback.engine.kernels.native import item_size, share, square_on_stack, vector, words_32


@njit(inline="always")
def _marks(a: Any, gy: Any, marks: Any, like: Any) -> None:
    """Write, for each position of an image's gradient, which of its outputs are not 0."""
    size, words = item_size(like), a[OUTPUTS] // WORD
    found = words_32(marks, a[ROWS] * a[COLUMNS] * words)
    for t in range(len(found)):
        found[t] = mark(gy + t * WORD * size, WORD, like)


def conv_sparse_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_pullback``: each number of gy that is not 0 adds rows of W."""
    gy, w, x, gx, size = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, _, outputs = sizes_of(a)
    scratch, words = a[SCRATCH] + part * a[SCRATCH_EACH], outputs // WORD
    turned, marks = scratch + a[TURNED], scratch + a[MARKS]
    length = a[KERNEL_COLUMNS] * a[CHANNELS]
    for u in range(a[KERNEL_ROWS]):  # outputs first, then a row of the kernel
        for j in range(length):
            source = vector(w + (u * length + j) * outputs * size, outputs, like)
            target = vector(turned + (u * outputs * length + j) * size, outputs * length, like)
            for o in range(outputs):
                target[o * length] = source[o]
    found = words_32(marks, a[ROWS] * a[COLUMNS] * words)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * a[CHANNELS], like)
        given = gy + i * outside * size
        _marks(a, given, marks, like)
        for u in range(a[KERNEL_ROWS]):
            for p in range(a[ROWS]):
                row = (p * a[STRIDE_ROWS] + u * a[DILATION_ROWS]) * a[PADDED_WIDTH]
                for q in range(a[COLUMNS]):
                    t = p * a[COLUMNS] + q
                    some = found[t * words]
                    for word in range(1, words):
                        some |= found[t * words + word]
                    if some:
                        place = (row + q * a[STRIDE_COLUMNS]) * a[CHANNELS]
                        add_rows(
                            scratch + place * size, True, marks + 4 * t * words, words, 4,
                            given + t * outputs * size, size, WORD * size,
                            turned + u * outputs * length * size, length * size,
                            WORD * length * size, length, like,
                        )  # fmt: skip
        close(a, scratch, x + i * inside * size, gx + i * inside * size, like)


BAND = 8
"""Rows of windows whose part of the image stays in the first level of the cache."""


def conv_sparse_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_outer``, into s (parts, kernel rows, outputs, kernel columns x channels)."""
    gy, x, size = a[FIRST], a[FIRST + 1], item_size(like)
    inside, outside, patch, outputs = sizes_of(a)
    s = a[FIRST + 2] + part * patch * outputs * size
    scratch, length = a[SCRATCH] + part * a[SCRATCH_EACH], a[KERNEL_COLUMNS] * a[CHANNELS]
    turned, marks = scratch + a[TURNED], scratch + a[MARKS]
    across = -(-a[COLUMNS] // WORD)
    zero(s, patch * outputs, like)
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * a[CHANNELS], like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        given = gy + i * outside * size
        _marks(a, given, marks, like)
        _turn_marks(a, marks, turned, like)
        for top in range(0, a[ROWS], BAND):
            rows = min(BAND, a[ROWS] - top)
            for u in range(a[KERNEL_ROWS]):
                row = (top * a[STRIDE_ROWS] + u * a[DILATION_ROWS]) * a[PADDED_WIDTH]
                for o in range(outputs):
                    for word in range(across):
                        t = top * a[COLUMNS] + word * WORD
                        place = (row + word * WORD * a[STRIDE_COLUMNS]) * a[CHANNELS]
                        add_rows(
                            s + (u * outputs + o) * length * size, True,
                            turned + 4 * ((top * across + word) * outputs + o), rows,
                            4 * across * outputs,
                            given + (t * outputs + o) * size, outputs * size,
                            a[COLUMNS] * outputs * size,
                            image + place * size, a[STRIDE_COLUMNS] * a[CHANNELS] * size,
                            a[STRIDE_ROWS] * a[PADDED_WIDTH] * a[CHANNELS] * size, length, like,
                        )  # fmt: skip


@njit(inline="always")
def _turn_marks(a: Any, marks: Any, turned: Any, like: Any) -> None:
    """Write, for 32 columns of a row and each output, in which of them it is not 0."""
    words, across = a[OUTPUTS] // WORD, -(-a[COLUMNS] // WORD)
    found = words_32(marks, a[ROWS] * a[COLUMNS] * words)
    out = words_32(turned, a[ROWS] * across * a[OUTPUTS])
    square = words_32(square_on_stack(like), WORD)
    for p in range(a[ROWS]):
        for left in range(across):
            for word in range(words):
                for t in range(WORD):
                    q = left * WORD + t
                    at = (p * a[COLUMNS] + q) * words + word
                    square[t] = found[at] if q < a[COLUMNS] else 0
                turn(square)
                for t in range(WORD):
                    out[(p * across + left) * a[OUTPUTS] + word * WORD + t] = square[t]


def conv_sparse_total(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``W[u, j, o] = sum_part s[part, u, o, j]``; ``a[0]`` kernel rows, outputs, length, terms."""
    rows, outputs, length, terms, size = a[0], a[1], a[2], a[3], item_size(like)
    numbers = rows * outputs * length
    first, last = share(rows * length, part, parts, LINE)
    for j in range(first, last):
        out = vector(a[5] + j * outputs * size, outputs, like)
        u, column = j // length, j % length
        for t in range(terms):
            place = (t * numbers + u * outputs * length + column) * size
            term = vector(a[4] + place, outputs * length, like)
            for o in range(outputs):
                out[o] = term[o * length] if t == 0 else out[o] + term[o * length]
