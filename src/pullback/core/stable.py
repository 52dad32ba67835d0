"""Functions that several families need, in the form that neither overflows nor loses digits."""

from __future__ import annotations

from typing import Any

from pullback.core.spec import Array


def sigmoid(xp: Any, x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    # exp of a positive number is never taken, so nothing overflows and small values keep digits.
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_and_slope(xp: Any, x: Array) -> tuple[Array, Array]:
    """Return ``s = 1 / (1 + exp(-x))`` and ``s (1 - s)``."""
    e = xp.exp(-xp.abs(x))
    high = 1 / (1 + e)
    low = e * high
    # the slope is the same on both sides of 0; 1 - s has no digits left where s is nearly 1
    return xp.where(x >= 0, high, low), low * high


def softplus(xp: Any, x: Array) -> Array:
    """Return ``log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))``."""
    top = xp.where(x > 0, x, xp.zeros_like(x))
    return top + xp.log1p(xp.exp(-xp.abs(x)))


def softmax(xp: Any, x: Array) -> Array:
    """Return ``exp(x) / sum(exp(x))`` over the last axis, with the largest taken out first."""
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def log_softmax(xp: Any, x: Array) -> Array:
    """Return ``x - log(sum(exp(x)))`` over the last axis, with the largest taken out first."""
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
