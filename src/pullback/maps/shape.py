"""Maps that only rearrange, or leave out: the pullback rearranges back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import full, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Spec, Specs


class Rearrangement(Map):
    """Base: the same numbers under another shape, which ``spec`` gives."""

    passes_init: ClassVar[bool] = True

    def out_lengths(self, lengths: Any) -> None:
        """Return None: what were steps are not any more."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x`` in the output's shape, and its own shape as the residual."""
        shape = self.spec(Spec(tuple(x.shape[1:]))).shape
        return x.reshape((x.shape[0], *shape)), tuple(x.shape[1:])

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` in the input's shape."""
        return gy.reshape((gy.shape[0], *res)), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` in the output's shape."""
        shape = self.spec(Spec(tuple(dx.shape[1:]))).shape
        return dx.reshape((dx.shape[0], *shape))


@MAPS.register
@dataclass(frozen=True)
class Flatten(Rearrangement):
    """All axes of an example become one: ``(N, ...) -> (N, product)``."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x in one axis",
        "gx = gy in the shape of x",
    )

    def spec(self, x: Specs) -> Spec:
        """Return one axis of all the numbers."""
        check_rank("Flatten", x, 0)
        return Spec((x.size,), x.dtype)


@MAPS.register
@dataclass(frozen=True)
class Channels(Rearrangement):
    """Grey images get an axis of one channel, ``(N, H, W) -> (N, H, W, 1)``; others stay.

    Raises:
        ShapeError: the input is no image: an example has neither two axes nor three.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x with an axis of channels",
        "gx = gy in the shape of x",
    )

    def spec(self, x: Specs) -> Spec:
        """Return the shape with an axis of channels."""
        check_rank("Channels", x, 0)
        if len(x.shape) not in (2, 3):
            raise ShapeError(f"Channels needs images (H, W) or (H, W, C), found {x.shape}")
        return Spec((*x.shape, 1) if len(x.shape) == 2 else x.shape, x.dtype)


@MAPS.register
@dataclass(frozen=True)
class Reshape(Rearrangement):
    """An example takes another shape; one axis may be -1 and is worked out.

    Raises:
        ConfigError: more than one -1, or another number below 1.
        ShapeError: the numbers of an example do not fill the shape.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x in another shape",
        "gx = gy in the shape of x",
    )

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.shape.count(-1) > 1 or any(n < 1 and n != -1 for n in self.shape):
            raise ConfigError(
                f"Reshape: shape={self.shape}; expected positive numbers and at most one -1"
            )

    def spec(self, x: Specs) -> Spec:
        """Return the shape with its -1 worked out."""
        check_rank("Reshape", x, 0)
        known = math.prod(n for n in self.shape if n != -1)
        free = -1 in self.shape
        if x.size % known or (not free and x.size != known):
            raise ShapeError(
                f"Reshape: {x.shape} has {x.size} numbers, {self.shape} cannot hold them"
            )
        return Spec(tuple(x.size // known if n == -1 else n for n in self.shape), x.dtype)


@MAPS.register
@dataclass(frozen=True)
class Columns(Map):
    """Some of the numbers on the last axis: ``y = x[..., start:stop]``.

    For maps that get a part of an example each, such as the two sides of a ``Product``. The
    pullback puts ``gy`` in its place, with 0 on both sides.

    Shapes: ``x (N, ..., C)``, ``y (N, ..., stop - start)``.

    Raises:
        ConfigError: not ``0 <= start < stop``.
        ShapeError: an example has fewer numbers than ``stop`` on its last axis, or none.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x[start:stop]",
        "gx = gy from start to stop, else 0",
    )
    stepwise = True

    passes_init: ClassVar[bool] = True

    start: int
    stop: int

    def __post_init__(self) -> None:
        whole = type(self.start) is int and type(self.stop) is int
        if not (whole and 0 <= self.start < self.stop):
            raise ConfigError(
                f"Columns: {self.start!r} to {self.stop!r}; expected whole numbers, the second "
                "above the first"
            )

    def spec(self, x: Specs) -> Spec:
        """Return the input's spec with fewer numbers on the last axis."""
        check_rank("Columns", x, 1)
        if x.shape[-1] < self.stop:
            raise ShapeError(f"Columns: up to {self.stop} of the {x.shape[-1]} numbers of {x}")
        return Spec((*x.shape[:-1], self.stop - self.start), x.dtype)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the columns, and how many there were as the residual."""
        return x[..., self.start : self.stop], x.shape[-1]

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` in its place."""
        parts = [full((*gy.shape[:-1], self.start), 0.0, gy), gy]
        parts.append(full((*gy.shape[:-1], res - self.stop), 0.0, gy))
        return namespace(gy).concat(parts, axis=-1), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return the columns of ``dx``."""
        return dx[..., self.start : self.stop]
