"""Images with a rectangle missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import full, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS
from pullback.core.spec import Specs
from pullback.maps.augment import (
    ImageNoise,
    as_mask,
    check_images,
    check_probability,
    nearest,
)


@MAPS.register
@dataclass(frozen=True)
class RandomErasing(ImageNoise):
    """Fill a rectangle of some images.

    Its area is equally likely anywhere between two shares of the image's, the logarithm of its
    height over its width between two bounds, and its place anywhere inside; a ratio that does not
    fit is taken to the nearest that does. Outside training ``y = x``. Input ``(N, H, W)`` or
    ``(N, H, W, C)``. Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation" (2020);
    with probability 1 and ratio 1 nearly the cutout of DeVries and Taylor, "Improved
    regularization of convolutional neural networks with cutout" (2017).

    Args:
        probability: that an image loses a rectangle.
        area: the least and the largest share of the image that it has.
        ratio: height over width is between ``ratio`` and ``1 / ratio``.
        fill: what it is filled with: a number, or ``"mean"`` for the image's own, a channel each.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the input is not a batch of images.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x outside a rectangle, the fill inside",
        "gx = gy outside, 0 inside; and the mean's share",
    )

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    ratio: float = 0.3
    fill: float | str = 0.0

    def __post_init__(self) -> None:
        check_probability(self.title, "probability", self.probability)
        area = tuple(self.area) if isinstance(self.area, tuple | list) else ()
        if len(area) != 2 or not 0 < area[0] <= area[1] <= 1:
            raise ConfigError(
                f"RandomErasing: area={self.area!r}; expected two shares above 0 and up to 1, the "
                "smaller first"
            )
        object.__setattr__(self, "area", area)
        if not 0 < self.ratio <= 1:
            raise ConfigError(f"RandomErasing: ratio={self.ratio!r}; expected a number in (0, 1]")
        number = isinstance(self.fill, int | float) and isfinite(self.fill)
        if self.fill != "mean" and not number:
            raise ConfigError(f"RandomErasing: fill={self.fill!r}; expected a number or 'mean'")

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_images(self.title, x)
        if x.dtype == "uint8" and self.fill != "mean" and self.fill not in range(256):
            raise ConfigError(
                f"RandomErasing: fill={self.fill!r} for images of bytes; expected a whole number "
                "from 0 to 255"
            )
        return x

    def drawn(self, shape: tuple[int, ...], ctx: Context) -> np.ndarray:
        """Return top, left, height and width of the rectangles ``(N, 4)``, of no height if none."""
        count, rows, columns = shape[:3]
        chance, share, ratio, *place = ctx.uniform((count, 5), "erase").T
        pixels = (self.area[0] + (self.area[1] - self.area[0]) * share) * rows * columns
        ratio = self.ratio ** (2 * ratio - 1)
        ratio = np.clip(ratio, pixels / columns**2, rows**2 / pixels)
        sides = np.rint(np.sqrt([pixels * ratio, pixels / ratio])).astype(np.int64)
        sides = np.clip(sides, 1, np.array([[rows], [columns]]))
        starts = np.floor(np.array(place) * (np.array([[rows], [columns]]) - sides + 1))
        sides[0, chance >= self.probability] = 0
        return np.stack([*starts.astype(np.int64), *sides], axis=1)

    def _hole(self, res: Any, x: Any) -> Any:
        """Return whether each pixel is inside the rectangle, broadcast over channels."""
        down, right = (
            (np.arange(size) >= res[:, axis, None])
            & (np.arange(size) < res[:, axis, None] + res[:, axis + 2, None])
            for axis, size in enumerate(x.shape[1:3])
        )
        hole = down[:, :, None] & right[:, None, :]
        return as_mask(hole.reshape((*hole.shape, *(1,) * (x.ndim - 3))), x)

    def _filling(self, x: Any) -> Any:
        if self.fill == "mean":
            return nearest(_mean(x), x)
        return full((1,), self.fill, x)  # type: ignore[arg-type]

    def varied(self, res: Any, x: Any) -> Any:
        """Return ``x`` with the rectangles filled."""
        return namespace(x).where(self._hole(res, x), self._filling(x), x)

    def pushed(self, res: Any, dx: Any) -> Any:
        """Return ``dx`` outside the rectangles; inside 0, or the mean's change."""
        filling = _mean(dx) if self.fill == "mean" else full((1,), 0.0, dx)
        return namespace(dx).where(self._hole(res, dx), filling, dx)

    def pulled(self, res: Any, gy: Any) -> Any:
        """Return ``gy`` outside the rectangles; what is inside goes to the pixels of the mean."""
        xp, hole, zero = namespace(gy), self._hole(res, gy), full((1,), 0.0, gy)
        gx = xp.where(hole, zero, gy)
        return gx + _mean(xp.where(hole, gy, zero)) if self.fill == "mean" else gx


def _mean(x: Any) -> Any:
    """Return the mean of each image, a channel by itself."""
    return namespace(x).mean(x, axis=(1, 2), keepdims=True)
