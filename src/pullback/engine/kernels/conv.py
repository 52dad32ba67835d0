"""Convolution: patches gathered into the cache, a few rows of windows at a time, and multiplied.

Every part takes whole images. Where there is padding, it works on a padded copy of the image. A
gradient most of which is 0 (as max-pooling leaves it) is not multiplied as a matrix: each of its
other numbers adds a row of W, or of the image, that stays in the first level of the cache.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE, RELU, finish
from pullback.engine.kernels.native import (
    gemm,
    item_size,
    share,
    vector,
)

(
    CALL, WIDE, ACT, HEIGHT, WIDTH, CHANNELS, ROWS, COLUMNS, OUTPUTS, GROUPS, KERNEL_ROWS,
    KERNEL_COLUMNS, STRIDE_ROWS, STRIDE_COLUMNS, DILATION_ROWS, DILATION_COLUMNS, TOP, LEFT,
    PADDED_HEIGHT, PADDED_WIDTH, AT_ONCE, SCRATCH, SCRATCH_EACH, PATCHES, TURNED, MARKS,
    SPECTRA, BAND, FIRST,
) = range(1, 30)  # fmt: skip
"""Where the sizes stand. The input is HEIGHT x WIDTH x CHANNELS, the output ROWS x COLUMNS x
OUTPUTS; AT_ONCE are the rows of windows whose patches are gathered at once, BAND the rows of tiles
that are multiplied at once; SCRATCH is memory, of which each part has SCRATCH_EACH bytes: the
padded image, and from PATCHES, TURNED (W turned), MARKS and SPECTRA (W transformed) on what these
names say. The arrays follow from FIRST."""
SIZES = FIRST - 1


@njit(inline="always")
def copy(source: Any, target: Any, count: Any, like: Any) -> None:
    """Copy ``count`` numbers."""
    x, y = vector(source, count, like), vector(target, count, like)
    for j in range(count):
        y[j] = x[j]


@njit(inline="always")
def zero(target: Any, count: Any, like: Any) -> None:
    """Make ``count`` numbers 0."""
    y = vector(target, count, like)
    for j in range(count):
        y[j] = 0


@njit(inline="always")
def is_padded(a: Any) -> Any:
    """Whether the image has padding."""
    return a[PADDED_HEIGHT] != a[HEIGHT] or a[PADDED_WIDTH] != a[WIDTH]


@njit(inline="always")
def image_of(a: Any, x: Any, scratch: Any, like: Any) -> Any:
    """Return where the image at ``x`` lies with its padding; the border is 0 already."""
    if not is_padded(a):
        return x
    size, length = item_size(like), a[WIDTH] * a[CHANNELS]
    for i in range(a[HEIGHT]):
        row = (i + a[TOP]) * a[PADDED_WIDTH] + a[LEFT]
        copy(x + i * length * size, scratch + row * a[CHANNELS] * size, length, like)
    return scratch


@njit(inline="always")
def _patches(a: Any, image: Any, top: Any, rows: Any, group: Any, out: Any, like: Any) -> None:
    """Gather what the windows of ``rows`` rows see of a group's channels."""
    size, channels = item_size(like), a[CHANNELS]
    own = channels // a[GROUPS]
    for i in range(rows):
        for q in range(a[COLUMNS]):
            for u in range(a[KERNEL_ROWS]):
                row = (top + i) * a[STRIDE_ROWS] + u * a[DILATION_ROWS]
                place = (row * a[PADDED_WIDTH] + q * a[STRIDE_COLUMNS]) * channels + group * own
                source = image + place * size
                if a[GROUPS] == 1 and a[DILATION_COLUMNS] == 1:
                    count = a[KERNEL_COLUMNS] * channels
                    copy(source, out, count, like)
                    out += count * size
                else:
                    for v in range(a[KERNEL_COLUMNS]):
                        copy(source + v * a[DILATION_COLUMNS] * channels * size, out, own, like)
                        out += own * size


@njit(inline="always")
def _spread(a: Any, patches: Any, top: Any, rows: Any, group: Any, image: Any, like: Any) -> None:
    """Add patches up in the padded image, the adjoint of ``_patches``."""
    size, channels = item_size(like), a[CHANNELS]
    own = channels // a[GROUPS]
    for i in range(rows):
        for q in range(a[COLUMNS]):
            for u in range(a[KERNEL_ROWS]):
                row = (top + i) * a[STRIDE_ROWS] + u * a[DILATION_ROWS]
                place = (row * a[PADDED_WIDTH] + q * a[STRIDE_COLUMNS]) * channels + group * own
                target = image + place * size
                together = a[GROUPS] == 1 and a[DILATION_COLUMNS] == 1
                count = a[KERNEL_COLUMNS] * channels if together else own
                for v in range(1 if together else a[KERNEL_COLUMNS]):
                    source = vector(patches, count, like)
                    into = vector(target + v * a[DILATION_COLUMNS] * channels * size, count, like)
                    for j in range(count):
                        into[j] += source[j]
                    patches += count * size


@njit(inline="always")
def _is_plain(a: Any) -> Any:
    """Whether the patches are the input itself: a window of one position."""
    one = a[KERNEL_ROWS] == 1 and a[KERNEL_COLUMNS] == 1 and a[GROUPS] == 1
    return one and a[STRIDE_ROWS] == 1 and a[STRIDE_COLUMNS] == 1 and not is_padded(a)


