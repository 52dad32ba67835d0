"""Images of another size: each axis by a matrix, and borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import as_array_like, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs
from pullback.maps.window import Padding, Sizes, check_positions, pad, pads_of, per_axis, unpad


class Resampling(Map):
    r"""Base: ``y = A x B^T`` for each channel, ``A`` over the rows and ``B`` over the columns.

    Pullback and pushforward are :math:`g_x = A^T g_y B` and :math:`dy = A\,dx\,B^T`.
    """

    passes_init: ClassVar[bool] = True

    def matrix(self, axis: int, size: int) -> np.ndarray:
        """Return the matrix of an axis, (new size, size)."""
        raise NotImplementedError

    def spec(self, x: Specs) -> Spec:
        """Return the new rows and columns, and the channels."""
        check_positions(self.title, x, 2)
        sizes = (len(self.matrix(axis, size)) for axis, size in enumerate(x.shape[:-1]))
        return Spec((*sizes, x.shape[-1]), x.dtype)

    def _matrices(self, inside: Sizes) -> list[np.ndarray]:
        return [self.matrix(axis, size) for axis, size in enumerate(inside)]

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``A x B^T``, and the spatial size of ``x``."""
        inside = tuple(x.shape[1:-1])
        return _both(self._matrices(inside), x), inside

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``A^T gy B``."""
        return _both([matrix.T for matrix in self._matrices(res)], gy), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``A dx B^T``."""
        return _both(self._matrices(res), dx)


def _both(matrices: list[np.ndarray], x: Any) -> Any:
    """Return ``matrices[0] x matrices[1]^T`` for ``x (N, H, W, C)``."""
    rows, columns = (as_array_like(matrix, x) for matrix in matrices)
    n, height, width, channels = x.shape
    xp = namespace(x)
    x = xp.matmul(rows, x.reshape((n, height, width * channels)))
    x = xp.matmul(columns, x.reshape((n, rows.shape[0], width, channels)))
    return x


@MAPS.register
@dataclass(frozen=True)
class AdaptiveAvgPool2d(Resampling):
    """Means over as many windows as are asked for, whatever the size of the image.

    Window ``i`` of ``m`` over ``n`` positions begins at ``floor(i n / m)`` and ends before
    ``ceil((i + 1) n / m)``; neighbours may share a position.

    Args:
        output_size: rows and columns of the output, one number for both, or two.

    Shapes: ``x (N, H, W, C)``, ``y (N, rows, columns, C)``.

    Raises:
        ConfigError: ``output_size`` is not one or two whole numbers of at least 1.
        ShapeError: the input is no image with channels.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = A x Bᵀ, means over windows",
        "gx = Aᵀ gy B",
    )

    output_size: int | Sizes = 1

    def __post_init__(self) -> None:
        found = per_axis(self.title, "output_size", self.output_size, 2)
        if not isinstance(self.output_size, int):
            object.__setattr__(self, "output_size", found)

    def matrix(self, axis: int, size: int) -> np.ndarray:
        """Return the means: row ``i`` has 1 / length in its window."""
        count = per_axis(self.title, "output_size", self.output_size, 2)[axis]
        place, window = np.arange(size), np.arange(count)[:, None]
        inside = (place >= window * size // count) & (place < -(-(window + 1) * size // count))
        means: np.ndarray = inside / inside.sum(axis=1, keepdims=True)
        return means


MODES = ("nearest", "bilinear")


@MAPS.register
@dataclass(frozen=True)
class Upsample(Resampling):
    """Images enlarged by a whole factor.

    ``"nearest"`` repeats each pixel; ``"bilinear"`` interpolates between the pixels' centres, and
    repeats the outermost beyond theirs.

    Args:
        factor: of rows and columns, one number for both, or two.
        mode: ``"nearest"`` or ``"bilinear"``.

    Shapes: ``x (N, H, W, C)``, ``y (N, factor H, factor W, C)``.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the input is no image with channels.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = A x Bᵀ, pixels repeated or interpolated",
        "gx = Aᵀ gy B",
    )

    factor: int | Sizes = 2
    mode: str = "nearest"

    def __post_init__(self) -> None:
        found = per_axis(self.title, "factor", self.factor, 2)
        if not isinstance(self.factor, int):
            object.__setattr__(self, "factor", found)
        if self.mode not in MODES:
            raise ConfigError(f"Upsample: mode={self.mode!r}; expected one of {', '.join(MODES)}")

    def matrix(self, axis: int, size: int) -> np.ndarray:
        """Return the share that each pixel has in each new one."""
        factor = per_axis(self.title, "factor", self.factor, 2)[axis]
        new = np.arange(size * factor)
        shares = np.zeros((size * factor, size))
        if self.mode == "nearest":
            shares[new, new // factor] = 1
            return shares
        centre = ((new + 0.5) / factor - 0.5).clip(0, size - 1)
        low = np.floor(centre).astype(np.int64)
        high = np.minimum(low + 1, size - 1)
        np.add.at(shares, (new, low), 1 - (centre - low))
        np.add.at(shares, (new, high), centre - low)
        return shares


@MAPS.register
@dataclass(frozen=True)
class Pad(Map):
    """Images with a border.

    Args:
        padding: rows and columns of it: one number, one an axis, or (before, after) an axis.
        fill: what it is filled with.

    Shapes: ``x (N, H, W, C)``, ``y (N, H + rows, W + columns, C)``.

    Raises:
        ConfigError: ``padding`` is none of these.
        ShapeError: the input is no image with channels.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x with a border",
        "gx = gy without it",
    )
    passes_init: ClassVar[bool] = True

    padding: Padding = 1
    fill: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.padding, str):
            raise ConfigError(f"Pad: padding={self.padding!r}; expected numbers")
        pads = pads_of(self.title, self.padding, (1, 1))
        if not isinstance(self.padding, int):
            object.__setattr__(self, "padding", pads)

    @property
    def _pads(self) -> Any:
        return pads_of(self.title, self.padding, (1, 1))

    def spec(self, x: Specs) -> Spec:
        """Return the rows and columns with the border, and the channels."""
        check_positions(self.title, x, 2)
        sizes = (n + sum(pair) for n, pair in zip(x.shape, self._pads, strict=False))
        return Spec((*sizes, x.shape[-1]), x.dtype)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x`` with its border."""
        return pad(x, self._pads, self.fill), None

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` without the border."""
        return unpad(gy, self._pads), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` with a border of zeros."""
        return pad(dx, self._pads)
