"""Convolution without patches: a tile of sums stays in registers, and reads the image itself.

A tile has up to ``DOWN`` rows of one or two vectors. Forwards, and backwards as a convolution of
the gradient with W turned around, its rows are neighbouring windows and its vectors outputs; for
the gradient of W, its rows are inputs.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.conv import (
    ACT,
    CHANNELS,
    COLUMNS,
    DILATION_ROWS,
    FIRST,
    HEIGHT,
    KERNEL_COLUMNS,
    KERNEL_ROWS,
    LEFT,
    OUTPUTS,
    PADDED_HEIGHT,
    PADDED_WIDTH,
    ROWS,
    SCRATCH,
    SCRATCH_EACH,
    STRIDE_COLUMNS,
    STRIDE_ROWS,
    TOP,
    TURNED,
    WIDTH,
    copy,
    image_of,
    is_padded,
    sizes_of,
    zero,
)
from pullback.engine.kernels.dense import RELU, finish
from pullback.engine.kernels.lanes import ACROSS, BYTES, DOWN, add_tile
from pullback.engine.kernels.native import item_size, share, vector

BAND = 8
"""Rows of windows whose part of the image and of the gradient stay in the first level."""


@njit(inline="always")
def _row(
    image: Any, x_apart: Any, x_jump: Any, inner: Any, w: Any, w_jump: Any, outer: Any,
    y: Any, columns: Any, outputs: Any, like: Any,
) -> Any:  # fmt: skip
    """A row of windows: each sees ``outer`` rows of ``inner`` numbers of the image."""
    size = item_size(like)
    wide = ACROSS * BYTES // size
    tiles = -(-columns // DOWN)
    for left in range(0, outputs, wide):
        vectors = min(wide, outputs - left) * size // BYTES
        for tile in range(tiles):  # of nearly equal numbers of windows
            first, last = columns * tile // tiles, columns * (tile + 1) // tiles
            add_tile(
                y + (first * outputs + left) * size, outputs * size, last - first, vectors, False,
                image + first * x_apart, x_apart, w + left * size,
                outer, x_jump, w_jump, inner, size, outputs * size, like,
            )  # fmt: skip


def direct_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_forward``, of outputs that are whole vectors and columns that are not dilated."""
    x, w, b, y, size = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, _, outputs = sizes_of(a)
    scratch, channels = a[SCRATCH] + part * a[SCRATCH_EACH], a[CHANNELS]
    inner = a[KERNEL_COLUMNS] * channels
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * channels, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        for p in range(a[ROWS]):
            out = y + (i * outside + p * a[COLUMNS] * outputs) * size
            _row(
                image + p * a[STRIDE_ROWS] * a[PADDED_WIDTH] * channels * size,
                a[STRIDE_COLUMNS] * channels * size,
                a[DILATION_ROWS] * a[PADDED_WIDTH] * channels * size, inner,
                w, inner * outputs * size, a[KERNEL_ROWS], out, a[COLUMNS], outputs, like,
            )  # fmt: skip
            finish(out, b, a[COLUMNS], outputs, outputs, a[ACT], like)


def direct_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_pullback`` of a convolution with stride 1, of inputs that are whole vectors."""
    gy, x, gx, size = a[FIRST], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, _, outputs = sizes_of(a)
    channels, scratch = a[CHANNELS], a[SCRATCH] + part * a[SCRATCH_EACH]
    turned = scratch + a[TURNED]
    turn_around(a, a[FIRST + 1], turned, like)
    # the rows and columns around the gradient that windows on the input see of it
    above = (a[KERNEL_ROWS] - 1) * a[DILATION_ROWS]
    beside = a[KERNEL_COLUMNS] - 1
    width = a[WIDTH] + beside
    zero(scratch, (a[HEIGHT] + above) * width * outputs, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        for p in range(a[ROWS]):
            row = (p + above - a[TOP]) * width + beside - a[LEFT]
            source = gy + (i * outside + p * a[COLUMNS] * outputs) * size
            copy(source, scratch + row * outputs * size, a[COLUMNS] * outputs, like)
        for h in range(a[HEIGHT]):
            place = (i * inside + h * a[WIDTH] * channels) * size
            _row(
                scratch + h * width * outputs * size, outputs * size,
                a[DILATION_ROWS] * width * outputs * size, a[KERNEL_COLUMNS] * outputs,
                turned, a[KERNEL_COLUMNS] * outputs * channels * size, a[KERNEL_ROWS],
                gx + place, a[WIDTH], channels, like,
            )  # fmt: skip
            if a[ACT] == RELU:
                length = a[WIDTH] * channels
                out, made = vector(gx + place, length, like), vector(x + place, length, like)
                for j in range(length):
                    out[j] = out[j] if made[j] > 0 else 0


@njit(inline="always")
def turn_around(a: Any, w: Any, turned: Any, like: Any) -> None:
    """Write W (rows, columns, C, outputs) with both axes of the kernel backwards, outputs first."""
    size, channels, outputs = item_size(like), a[CHANNELS], a[OUTPUTS]
    window = a[KERNEL_ROWS] * a[KERNEL_COLUMNS]
    for k in range(window):
        out = vector(turned + k * outputs * channels * size, outputs * channels, like)
        for c in range(channels):
            place = ((window - 1 - k) * channels + c) * outputs * size
            source = vector(w + place, outputs, like)
            for o in range(outputs):
                out[o * channels + c] = source[o]


def direct_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_outer``, of outputs that are whole vectors and columns that are not dilated."""
    gy, x, size = a[FIRST], a[FIRST + 1], item_size(like)
    inside, outside, patch, outputs = sizes_of(a)
    s, channels = a[FIRST + 2] + part * patch * outputs * size, a[CHANNELS]
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    zero(s, patch * outputs, like)
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * channels, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        for top in range(0, a[ROWS], BAND):
            given = gy + (i * outside + top * a[COLUMNS] * outputs) * size
            for u in range(a[KERNEL_ROWS]):
                row = (top * a[STRIDE_ROWS] + u * a[DILATION_ROWS]) * a[PADDED_WIDTH]
                _outer_row(
                    a, image + row * channels * size, given, min(BAND, a[ROWS] - top),
                    s + u * a[KERNEL_COLUMNS] * channels * outputs * size, like,
                )  # fmt: skip


@njit(inline="always")
def _outer_row(a: Any, image: Any, gy: Any, rows: Any, s: Any, like: Any) -> None:
    """Add to the gradient of a row of the kernel what a band of windows gives."""
    size, channels, outputs = item_size(like), a[CHANNELS], a[OUTPUTS]
    wide, inputs = ACROSS * BYTES // size, a[KERNEL_COLUMNS] * channels
    tiles = -(-inputs // DOWN)
    for left in range(0, outputs, wide):
        vectors = min(wide, outputs - left) * size // BYTES
        for tile in range(tiles):
            j, end = inputs * tile // tiles, inputs * (tile + 1) // tiles
            add_tile(
                s + (j * outputs + left) * size, outputs * size, end - j, vectors, True,
                image + j * size, size, gy + left * size,
                rows, a[STRIDE_ROWS] * a[PADDED_WIDTH] * channels * size,
                a[COLUMNS] * outputs * size,
                a[COLUMNS], a[STRIDE_COLUMNS] * channels * size, outputs * size, like,
            )  # fmt: skip
