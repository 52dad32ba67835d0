"""Maps that vary images during training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs
from pullback.maps.window import Sizes, pad, per_axis


class ImageNoise(Map):
    r"""Base: ``y = A x + b`` with ``A`` and ``b`` drawn for each image from (seed, step, position).

    Outside training ``y = x``. What was drawn is the residual; given that, the map is affine:
    :math:`g_x = A^T g_y` and :math:`dy = A\,dx`. Images of integers stay such, to the nearest.
    """

    passes_init: ClassVar[bool] = True

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_images(self.title, x)
        return x

    def drawn(self, shape: tuple[int, ...], ctx: Context) -> Any:
        """Return what decides on ``A`` and ``b`` of each image in a batch of ``shape``."""
        raise NotImplementedError

    def varied(self, res: Any, x: Any) -> Any:
        """Return ``A x + b``."""
        raise NotImplementedError

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``A^T gy``."""
        raise NotImplementedError

    def pushed(self, res: Any, dx: Any) -> Any:
        """Return ``A dx``; the same as ``varied`` where there is no ``b``."""
        return self.varied(res, dx)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the varied images, and what was drawn; outside training ``x`` and None."""
        if not ctx.train:
            return x, None
        res = self.drawn(tuple(x.shape), ctx)
        return self.varied(res, x), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``A^T gy``."""
        return (gy if res is None else self.pulled(res, gy)), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``A dx``."""
        return dx if res is None else self.pushed(res, dx)


def check_images(what: str, x: Specs) -> None:
    """Raise ``ShapeError`` unless an example is one image, (H, W) or (H, W, C)."""
    shape = getattr(x, "shape", ())
    if len(shape) not in (2, 3) or 0 in shape:
        raise ShapeError(f"{what} needs images (H, W) or (H, W, C), found {shape or x}")


@MAPS.register
@dataclass(frozen=True)
class RandomShift(ImageNoise):
    """Move each image by up to ``pixels`` rows and columns, filling with zeros.

    All ``(2 pixels + 1)^2`` shifts are equally likely. Outside training ``y = x``. Input
    ``(N, H, W)`` or ``(N, H, W, C)``. The pullback moves the cotangent back.

    Raises:
        ConfigError: ``pixels`` is not a whole number of at least 1.
        ShapeError: the input is not a batch of images larger than the shift.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x moved",
        "gx = gy moved back",
    )

    pixels: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.pixels, int) or self.pixels < 1:
            raise ConfigError(
                f"RandomShift: pixels={self.pixels!r}; expected a whole number of at least 1"
            )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_images(self.title, x)
        if min(x.shape[:2]) <= self.pixels:
            raise ShapeError(
                f"RandomShift by {self.pixels} needs images larger than that, found {x.shape}"
            )
        return x

    def drawn(self, shape: tuple[int, ...], ctx: Context) -> np.ndarray:
        """Return the shifts down and to the right, ``(N, 2)``."""
        draws = ctx.uniform((shape[0], 2), "shift")
        shifts: np.ndarray = np.floor(draws * (2 * self.pixels + 1)).astype(np.int64) - self.pixels
        return shifts

    def varied(self, res: Any, x: Any) -> Any:
        """Return ``x`` moved."""
        return cut_out(x, -res, x.shape[1:3])

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``gy`` moved back."""
        return cut_out(gy, res, gy.shape[1:3])


def cut_out(x: Any, starts: np.ndarray, size: Sizes) -> Any:
    """Return of each image the rectangle of ``size`` that starts at ``starts[n]``.

    ``y[n, i, j] = x[n, starts[n, 0] + i, starts[n, 1] + j]``, and 0 where that is outside. The
    adjoint is the same with ``-starts`` and the size of ``x``.
    """
    before = -starts.min(axis=0, initial=0)
    after = np.maximum(starts.max(axis=0, initial=0) + size - x.shape[1:3], 0)
    padded = pad(x, tuple(zip(before.tolist(), after.tolist(), strict=True)))
    tops, lefts = (starts + before).T
    found = _rectangles(padded, size)[np.arange(x.shape[0]), tops, lefts]
    return found if x.ndim == 3 else namespace(x).moveaxis(found, 1, -1)


def _rectangles(x: Any, size: Sizes) -> Any:
    """Return a view of every rectangle: ``(N, H, W, ...) -> (N, tops, lefts, ..., *size)``."""
    if isinstance(x, np.ndarray):
        return np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2), subok=True)
    return x.unfold(1, size[0], 1).unfold(2, size[1], 1)


@MAPS.register
@dataclass(frozen=True)
class RandomCrop(ImageNoise):
    """A rectangle of each image: anywhere in training, else the one in the middle.

    All places are equally likely. Input ``(N, H, W)`` or ``(N, H, W, C)``, output of ``size``. The
    pullback puts the cotangent back in its place.

    Args:
        size: rows and columns of the output, one number for both, or two.
        padding: so many rows and columns of zeros are put around the image first.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the padded image is smaller than that.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = a rectangle of x",
        "gx = gy in its place, else 0",
    )

    size: int | Sizes
    padding: int = 0

    def __post_init__(self) -> None:
        found = per_axis(self.title, "size", self.size, 2)
        if not isinstance(self.size, int):
            object.__setattr__(self, "size", found)
        if type(self.padding) is not int or self.padding < 0:
            raise ConfigError(
                f"RandomCrop: padding={self.padding!r}; expected a whole number of at least 0"
            )

    @property
    def _size(self) -> Sizes:
        return per_axis(self.title, "size", self.size, 2)

    def spec(self, x: Specs) -> Spec:
        """Return the spec of the rectangle."""
        check_images(self.title, x)
        if min(self._free(x.shape)) < 0:
            raise ShapeError(
                f"RandomCrop to {self._size} with padding {self.padding} needs larger images, "
                f"found {x.shape}"
            )
        return Spec((*self._size, *x.shape[2:]), x.dtype)

    def _free(self, image: Sizes) -> Sizes:
        """Return how many places there are for the rectangle, beside the first, on each axis."""
        return tuple(n + 2 * self.padding - m for n, m in zip(image, self._size, strict=False))

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the rectangles; their places ``(N, 2)`` and the size of an image of ``x``."""
        free = np.array(self._free(tuple(x.shape[1:3])))
        starts = np.broadcast_to(free // 2, (x.shape[0], 2))
        if ctx.train:
            starts = np.floor(ctx.uniform(starts.shape, "crop") * (free + 1)).astype(np.int64)
        res = starts - self.padding, tuple(x.shape[1:3])
        return self.varied(res, x), res

    def varied(self, res: Any, x: Any) -> Any:
        """Return the rectangles."""
        return cut_out(x, res[0], self._size)

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``gy`` in the place of the rectangles."""
        return cut_out(gy, -res[0], res[1])


