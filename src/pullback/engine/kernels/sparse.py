"""A dense layer over inputs most of which are 0: only the others are multiplied.

Which inputs of an example are not 0 stands in words of 32 bits, a block of 32 examples by 32
inputs in 32 of them. The forward pass goes through a word's inputs while their rows of W are in
the first level of the cache; the gradient turns the block around and goes through its examples.
The order of the terms in a sum does not depend on the parts. ``0 * inf`` counts as 0.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.bits import WORD, mark, turn
from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.lanes import add_rows
from pullback.engine.kernels.native import block, item_size, share, square_on_stack, words_32


@njit(inline="always")
def _words(a: Any, part: Any, parts: Any) -> Any:
    """Return the address of a part's words, a row for each example, and how many make a row."""
    first, last = share(a[1], part, parts, LINE)
    before = 0
    for earlier in range(part):
        start, stop = share(a[1], earlier, parts, LINE)
        before += -(-(stop - start) // WORD)
    return a[3] + 4 * a[0] * before, -(-(last - first) // WORD)


def sparse_partial(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``linear_partial``, which also writes the words.

    x (n, k), W (k, m), s (parts, n, m), words of (n, k) bits.
    """
    n, k, m, size = a[0], a[1], a[2], item_size(like)
    first, last = share(k, part, parts, LINE)
    x, stride = block(a[5], n, k, first, last, a[4], size)
    w, s = a[6] + first * m * size, a[7] + part * n * m * size
    at, count = _words(a, part, parts)
    marks = words_32(at, n * count)
    for i in range(n):
        for word in range(count):
            left = word * WORD
            columns = min(WORD, last - first - left)
            marks[i * count + word] = mark(x + (i * stride + left) * size, columns, like)
    for word in range(count):
        left = word * WORD
        for i in range(n):
            if marks[i * count + word] or word == 0:
                add_rows(
                    s + i * m * size, word > 0, at + 4 * (i * count + word), 1, 0,
                    x + (i * stride + left) * size, size, 0,
                    w + left * m * size, m * size, 0, m, like,
                )  # fmt: skip


def sparse_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``outer`` by rows of W, of the inputs that the words name: d (n, m), x (n, k), W (k, m)."""
    n, k, m, size = a[0], a[1], a[2], item_size(like)
    first, last = share(k, part, parts, LINE)
    x, stride = block(a[6], n, k, first, last, a[4], size)
    d, w = a[5], a[7] + first * m * size
    at, count = _words(a, part, parts)
    marks, place = words_32(at, n * count), square_on_stack(like)
    square = words_32(place, WORD)
    for top in range(0, n, WORD):
        for word in range(count):
            left = word * WORD
            for t in range(WORD):
                square[t] = marks[(top + t) * count + word] if top + t < n else 0
            turn(square)
            for j in range(min(WORD, last - first - left)):
                if square[j] or top == 0:
                    add_rows(
                        w + (left + j) * m * size, top > 0, place + 4 * j, 1, 0,
                        x + (top * stride + left + j) * size, stride * size, 0,
                        d + top * m * size, m * size, 0, m, like,
                    )  # fmt: skip
