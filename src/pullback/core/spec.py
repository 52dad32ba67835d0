"""Shapes and types of what flows between maps, without the arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pullback.core.errors import ShapeError
from pullback.core.initializers import Initializer

Array = Any
"""A NumPy array, or a tensor of another library that follows the array API."""


@dataclass(frozen=True)
class Spec:
    """Shape without the batch axis, and dtype, of one array.

    >>> Spec((28, 28)).size
    784
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)


Specs = Any
"""One ``Spec``, or a tuple of them for a map with several inputs."""


def spec_of(x: Array) -> Specs:
    """Return the spec of a batch: its shape without the first axis, and its dtype."""
    if isinstance(x, Spec):
        return x
    if isinstance(x, tuple):
        return tuple(spec_of(part) for part in x)
    if x.ndim == 0:
        raise ShapeError("expected a batch with the examples on the first axis, found a scalar")
    return Spec(tuple(x.shape[1:]), str(x.dtype).removeprefix("torch."))


@dataclass(frozen=True)
class Param:
    """A parameter as a map declares it: not yet allocated.

    ``init=None`` leaves the choice to what follows the map (see ``pullback.core.initializers``).
    ``decay=False`` keeps weight decay away (biases, scales and shifts of normalisation).
    Parameters with the same ``share`` key are one parameter under several names.
    """

    shape: tuple[int, ...]
    init: Initializer | None = None
    decay: bool = True
    share: str | None = None


@dataclass(frozen=True)
class Slot:
    """A piece of state as a map declares it, filled with ``fill`` at the start."""

    shape: tuple[int, ...]
    fill: float = 0.0
