"""Which lowered maps do a ReLU beside them: its value on their way, and its slope on the way back.

Both sides ask here, so that it is done once.
"""

from __future__ import annotations

from pullback.core.map import Map
from pullback.maps.combine import Parallel, Residual
from pullback.maps.conv import Conv1d, Conv2d
from pullback.maps.elementwise import ReLU
from pullback.maps.linear import Linear
from pullback.maps.norm import BatchNorm
from pullback.maps.pool import MaxPool2d

PRODUCTS = (Linear, Conv1d, Conv2d)


def taken_over(neighbour: Map | None) -> int:
    """Return the kernels' number of an activation beside a map that does it, else 0."""
    from pullback.engine.kernels import dense

    return dense.RELU if type(neighbour) is ReLU else dense.NOTHING


def is_sum(m: Map | None) -> bool:
    """Whether the map adds two others."""
    if type(m) is Parallel:
        return m.combine == "add" and len(m.maps) == 2
    return type(m) is Residual


def applies_relu(m: Map | None) -> bool:
    """Whether the lowered form of ``m`` applies a ReLU that follows it."""
    return type(m) in (*PRODUCTS, BatchNorm) or is_sum(m)


def multiplies_slope(m: Map | None) -> bool:
    """Whether the lowered form of ``m`` multiplies its cotangent by the slope of a ReLU before."""
    return type(m) in (*PRODUCTS, MaxPool2d) or is_sum(m)
