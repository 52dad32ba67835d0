"""Maps that vary images during training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs


@MAPS.register
@dataclass(frozen=True)
class RandomShift(Map):
    """Move each image by up to ``pixels`` rows and columns, filling with zeros.

    All ``(2 pixels + 1)^2`` shifts are equally likely, and drawn from (seed, step, position).
    Outside training ``y = x``. Input ``(N, H, W)`` or ``(N, H, W, C)``. The map is linear; its
    pullback moves the cotangent back.

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
        if len(x.shape) not in (2, 3) or min(x.shape[:2]) <= self.pixels:
            raise ShapeError(
                f"RandomShift by {self.pixels} needs images (H, W) or (H, W, C) larger than that, "
                f"found {x.shape}"
            )
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the shifted images, and the shifts ``(N, 2)`` as the residual."""
        if not ctx.train:
            return x, None
        draws = ctx.uniform((x.shape[0], 2), "shift")
        shifts = np.floor(draws * (2 * self.pixels + 1)).astype(np.int64) - self.pixels
        return _shifted(x, shifts, self.pixels), shifts

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` moved back."""
        return (gy if res is None else _shifted(gy, -res, self.pixels)), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` moved as ``x`` was."""
        return dx if res is None else _shifted(dx, res, self.pixels)


def _shifted(x: Any, shifts: np.ndarray, most: int) -> Any:
    """Move image ``n`` down by ``shifts[n, 0]`` and right by ``shifts[n, 1]``."""
    zeros_like = namespace(x).zeros_like
    y = zeros_like(x)
    height, width = x.shape[1], x.shape[2]
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            chosen = np.flatnonzero((shifts[:, 0] == down) & (shifts[:, 1] == right))
            if chosen.size == 0:
                continue
            rows_to, rows_from = _overlap(down, height)
            cols_to, cols_from = _overlap(right, width)
            moved = x[chosen]
            target = zeros_like(moved)
            target[:, rows_to, cols_to] = moved[:, rows_from, cols_from]
            y[chosen] = target
    return y


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Return (target, source) slices of one axis moved by ``shift``."""
    if shift >= 0:
        return slice(shift, size), slice(0, size - shift)
    return slice(0, size + shift), slice(-shift, size)
