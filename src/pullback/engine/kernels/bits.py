"""Words of 32 bits that say which numbers are not 0."""

from __future__ import annotations

from typing import Any

from numba import njit, uint32

from pullback.engine.kernels.lanes import differ
from pullback.engine.kernels.native import vector

WORD = 32


@njit(inline="always")
def mark(x: Any, count: Any, like: Any) -> Any:
    """Return a word with a bit for each of ``count`` numbers at ``x`` that is not 0."""
    if count == WORD:
        return uint32(differ(x, like))
    numbers, word = vector(x, count, like), uint32(0)
    for j in range(count):
        if numbers[j] != 0:
            word |= uint32(1) << uint32(j)
    return word


@njit(inline="always")
def turn(square: Any) -> None:
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
