"""Smooth activations: value and slope in one pass, the slope kept for the way back."""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.elementary import sigmoid_and_slope, tanh, whole
from pullback.engine.kernels.native import item_size, real, share, vector


@njit(inline="always")
def _own(a: Any, first: Any, part: Any, parts: Any, like: Any) -> Any:
    """Return a part's numbers of the three arrays (n, k) from ``a[first]`` on."""
    start, stop = share(a[0] * a[1], part, parts, LINE)
    offset, count = start * item_size(like), stop - start
    return (
        vector(a[first] + offset, count, like),
        vector(a[first + 1] + offset, count, like),
        vector(a[first + 2] + offset, count, like),
    )


def tanh_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = tanh(x)``, and its slope: x, y, slope (n, k)."""
    x, y, slope = _own(a, 2, part, parts, like)
    for i in range(len(x)):
        y[i] = tanh(x[i])
        slope[i] = whole(1, x[i]) - y[i] * y[i]


def sigmoid_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = 1 / (1 + exp(-x))``, and its slope: x, y, slope (n, k)."""
    x, y, slope = _own(a, 2, part, parts, like)
    for i in range(len(x)):
        y[i], slope[i] = sigmoid_and_slope(x[i])


def silu_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = x sigmoid(x)``, and its slope: x, y, slope (n, k)."""
    x, y, slope = _own(a, 2, part, parts, like)
    for i in range(len(x)):
        s, product = sigmoid_and_slope(x[i])
        zero = whole(0, s)
        y[i] = (zero if s == 0 else x[i]) * s  # 0 times -infinity would be NaN
        slope[i] = s + (zero if product == 0 else x[i]) * product


def gelu_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = x s``, s the sigmoid of ``c (x + d x^3)``, and its slope: x, y, slope (n, k).

    Of ``x`` beyond ``flat``, s is 0 or 1 in any precision, and the cube might overflow.
    """
    x, y, slope = _own(a, 5, part, parts, like)
    number = x.dtype.type
    c, flat = number(real(a[2])), number(real(a[4]))
    cubic = number(real(a[2]) * real(a[3]))
    third = number(3 * real(a[2]) * real(a[3]))
    for i in range(len(x)):
        u = x[i]
        u = flat if u > flat else (-flat if u < -flat else u)
        s, product = sigmoid_and_slope(u * (c + cubic * u * u))
        zero = whole(0, s)
        y[i] = (zero if s == 0 else x[i]) * s
        slope[i] = s + (zero if product == 0 else x[i]) * product * (c + third * u * u)


def slope_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = slope gy``: slope, gy, gx (n, k)."""
    slope, gy, gx = _own(a, 2, part, parts, like)
    for i in range(len(gx)):
        gx[i] = slope[i] * gy[i]