@njit(inline="always")
def sizes_of(a: Any) -> Any:
    """Return the numbers of an input and of an output image, of a patch, and outputs a group."""
    patch = a[KERNEL_ROWS] * a[KERNEL_COLUMNS] * (a[CHANNELS] // a[GROUPS])
    return (
        a[HEIGHT] * a[WIDTH] * a[CHANNELS],
        a[ROWS] * a[COLUMNS] * a[OUTPUTS],
        patch,
        a[OUTPUTS] // a[GROUPS],
    )


def conv_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(conv(x, W) + b)``: x (n, H, W, C), b or none, y (n, rows, columns, outputs)."""
    x, w, b, y, size = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, patch, own = sizes_of(a)
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    patches = scratch + a[PATCHES]
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * a[CHANNELS], like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        for top in range(0, a[ROWS], a[AT_ONCE]):
            rows = min(a[AT_ONCE], a[ROWS] - top)
            count = rows * a[COLUMNS]
            out = y + (i * outside + top * a[COLUMNS] * a[OUTPUTS]) * size
            for g in range(a[GROUPS]):
                seen = patches
                if _is_plain(a):
                    seen = image + top * a[WIDTH] * patch * size
                else:
                    _patches(a, image, top, rows, g, patches, like)
                gemm(
                    a[CALL], a[WIDE], False, False, count, own, patch, seen, patch,
                    w + g * own * size, a[OUTPUTS], 0.0, out + g * own * size, a[OUTPUTS], like,
                )  # fmt: skip
            finish(out, b, count, a[OUTPUTS], a[OUTPUTS], a[ACT], like)


@njit(inline="always")
def close(a: Any, image: Any, x: Any, gx: Any, like: Any) -> None:
    """Write a padded image into ``gx`` without its padding, times the activation's slope."""
    size, length = item_size(like), a[WIDTH] * a[CHANNELS]
    for i in range(a[HEIGHT]):
        row = (i + a[TOP]) * a[PADDED_WIDTH] + a[LEFT]
        source = vector(image + row * a[CHANNELS] * size, length, like)
        made, out = (
            vector(x + i * length * size, length, like),
            vector(gx + i * length * size, length, like),
        )
        if a[ACT] == RELU:
            for j in range(length):
                out[j] = source[j] if made[j] > 0 else 0
        else:
            for j in range(length):
                out[j] = source[j]


def conv_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx``: patches ``gy W^T`` added up, times ``act'(x)``: gy, W, x what act has made, gx."""
    gy, w, x, gx, size = a[FIRST], a[FIRST + 1], a[FIRST + 2], a[FIRST + 3], item_size(like)
    inside, outside, patch, own = sizes_of(a)
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    patches = scratch + a[PATCHES]
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * a[CHANNELS], like)
        for top in range(0, a[ROWS], a[AT_ONCE]):
            rows = min(a[AT_ONCE], a[ROWS] - top)
            given = gy + (i * outside + top * a[COLUMNS] * a[OUTPUTS]) * size
            for g in range(a[GROUPS]):
                gemm(
                    a[CALL], a[WIDE], False, True, rows * a[COLUMNS], patch, own,
                    given + g * own * size, a[OUTPUTS], w + g * own * size, a[OUTPUTS],
                    0.0, patches, patch, like,
                )  # fmt: skip
                _spread(a, patches, top, rows, g, scratch, like)
        close(a, scratch, x + i * inside * size, gx + i * inside * size, like)


def conv_outer(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = patches^T gy`` over the part's images: gy, x, s (parts, patch, outputs)."""
    gy, x, size = a[FIRST], a[FIRST + 1], item_size(like)
    inside, outside, patch, own = sizes_of(a)
    s = a[FIRST + 2] + part * patch * a[OUTPUTS] * size
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    patches = scratch + a[PATCHES]
    zero(s, patch * a[OUTPUTS], like)
    if is_padded(a):
        zero(scratch, a[PADDED_HEIGHT] * a[PADDED_WIDTH] * a[CHANNELS], like)
    first, last = share(a[0], part, parts, 1)
    for i in range(first, last):
        image = image_of(a, x + i * inside * size, scratch, like)
        for top in range(0, a[ROWS], a[AT_ONCE]):
            rows = min(a[AT_ONCE], a[ROWS] - top)
            given = gy + (i * outside + top * a[COLUMNS] * a[OUTPUTS]) * size
            for g in range(a[GROUPS]):
                seen = patches
                if _is_plain(a):
                    seen = image + top * a[WIDTH] * patch * size
                else:
                    _patches(a, image, top, rows, g, patches, like)
                gemm(
                    a[CALL], a[WIDE], True, False, patch, own, rows * a[COLUMNS], seen, patch,
                    given + g * own * size, a[OUTPUTS],
                    1.0, s + g * own * size, a[OUTPUTS], like,
                )  # fmt: skip


def conv_total(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``W = sum_part s[part]``, of ``a[0]`` numbers: s (terms, numbers), W."""
    n, terms, size = a[0], a[1], item_size(like)
    first, last = share(n, part, parts, LINE)
    out = vector(a[3] + first * size, last - first, like)
    for t in range(terms):
        term = vector(a[2] + (t * n + first) * size, last - first, like)
        for j in range(last - first):
            out[j] = term[j] if t == 0 else out[j] + term[j]
