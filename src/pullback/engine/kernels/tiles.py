"""Products of small matrices: tiles of sums in registers, of operands where they lie."""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.lanes import ACROSS, BYTES, DOWN, add_tile
from pullback.engine.kernels.native import item_size


@njit(inline="always")
def multiply(
    y: Any, y_apart: Any, x: Any, x_apart: Any, x_step: Any, w: Any, w_step: Any,
    rows: Any, inner: Any, columns: Any, more: Any, like: Any,
) -> Any:  # fmt: skip
    """``y (rows, columns) = x w``, plus ``y`` if ``more``, columns being whole vectors.

    All but counts are addresses and distances in bytes: "apart" from row to row, "step" along
    ``inner``. Columns of y and w are neighbours.
    """
    size = item_size(like)
    wide, tiles = ACROSS * BYTES // size, -(-rows // DOWN)
    for left in range(0, columns, wide):
        vectors = min(wide, columns - left) * size // BYTES
        for tile in range(tiles):  # of nearly equal numbers of rows
            j, end = rows * tile // tiles, rows * (tile + 1) // tiles
            add_tile(
                y + j * y_apart + left * size, y_apart, end - j, vectors, more,
                x + j * x_apart, x_apart, w + left * size,
                1, 0, 0, inner, x_step, w_step, like,
            )  # fmt: skip
