"""Windows that slide over positions: what convolution and pooling have in common.

Along each spatial axis, output position ``p`` of a window sees the inputs
``p * stride + u * dilation - before`` for ``u = 0 .. kernel - 1``; where that lies outside, it sees
the padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pullback.core.arrays import full, namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Specs

Sizes = tuple[int, ...]
Padding = str | int | tuple[Any, ...]
"""``"same"``, ``"valid"``, or how many positions: one number, one an axis, or a pair an axis."""


@dataclass(frozen=True)
class Windows:
    """The windows over inputs of spatial size ``inside``; ``pads`` is (before, after) an axis."""

    inside: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    pads: tuple[tuple[int, int], ...]

    @property
    def span(self) -> Sizes:
        """Inputs from the first to the last that a window sees."""
        return spans(self.kernel, self.dilation)

    @property
    def padded(self) -> Sizes:
        """Spatial size with the padding."""
        return tuple(n + sum(pad) for n, pad in zip(self.inside, self.pads, strict=True))

    @property
    def outside(self) -> Sizes:
        """Windows along each axis."""
        every = zip(self.padded, self.span, self.stride, strict=True)
        return tuple((n - span) // step + 1 for n, span, step in every)

    @property
    def count(self) -> int:
        """Positions in a window."""
        return math.prod(self.kernel)

    def cut(self, x: Any, fill: float = 0.0) -> Any:
        """Return what each window sees: ``(N, *inside, C) -> (N, *outside, count, C)``."""
        padded = pad(x, self.pads, fill)
        return namespace(x).stack([padded[place] for place in self._places()], axis=-2)

    def add(self, g: Any) -> Any:
        """Return the sums over the windows that see a position, the adjoint of ``cut``.

        ``(N, *outside, count, C) -> (N, *inside, C)``.
        """
        total = full((g.shape[0], *self.padded, g.shape[-1]), 0.0, g)
        for k, place in enumerate(self._places()):
            total[place] += g[..., k, :]
        return unpad(total, self.pads)

    def _places(self) -> Iterator[tuple[slice, ...]]:
        """Yield, for each position in the window, the inputs there of all windows."""
        for at in product(*map(range, self.kernel)):
            every = zip(at, self.dilation, self.stride, self.outside, strict=True)
            yield (
                slice(None),
                *(slice(u * d, u * d + s * (n - 1) + 1, s) for u, d, s, n in every),
            )


def pad(x: Any, pads: tuple[tuple[int, int], ...], fill: float = 0.0) -> Any:
    """Return ``x (N, ..., C)`` with so many positions of ``fill`` before and after, an axis."""
    for axis, sizes in enumerate(pads, start=1):
        if sizes == (0, 0):
            continue
        shapes = ((*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes)
        before, after = (full(shape, fill, x) for shape in shapes)
        x = namespace(x).concat([before, x, after], axis=axis)
    return x


def unpad(x: Any, pads: tuple[tuple[int, int], ...]) -> Any:
    """Return ``x`` without what ``pad`` adds, the adjoint of ``pad``."""
    every = zip(x.shape[1:], pads, strict=False)
    return x[(slice(None), *(slice(before, n - after) for n, (before, after) in every))]


def spans(kernel: Sizes, dilation: Sizes) -> Sizes:
    """Return the inputs from the first to the last that a window sees."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def per_axis(what: str, name: str, value: Any, axes: int) -> Sizes:
    """Return a number of at least 1 for each axis, of one number or a tuple of them.

    Raises:
        ConfigError: it is something else.
    """
    found = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(found) != axes or not all(type(n) is int and n >= 1 for n in found):
        expected = "a whole number of at least 1"
        raise ConfigError(f"{what}: {name}={value!r}; expected {expected}, or {axes} of them")
    return found


def pads_of(what: str, padding: Padding, kernel: Sizes) -> tuple[tuple[int, int], ...] | str:
    """Return ``(before, after)`` for each axis, or ``"same"``, which depends on the input.

    Raises:
        ConfigError: it is none of these.
    """
    axes = len(kernel)
    if padding == "same":
        return "same"
    if padding == "valid":
        return ((0, 0),) * axes
    given = padding if isinstance(padding, tuple | list) else (padding,) * axes
    pairs = tuple(tuple(n) if isinstance(n, tuple | list) else (n, n) for n in given)
    right = len(pairs) == axes and all(
        len(pair) == 2 and all(type(n) is int and n >= 0 for n in pair) for pair in pairs
    )
    if not right:
        raise ConfigError(
            f"{what}: padding={padding!r}; expected 'same', 'valid', a whole number of at least 0, "
            f"or one (or a pair: before and after) for each of {axes} axes"
        )
    return pairs


def windows(
    what: str,
    inside: Sizes,
    kernel: Sizes,
    stride: Sizes,
    dilation: Sizes,
    padding: tuple[tuple[int, int], ...] | str,
) -> Windows:
    """Return the windows over an input of spatial size ``inside``.

    ``"same"`` pads so that there are ``ceil(inside / stride)`` windows, the odd one after.

    Raises:
        ShapeError: no window fits.
    """
    if isinstance(padding, str):
        padding = tuple(
            (missing // 2, missing - missing // 2)
            for n, span, step in zip(inside, spans(kernel, dilation), stride, strict=True)
            for missing in (max(0, (-(-n // step) - 1) * step + span - n),)
        )
    found = Windows(inside, kernel, stride, dilation, padding)
    if any(n < 1 for n in inside) or any(n < 1 for n in found.outside):
        raise ShapeError(
            f"{what}: a window over {found.span} positions does not fit into {found.padded}"
        )
    return found


def check_positions(what: str, x: Specs, axes: int) -> None:
    """Raise ``ShapeError`` unless an example has ``axes`` spatial axes and one of channels."""
    if isinstance(x, tuple) or len(x.shape) != axes + 1:
        wanted = {1: "(T, C)", 2: "(H, W, C)"}[axes]
        hint = "; Reshape((H, W, 1)) gives grey images a channel" if axes == 2 else ""
        found = getattr(x, "shape", x)
        raise ShapeError(f"{what} needs examples of shape {wanted}, found {found}{hint}")
