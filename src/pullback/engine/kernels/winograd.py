"""Convolution of 3 x 3 windows with fewer products: Winograd's F(2 x 2, 3 x 3).

A tile of 2 x 2 outputs sees 4 x 4 inputs d. With the matrices below it is
``Y = A^T [(G g G^T) * (B^T d B)] A``: 16 products in the place of 36, which over the channels are
16 products of matrices. Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016),
section 4.1. Backwards it is the convolution of the gradient with W turned around, and the gradient
of W is ``G^T [sum (B^T d B) * (A gy A^T)] G``.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.conv import (
    ACT,
    BAND,
    CHANNELS,
    COLUMNS,
    FIRST,
    HEIGHT,
    LEFT,
    OUTPUTS,
    PADDED_HEIGHT,
    PADDED_WIDTH,
    PATCHES,
    ROWS,
    SCRATCH,
    SCRATCH_EACH,
    SPECTRA,
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
from pullback.engine.kernels.direct import turn_around
from pullback.engine.kernels.native import item_size, share, vector
from pullback.engine.kernels.sandwich import sandwich
from pullback.engine.kernels.tiles import multiply

of_image = sandwich(((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)))
"""``B^T d B``."""
of_kernel = sandwich(((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)))
"""``G g G^T``."""
to_kernel = sandwich(((1, 0.5, 0.5, 0), (0, 0.5, -0.5, 0), (0, 0.5, 0.5, 1)))
"""``G^T u G``."""
to_outputs = sandwich(((1, 1, 1, 0), (0, 1, -1, -1)))
"""``A^T m A``."""
of_outputs = sandwich(((1, 0), (1, 1), (1, -1), (0, -1)))
"""``A gy A^T``."""


@njit(inline="always")
def _transform(w: Any, u: Any, numbers: Any, like: Any) -> None:
    """Write the 16 matrices of a kernel (3, 3, C, outputs) of ``numbers`` each."""
    step = numbers * item_size(like)
    of_kernel(w, 3 * step, step, u, 4 * step, step, numbers, like)


@njit(inline="always")
def _image_tiles(
    image: Any, width: Any, channels: Any, top: Any, down: Any, across: Any, v: Any, like: Any
) -> None:
    """Write the 16 matrices (tiles, C) of ``down`` rows of tiles of a padded image."""
    size = item_size(like)
    pixel, step = channels * size, down * across * channels * size
    for p in range(down):
        for q in range(across):
            of_image(
                image + (2 * (top + p) * width + 2 * q) * pixel, width * pixel, pixel,
                v + (p * across + q) * pixel, 4 * step, step, channels, like,
            )  # fmt: skip


@njit(inline="always")
def _convolve(
    a: Any, image: Any, width: Any, channels: Any, u: Any, y: Any, rows: Any, columns: Any,
    outputs: Any, v: Any, like: Any,
) -> None:  # fmt: skip
    """A padded image's convolution, ``rows`` x ``columns`` x ``outputs``."""
    size, across = item_size(like), -(-columns // 2)
    pixel, line = outputs * size, columns * outputs * size
    for top in range(0, -(-rows // 2), a[BAND]):
        down = min(a[BAND], -(-rows // 2) - top)
        tiles = down * across
        m = v + 16 * tiles * channels * size
        rim = m + 16 * tiles * pixel
        _image_tiles(image, width, channels, top, down, across, v, like)
        for i in range(16):
            multiply(
                m + i * tiles * pixel, pixel, v + i * tiles * channels * size, channels * size,
                size, u + i * channels * pixel, pixel, tiles, channels, outputs, False, like,
            )  # fmt: skip
        for p in range(down):
            for q in range(across):
                h, k = 2 * (top + p), 2 * q
                found, place = m + (p * across + q) * pixel, y + h * line + k * pixel
                if h + 1 < rows and k + 1 < columns:
                    to_outputs(
                        found, 4 * tiles * pixel, tiles * pixel, place, line, pixel, outputs, like
                    )
                    continue
                to_outputs(
                    found, 4 * tiles * pixel, tiles * pixel, rim, 2 * pixel, pixel, outputs, like
                )
                count = min(2, columns - k) * outputs
                copy(rim, place, count, like)
                if h + 1 < rows:
                    copy(rim + 2 * pixel, place + line, count, like)


def winograd_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_forward`` of 3 x 3 windows with stride 1, of channels that are whole vectors."""
    x, w, b, y, size = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, _, outputs = sizes_of(a)
    scratch, channels = a[SCRATCH] + part * a[SCRATCH_EACH], a[CHANNELS]
    u = scratch + a[SPECTRA]
    _transform(w, u, channels * outputs, like)
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * channels, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        out = y + i * outside * size
        _convolve(
            a, image, a[PADDED_WIDTH], channels, u, out, a[ROWS], a[COLUMNS], outputs,
            scratch + a[PATCHES], like,
        )  # fmt: skip
        finish(out, b, a[ROWS] * a[COLUMNS], outputs, outputs, a[ACT], like)


def winograd_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_pullback`` of the same."""
    gy, x, gx, size = a[FIRST], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, _, outputs = sizes_of(a)
    channels, scratch = a[CHANNELS], a[SCRATCH] + part * a[SCRATCH_EACH]
    u = scratch + a[SPECTRA]
    turn_around(a, a[FIRST + 1], scratch + a[TURNED], like)
    _transform(scratch + a[TURNED], u, channels * outputs, like)
    # what tiles of the input see of the gradient, with zeros around it
    height, width = a[HEIGHT] + a[HEIGHT] % 2 + 2, a[WIDTH] + a[WIDTH] % 2 + 2
    zero(scratch, height * width * outputs, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        for p in range(a[ROWS]):
            row = (p + 2 - a[TOP]) * width + 2 - a[LEFT]
            source = gy + (i * outside + p * a[COLUMNS] * outputs) * size
            copy(source, scratch + row * outputs * size, a[COLUMNS] * outputs, like)
        out = gx + i * inside * size
        _convolve(
            a, scratch, width, outputs, u, out, a[HEIGHT], a[WIDTH], channels,
            scratch + a[PATCHES], like,
        )  # fmt: skip
        if a[ACT] == RELU:
            found, made = vector(out, inside, like), vector(x + i * inside * size, inside, like)
            for j in range(inside):
                found[j] = found[j] if made[j] > 0 else 0


def winograd_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``conv_outer`` of the same."""
    gy, x, size = a[FIRST], a[FIRST + 1], item_size(like)
    inside, outside, patch, outputs = sizes_of(a)
    channels, scratch = a[CHANNELS], a[SCRATCH] + part * a[SCRATCH_EACH]
    u, numbers = scratch + a[SPECTRA], channels * outputs
    zero(u, 16 * numbers, like)
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * channels, like)
    down, across = -(-a[ROWS] // 2), -(-a[COLUMNS] // 2)
    whole = a[ROWS] == 2 * down and a[COLUMNS] == 2 * across
    padded = scratch + a[TURNED]  # the gradient, with zeros up to whole tiles
    if not whole:
        zero(padded, 4 * down * across * outputs, like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        given = gy + i * outside * size
        if not whole:
            for p in range(a[ROWS]):
                source = given + p * a[COLUMNS] * outputs * size
                copy(source, padded + 2 * p * across * outputs * size, a[COLUMNS] * outputs, like)
            given = padded
        for top in range(0, down, a[BAND]):
            _add_products(
                a, image, given, top, min(a[BAND], down - top), scratch + a[PATCHES], u, like
            )
    step = numbers * size
    s = a[FIRST + 2] + part * patch * outputs * size
    to_kernel(u, 4 * step, step, s, 3 * step, step, numbers, like)


@njit(inline="always")
def _add_products(
    a: Any, image: Any, gy: Any, top: Any, down: Any, v: Any, u: Any, like: Any
) -> None:
    """Add what some rows of tiles give to the 16 matrices (C, outputs)."""
    size, across, channels, outputs = item_size(like), -(-a[COLUMNS] // 2), a[CHANNELS], a[OUTPUTS]
    tiles, pixel = down * across, outputs * size
    m, line = v + 16 * tiles * channels * size, 2 * across * pixel
    _image_tiles(image, a[PADDED_WIDTH], channels, top, down, across, v, like)
    for p in range(down):
        for q in range(across):
            of_outputs(
                gy + 2 * (top + p) * line + 2 * q * pixel, line, pixel,
                m + (p * across + q) * pixel, 4 * tiles * pixel, tiles * pixel, outputs, like,
            )  # fmt: skip
    for i in range(16):
        multiply(
            u + i * channels * pixel, pixel, v + i * tiles * channels * size, size,
            channels * size, m + i * tiles * pixel, pixel, channels, tiles, outputs, True, like,
        )  # fmt: skip
