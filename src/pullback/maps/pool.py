"""Pooling: one number for each window and channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import count_up, full, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Spec, Specs
from pullback.maps.steps import only, own_steps
from pullback.maps.window import (
    Padding,
    Sizes,
    Windows,
    check_positions,
    pads_of,
    per_axis,
    windows,
)


class Pooling(Map):
    """Base of the pools over windows: the fields, and the windows."""

    passes_init: ClassVar[bool] = True
    size: int | Sizes
    stride: int | Sizes | None
    padding: Padding

    def __post_init__(self) -> None:
        kernel = per_axis(self.title, "size", self.size, 2)
        if not isinstance(self.size, int):
            object.__setattr__(self, "size", kernel)
        if self.stride is not None and not isinstance(self.stride, int):
            object.__setattr__(self, "stride", tuple(self.stride))
        if self.stride is not None:
            per_axis(self.title, "stride", self.stride, 2)
        pads = pads_of(self.title, self.padding, kernel)
        if not isinstance(pads, str):
            for pair, length in zip(pads, kernel, strict=True):
                if max(pair) >= length:
                    raise ConfigError(
                        f"{self.title}: padding={self.padding!r}; expected less than the size "
                        f"{self.size}, or a window would see nothing else"
                    )
        if isinstance(self.padding, tuple | list):
            object.__setattr__(self, "padding", pads)

    def over(self, inside: Sizes) -> Windows:
        """Return the windows over positions of spatial size ``inside``."""
        kernel = per_axis(self.title, "size", self.size, 2)
        step = self.size if self.stride is None else self.stride
        stride = per_axis(self.title, "stride", step, 2)
        pads = pads_of(self.title, self.padding, kernel)
        return windows(self.title, inside, kernel, stride, (1, 1), pads)

    def spec(self, x: Specs) -> Spec:
        """Return the number of windows, and the channels."""
        check_positions(self.title, x, 2)
        return Spec((*self.over(x.shape[:-1]).outside, x.shape[-1]), x.dtype)


@MAPS.register
@dataclass(frozen=True)
class MaxPool2d(Pooling):
    r"""The largest number of each window: :math:`y_p = \max_u x_{p s + u}`.

    The pullback gives :math:`g_y` to the first position that has it. Padding is never the largest.

    Args:
        size: rows and columns of a window, one number for both, or two.
        stride: from one window to the next; None: the size.
        padding: as that of ``Conv2d``.

    Shapes: ``x (N, H, W, C)``, ``y (N, H', W', C)``.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the input is no image with channels, or smaller than a window.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[p] = max x in window p",
        "gx = gy where x was the largest",
    )

    size: int | Sizes = 2
    stride: int | Sizes | None = None
    padding: Padding = "valid"

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the largest numbers; which they are, and the spatial size, are the residual."""
        xp, inside = namespace(x), tuple(x.shape[1:-1])
        patches = self.over(inside).cut(x, -math.inf)
        return xp.max(patches, axis=-2), {"which": xp.argmax(patches, axis=-2), "inside": inside}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the largest numbers were."""
        over = self.over(res["inside"])
        return over.add(_chosen(gy[..., None, :], res["which"], over.count)), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` where the largest numbers were."""
        over = self.over(res["inside"])
        chosen = _chosen(over.cut(dx), res["which"], over.count)
        return namespace(dx).sum(chosen, axis=-2)


def _chosen(values: Any, which: Any, count: int) -> Any:
    """Return ``values (..., count or 1, C)`` where ``which (..., C)`` chose them, else 0."""
    xp = namespace(values)
    places = count_up(count, which)
    return xp.where(places[:, None] == which[..., None, :], values, xp.zeros_like(values))


@MAPS.register
@dataclass(frozen=True)
class AvgPool2d(Pooling):
    r"""The mean of each window: :math:`y_p = \frac{1}{|p|} \sum_u x_{p s + u}`.

    Padding does not count: a window at the border is the mean of what it has of the image.
    Arguments, shapes and errors are those of ``MaxPool2d``.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[p] = mean x in window p",
        "gx = Σ gy[p] / |p| over the windows that have it",
    )

    size: int | Sizes = 2
    stride: int | Sizes | None = None
    padding: Padding = "valid"

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the means; the spatial size is the residual."""
        return self._means(x), tuple(x.shape[1:-1])

    def _means(self, x: Any) -> Any:
        xp, over = namespace(x), self.over(tuple(x.shape[1:-1]))
        return xp.sum(over.cut(x), axis=-2) / self._counts(over, x)

    def _counts(self, over: Windows, like: Any) -> Any:
        """Return how many positions of the image each window has, ``(1, H', W', 1)``."""
        xp = namespace(like)
        return xp.sum(over.cut(full((1, *over.inside, 1), 1.0, like)), axis=-2)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return each window's ``gy``, over its count, at every position it has."""
        xp, over = namespace(gy), self.over(res)
        share = (gy / self._counts(over, gy))[..., None, :]
        every = xp.broadcast_to(share, (*share.shape[:-2], over.count, share.shape[-1]))
        return over.add(every), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return the means of ``dx``."""
        return self._means(dx)


class GlobalPooling(Map):
    """Base of the pools over all positions: ``(N, ..., C) -> (N, C)``."""

    passes_init: ClassVar[bool] = True

    def spec(self, x: Specs) -> Spec:
        """Return the channels."""
        check_rank(self.title, x, 2)
        return Spec((x.shape[-1],), x.dtype)

    def out_lengths(self, lengths: Any) -> None:
        """Return None: there are no positions left."""


def _positions(x: Any) -> Any:
    return x.reshape((x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]))


@MAPS.register
@dataclass(frozen=True)
class GlobalAvgPool(GlobalPooling):
    """The mean of each channel over all positions. Lin, Chen, Yan, "Network in network" (2014).

    Shapes: ``x (N, ..., C)`` with at least one axis of positions, ``y (N, C)``. Of padded sequences
    it is the mean over the steps that are their own, of no steps 0.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = mean x over the positions",
        "gx = gy / positions",
    )

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the means; how many there are of, and the positions' shape, are the residual."""
        inside = tuple(x.shape[1:-1])
        if ctx.lengths is None:
            res = {"inside": inside, "count": math.prod(inside), "own": None}
            return namespace(x).mean(_positions(x), axis=1), res
        own = _own_positions(ctx, x)
        count = namespace(x).sum(namespace(x).astype(own, x.dtype), axis=1)[:, None]
        some = namespace(x).where(count == 0, namespace(x).ones_like(count), count)
        res = {"inside": inside, "count": some, "own": own}
        return self._means(res, x), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` over the number of positions, at each of them."""
        share = (gy / res["count"])[:, None, :]
        shape = (gy.shape[0], math.prod(res["inside"]), gy.shape[-1])
        every = namespace(gy).broadcast_to(share, shape)
        if res["own"] is not None:
            every = only(res["own"], every)
        return every.reshape((gy.shape[0], *res["inside"], gy.shape[-1])), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return the means of ``dx``."""
        return self._means(res, dx)

    def _means(self, res: Any, v: Any) -> Any:
        if res["own"] is None:
            return namespace(v).mean(_positions(v), axis=1)
        return namespace(v).sum(only(res["own"], _positions(v)), axis=1) / res["count"]


