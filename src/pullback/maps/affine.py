"""Images turned and enlarged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pullback.core.arrays import as_array_like, full, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS
from pullback.maps.augment import ImageNoise, nearest


@MAPS.register
@dataclass(frozen=True)
class RandomAffine(ImageNoise):
    r"""Turn and enlarge each image about its centre, filling with zeros.

    By an angle, uniform in ``[-degrees, degrees]`` (counter-clockwise), and a factor, uniform in
    ``[1 - scale, 1 + scale]``. A pixel of ``y`` at ``r`` from the centre is ``x`` at
    :math:`M r`, with ``M`` the inverse of the turn and the enlargement, interpolated between the
    four pixels around it (bilinear), those outside being 0. The pullback gives each of the four
    its share of the pixel's cotangent. Outside training ``y = x``. Input ``(N, H, W)`` or
    ``(N, H, W, C)``.

    Args:
        degrees: the largest angle, from 0 to 180.
        scale: the largest change of size, from 0 up to, not with, 1.

    Raises:
        ConfigError: a value that cannot be used, or both 0.
        ShapeError: the input is not a batch of images.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x turned and enlarged, interpolated",
        "gx = gy shared out as it was taken",
    )

    degrees: float = 0.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180:
            raise ConfigError(
                f"RandomAffine: degrees={self.degrees!r}; expected a number from 0 to 180"
            )
        if not 0 <= self.scale < 1:
            raise ConfigError(
                f"RandomAffine: scale={self.scale!r}; expected a number from 0 up to, not with, 1"
            )
        if self.degrees == self.scale == 0:
            raise ConfigError("RandomAffine: give degrees, scale or both a value above 0")

    def drawn(self, shape: tuple[int, ...], ctx: Context) -> np.ndarray:
        """Return the matrices ``M (N, 2, 2)``, from places in ``y`` to places in ``x``."""
        draws = 2 * ctx.uniform((shape[0], 2), "affine") - 1
        angle, factor = np.radians(self.degrees * draws[:, 0]), 1 + self.scale * draws[:, 1]
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        return np.stack([cos, sin, -sin, cos], axis=1).reshape((shape[0], 2, 2))

    def varied(self, res: Any, x: Any) -> Any:
        """Return ``x`` turned and enlarged."""
        return _in_blocks(_sampled, res, x)

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``gy`` shared out."""
        return _in_blocks(_shared_out, res, gy)


NUMBERS = 2**14
"""As many numbers are worked on at once: what is made for them on the way stays in the cache."""

BORDER = 3
"""Rows and columns of zeros around an image: one before it, two after it."""


def _in_blocks(function: Callable[[Any, Any], Any], res: np.ndarray, x: Any) -> Any:
    """Return ``function(res, x)``, made of a few images at a time."""
    count, every = x.shape[0], max(1, NUMBERS // prod(x.shape[1:]))
    parts = [slice(start, start + every) for start in range(0, max(1, count), every)]
    return namespace(x).concat([function(res[part], x[part]) for part in parts])


def _sampled(matrices: np.ndarray, x: Any) -> Any:
    """Return the images ``y``, pixel ``r`` from the centre being ``x`` at ``M r``."""
    padded = _bordered(x)
    if namespace(x).isdtype(x.dtype, "integral"):
        padded = namespace(x).astype(padded, namespace(x).float32)
    at, pixels = _places(matrices, padded), padded.reshape((-1,))
    # between the columns on the row above and on the row below, then between the rows
    above, below = pixels[at.corner], pixels[at.corner + at.row]
    above = above + at.right * (pixels[at.corner + at.column] - above)
    below = below + at.right * (pixels[at.corner + at.row + at.column] - below)
    return nearest(above + at.down * (below - above), x)


def _shared_out(matrices: np.ndarray, gy: Any) -> Any:
    """Return the cotangents of ``x``, the adjoint of ``_sampled``."""
    padded = _bordered(namespace(gy).zeros_like(gy))
    at, pixels = _places(matrices, padded), padded.reshape((-1,))
    below = gy * at.down
    for start, share in ((0, gy - below), (at.row, below)):
        beside = share * at.right
        _add_at(pixels, at.corner + start, share - beside)
        _add_at(pixels, at.corner + (start + at.column), beside)
    return padded[:, 1 : gy.shape[1] + 1, 1 : gy.shape[2] + 1]


def _bordered(x: Any) -> Any:
    height, width = x.shape[1:3]
    padded = full((x.shape[0], height + BORDER, width + BORDER, *x.shape[3:]), 0.0, x)
    padded[:, 1 : height + 1, 1 : width + 1] = x
    return padded


class _Places(NamedTuple):
    """Where the pixels of ``y`` lie between those of ``x``.

    ``corner`` is the place of the one above and to the left among all numbers of the bordered
    images, ``row`` and ``column`` how much further the next one is; ``down`` and ``right`` are how
    far beyond the corner the pixel lies, from 0 to 1.
    """

    corner: np.ndarray
    row: int
    column: int
    down: Any
    right: Any


def _places(matrices: np.ndarray, bordered: Any) -> _Places:
    count, rows, columns = bordered.shape[:3]
    channels = prod(bordered.shape[3:])
    sizes = rows - BORDER, columns - BORDER
    down, right = (np.arange(size) - (size - 1) / 2 for size in sizes)
    low, beyond = [], []
    for axis, size in enumerate(sizes):
        of_rows = matrices[:, axis, 0, None] * down + ((size - 1) / 2 + 1)
        of_columns = matrices[:, axis, 1, None] * right
        place = of_rows[:, :, None] + of_columns[:, None, :]
        # what lies further out is taken from the border, which is 0
        place = np.clip(place, 0, size + 1, out=place)
        low.append(np.floor(place))
        beyond.append(place - low[-1])
    pixel = (low[0] * columns + low[1]).astype(np.int64)
    pixel += (np.arange(count) * (rows * columns))[:, None, None]
    shape = (count, *sizes, *(1,) * (bordered.ndim - 3))
    corner = pixel
    if bordered.ndim == 4:
        corner = pixel[..., None] * channels + np.arange(channels)
    shares = [as_array_like(share.reshape(shape), bordered) for share in beyond]
    return _Places(corner, columns * channels, channels, *shares)


def _add_at(numbers: Any, places: np.ndarray, shares: Any) -> None:
    """Add each share at its place; many may have the same."""
    if isinstance(numbers, np.ndarray):
        np.add.at(numbers, places, shares)
    else:
        numbers.index_put_((namespace(numbers).asarray(places),), shares, accumulate=True)
