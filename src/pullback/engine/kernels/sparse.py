"""A dense layer over inputs most of which are 0: only the others are multiplied.

Which inputs of an example are not 0 stands in words of 32 bits, a block of 32 examples by 32
inputs in 32 of them. The forward pass goes through a word's inputs while their rows of W are in
the first level of the cache; the gradient turns the block around and goes through its examples.
The order of the terms in a sum does not depend on the parts. ``0 * inf`` counts as 0.
"""

from __future__ import annotations

from typing import Any

from numba import njit, uint32

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.lanes import add_rows, differ
from pullback.engine.kernels.native import (
    block,
    item_size,
    share,
    square_on_stack,
    vector,
    words_32,
)

WORD = 32


@njit(inline="always")
def _words(a: Any, part: Any, parts: Any) -> Any:
    """Return a part's words (a row of them for each example), and how many are in a row."""
    first, last = share(a[1], part, parts, LINE)
    before = 0
    for earlier in range(part):
        start, stop = share(a[1], earlier, parts, LINE)
        before += -(-(stop - start) // WORD)
    count = -(-(last - first) // WORD)
    return words_32(a[3] + 4 * a[0] * before, a[0] * count), count


@njit(inline="always")
def _mark(x: Any, count: Any, like: Any) -> Any:
    """Return a word with a bit for each of ``count`` inputs at ``x`` that is not 0."""
    if count == WORD:
        return uint32(differ(x, like))
    numbers, word = vector(x, count, like), uint32(0)
    for j in range(count):
        if numbers[j] != 0:
            word |= uint32(1) << uint32(j)
    return word


def sparse_partial(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``linear_partial``, which also writes the words.

    x (n, k), W (k, m), s (parts, n, m), words of (n, k) bits.
    """
    n, k, m, size = a[0], a[1], a[2], item_size(like)
    first, last = share(k, part, parts, LINE)
    x, stride = block(a[5], n, k, first, last, a[4], size)
    w, s = a[6] + first * m * size, a[7] + part * n * m * size
    marks, count = _words(a, part, parts)
    for i in range(n):
        for word in range(count):
            left = word * WORD
            columns = min(WORD, last - first - left)
            marks[i * count + word] = _mark(x + (i * stride + left) * size, columns, like)
    for word in range(count):
        left = word * WORD
        for i in range(n):
            bits = marks[i * count + word]
            if bits or word == 0:
                add_rows(
                    s + i * m * size, word > 0, bits, x + (i * stride + left) * size, size,
                    w + left * m * size, m * size, m, like,
                )  # fmt: skip


@njit(inline="always")
def _turn(square: Any) -> None:
    """Make bit i of word j bit j of word i, by halves (Warren, Hacker's Delight, 7-3)."""
    half, mask = 16, uint32(0x0000FFFF)
    while half:
        for start in range(0, WORD, 2 * half):
            for t in range(start, start + half):
                low, high = square[t], square[t + half]
                swapped = ((low >> uint32(half)) ^ high) & mask
                square[t + half] = high ^ swapped
                square[t] = low ^ uint32(swapped << uint32(half))
        half //= 2
        mask = uint32(mask ^ uint32(mask << uint32(half)))


def sparse_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``outer`` by rows of W, of the inputs that the words name: d (n, m), x (n, k), W (k, m)."""
    n, k, m, size = a[0], a[1], a[2], item_size(like)
    first, last = share(k, part, parts, LINE)
    x, stride = block(a[6], n, k, first, last, a[4], size)
    d, w = a[5], a[7] + first * m * size
    marks, count = _words(a, part, parts)
    square = words_32(square_on_stack(like), WORD)
    for top in range(0, n, WORD):
        for word in range(count):
            left = word * WORD
            for t in range(WORD):
                square[t] = marks[(top + t) * count + word] if top + t < n else 0
            _turn(square)
            for j in range(min(WORD, last - first - left)):
                if square[j] or top == 0:
                    add_rows(
                        w + (left + j) * m * size, top > 0, square[j],
                        x + (top * stride + left + j) * size, stride * size,
                        d + top * m * size, m * size, m, like,
                    )  # fmt: skip
