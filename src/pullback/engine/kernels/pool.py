"""Max-pooling: the largest number of each window, and which of its positions has it."""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.dense import RELU
from pullback.engine.kernels.native import item_size, share, vector, words_32

(
    ACT, HEIGHT, WIDTH, CHANNELS, ROWS, COLUMNS, KERNEL_ROWS, KERNEL_COLUMNS, STRIDE_ROWS,
    STRIDE_COLUMNS, TOP, LEFT, FIRST,
) = range(1, 14)  # fmt: skip
"""Where the sizes stand; the arrays follow from FIRST."""
SIZES = FIRST - 1


@njit(inline="always")
def _place(a: Any, p: Any, q: Any, k: Any) -> Any:
    """Return where position ``k`` of a window lies in the image, or -1 outside."""
    row = p * a[STRIDE_ROWS] + k // a[KERNEL_COLUMNS] - a[TOP]
    column = q * a[STRIDE_COLUMNS] + k % a[KERNEL_COLUMNS] - a[LEFT]
    inside = 0 <= row < a[HEIGHT] and 0 <= column < a[WIDTH]
    return (row * a[WIDTH] + column) * a[CHANNELS] if inside else -1


def max_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = max x``, the first NaN where there is one: x, y, which (as y, words of 32 bits)."""
    x, y, which = a[FIRST], a[FIRST + 1], a[FIRST + 2]
    size, channels = item_size(like), a[CHANNELS]
    inside, outside = a[HEIGHT] * a[WIDTH] * channels, a[ROWS] * a[COLUMNS] * channels
    window = a[KERNEL_ROWS] * a[KERNEL_COLUMNS]
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        for p in range(a[ROWS]):
            for q in range(a[COLUMNS]):
                at = i * outside + (p * a[COLUMNS] + q) * channels
                best, place = (
                    vector(y + at * size, channels, like),
                    words_32(which + 4 * at, channels),
                )
                empty = True
                for k in range(window):
                    start = _place(a, p, q, k)
                    if start < 0:
                        continue
                    seen = vector(x + (i * inside + start) * size, channels, like)
                    if empty:
                        for c in range(channels):
                            best[c], place[c] = seen[c], k
                        empty = False
                    else:
                        _better(seen, k, best, place)


@njit(inline="always")
def _better(seen: Any, k: Any, best: Any, place: Any) -> None:
    for c in range(len(best)):
        new, old = seen[c], best[c]
        larger = (new > old) | ((new != new) & (old == old))
        best[c] = new if larger else old
        place[c] = k if larger else place[c]


def max_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = gy act'(y)`` where the largest was: gy, which, y, gx."""
    gy, which, y, gx = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3]
    size, channels = item_size(like), a[CHANNELS]
    inside, outside = a[HEIGHT] * a[WIDTH] * channels, a[ROWS] * a[COLUMNS] * channels
    window = a[KERNEL_ROWS] * a[KERNEL_COLUMNS]
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        whole = vector(gx + i * inside * size, inside, like)
        for j in range(inside):
            whole[j] = 0
        for p in range(a[ROWS]):
            for q in range(a[COLUMNS]):
                at = i * outside + (p * a[COLUMNS] + q) * channels
                g, made = (
                    vector(gy + at * size, channels, like),
                    vector(y + at * size, channels, like),
                )
                place = words_32(which + 4 * at, channels)
                for k in range(window):
                    start = _place(a, p, q, k)
                    if start < 0:
                        continue
                    out = vector(gx + (i * inside + start) * size, channels, like)
                    if a[ACT] == RELU:
                        for c in range(channels):
                            out[c] += g[c] if (place[c] == k) & (made[c] > 0) else 0
                    else:
                        for c in range(channels):
                            out[c] += g[c] if place[c] == k else 0