@MAPS.register
@dataclass(frozen=True)
class RandomFlip(ImageNoise):
    """Mirror each image: left to right, top to bottom, or both, independently.

    Outside training ``y = x``. Input ``(N, H, W)`` or ``(N, H, W, C)``. Mirroring is its own
    inverse and its own adjoint.

    Args:
        horizontal: the probability that left and right change places.
        vertical: the probability that top and bottom do.

    Raises:
        ConfigError: a probability outside [0, 1].
        ShapeError: the input is not a batch of images.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x mirrored",
        "gx = gy mirrored",
    )

    horizontal: float = 0.5
    vertical: float = 0.0

    def __post_init__(self) -> None:
        check_probability(self.title, "horizontal", self.horizontal)
        check_probability(self.title, "vertical", self.vertical)

    def drawn(self, shape: tuple[int, ...], ctx: Context) -> np.ndarray:
        """Return whether rows and whether columns are reversed, ``(N, 2)``."""
        chosen: np.ndarray = ctx.uniform((shape[0], 2), "flip") < (self.vertical, self.horizontal)
        return chosen

    def varied(self, res: Any, x: Any) -> Any:
        """Return ``x`` mirrored."""
        xp = namespace(x)
        for axis in (0, 1):
            chosen = as_mask(res[:, axis].reshape((x.shape[0], *(1,) * (x.ndim - 1))), x)
            x = xp.where(chosen, xp.flip(x, axis=axis + 1), x)
        return x

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``gy`` mirrored."""
        return self.varied(res, gy)


def as_mask(values: np.ndarray, like: Any) -> Any:
    """Return truth values as an array of ``like``'s library and device."""
    return namespace(like).asarray(values, device=like.device)


def check_probability(what: str, name: str, value: Any) -> None:
    """Raise ``ConfigError`` unless ``value`` is from 0 to 1."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{what}: {name}={value!r}; expected a probability from 0 to 1")


def nearest(values: Any, like: Any) -> Any:
    """Return ``values``, as whole numbers where those of ``like`` are."""
    xp = namespace(like)
    if not xp.isdtype(like.dtype, "integral"):
        return values
    return xp.astype(xp.round(values), like.dtype)
