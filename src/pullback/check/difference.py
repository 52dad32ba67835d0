"""Derivatives of a function that needs no pullback: by the complex step and by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[[Any], Any]
"""A scalar function of one array or of a tuple of arrays."""


def complex_step(f: Function, x: Any, dx: Any, step: float = 1e-30) -> float:
    r"""Return the derivative of ``f`` at ``x`` along ``dx``: :math:`\mathrm{Im} f(x + i h dx) / h`.

    Nothing is subtracted, so the result is exact to rounding. The code of ``f`` must be analytic:
    no absolute value, no conjugate, no cast to real numbers on the way.

    Args:
        f: takes ``x`` in complex128 and returns a scalar.
        x: one array or a tuple of arrays.
        dx: the direction, as ``x``.
        step: ``h``; any number whose square is negligible.

    Source: Squire and Trapp, "Using complex variables to estimate derivatives" (1998).

    >>> complex_step(lambda x: np.sum(x**3), np.array([2.0]), np.array([1.0]))
    12.0
    """
    return float(np.imag(f(_moved(x, dx, 1j * step))) / step)


def difference(f: Function, x: Any, dx: Any, step: float = 1e-3) -> float:
    r"""Return the derivative of ``f`` at ``x`` along ``dx`` by the central 5-point difference.

    .. math:: \frac{f(x - 2 h dx) - 8 f(x - h dx) + 8 f(x + h dx) - f(x + 2 h dx)}{12 h}

    The error is :math:`h^4 f^{(5)} / 30` and rounding, about :math:`\epsilon |f| / h`.

    Args:
        f: a scalar function, smooth within ``2 h`` of ``x``.
        x: one array or a tuple of arrays, float64.
        dx: the direction, as ``x``.
        step: ``h``.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), table 25.2.

    >>> round(difference(lambda x: np.sum(x**3), np.array([2.0]), np.array([1.0])), 9)
    12.0
    """
    near = f(_moved(x, dx, step)) - f(_moved(x, dx, -step))
    far = f(_moved(x, dx, 2 * step)) - f(_moved(x, dx, -2 * step))
    return float((8 * near - far) / (12 * step))


def complex_step_gradient(f: Function, x: Any, step: float = 1e-30) -> Any:
    """Return the gradient of ``f`` at ``x``, one ``complex_step`` for each number of ``x``."""
    return _gradient(complex_step, f, x, step)


def difference_gradient(f: Function, x: Any, step: float = 1e-3) -> Any:
    """Return the gradient of ``f`` at ``x``, one ``difference`` for each number of ``x``."""
    return _gradient(difference, f, x, step)


def _moved(x: Any, dx: Any, step: complex) -> Any:
    if isinstance(x, tuple):
        return tuple(_moved(part, change, step) for part, change in zip(x, dx, strict=True))
    return x + step * dx


def _gradient(rule: Callable[..., float], f: Function, x: Any, step: float) -> Any:
    if not isinstance(x, tuple):
        return _gradient(rule, lambda parts: f(parts[0]), (x,), step)[0]
    gradient = tuple(np.zeros(part.shape) for part in x)
    direction = tuple(np.zeros(part.shape) for part in x)
    for found, along in zip(gradient, direction, strict=True):
        for place in np.ndindex(found.shape):
            along[place] = 1.0
            found[place] = rule(f, x, direction, step)
            along[place] = 0.0
    return gradient