def _own_positions(ctx: Context, x: Any) -> Any:
    """Return whether each position is of a step that is the example's own, ``(N, positions)``."""
    xp, own = namespace(x), own_steps(ctx.lengths, x.shape[1])
    within = math.prod(x.shape[2:-1])
    every = xp.broadcast_to(own[:, :, None], (*own.shape, within))
    return every.reshape((x.shape[0], x.shape[1] * within))


@MAPS.register
@dataclass(frozen=True)
class GlobalMaxPool(GlobalPooling):
    """The largest number of each channel over all positions.

    Shapes: ``x (N, ..., C)`` with at least one axis of positions, ``y (N, C)``. The pullback gives
    ``gy`` to the first position that has it. Of padded sequences only the steps that are their own
    count, and of no steps it is 0.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = max x over the positions",
        "gx = gy where x was the largest",
    )

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the largest numbers; which they are, and the positions' shape, are the rest."""
        xp, rows, inside = namespace(x), _positions(x), tuple(x.shape[1:-1])
        if ctx.lengths is None:
            return xp.max(rows, axis=1), {"which": xp.argmax(rows, axis=1), "inside": inside}
        own = _own_positions(ctx, x)
        rows = xp.where(own[..., None], rows, full((1, 1, 1), -math.inf, x))
        some, which = xp.any(own, axis=1)[:, None], xp.argmax(rows, axis=1)
        which = xp.where(some, which, xp.zeros_like(which) - 1)  # nowhere
        y = xp.max(rows, axis=1)
        return xp.where(some, y, xp.zeros_like(y)), {"which": which, "inside": inside}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the largest numbers were."""
        g = _chosen(gy[:, None, :], res["which"], math.prod(res["inside"]))
        return g.reshape((gy.shape[0], *res["inside"], gy.shape[-1])), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` where the largest numbers were."""
        rows = _positions(dx)
        return namespace(dx).sum(_chosen(rows, res["which"], rows.shape[1]), axis=1)
