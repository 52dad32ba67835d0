"""Losses of detection: which places show something, and how well a box fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.core.stable import sigmoid, softplus
from pullback.losses.base import LOSSES, Loss, matched, over_outputs


@LOSSES.register
@dataclass(frozen=True)
class Focal(Loss):
    r"""Binary cross-entropy in which what is easy counts little: for few hits among many places.

    With ``z = y`` where the target is 1 and ``z = -y`` where it is 0, ``p = sigmoid(z)`` the
    probability of the truth and ``q = 1 - p``:
    :math:`\ell = \frac1P \sum_k a_k q_k^\gamma \log(1 + e^{-z_k})`, ``a`` being ``alpha`` where the
    target is 1 and ``1 - alpha`` where it is 0, and ``P`` the number of ones in the example's
    target, at least 1. Slope in ``z``: :math:`-a q^\gamma (q + \gamma p \log(1 + e^{-z})) / P`.

    Outputs ``(N, ...)`` logits, targets of 0 and 1 of the same shape. In nats. Lin, Goyal,
    Girshick, He, Dollar, "Focal loss for dense object detection" (2017), equation 5.

    Raises:
        ConfigError: ``gamma`` below 0, or ``alpha`` not between 0 and 1.
        ShapeError: shapes that do not fit.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = Σ a q^γ log(1 + exp(-z)) / P, z = ±y, q = 1 / (1 + exp(z))",
        "slope = ∓a q^γ (q + γ (1 - q) log(1 + exp(-z))) / P",
    )

    gamma: float = 2.0
    alpha: float = 0.25

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise ConfigError(f"Focal: gamma={self.gamma!r}; expected a number of at least 0")
        if not 0 < self.alpha < 1:
            raise ConfigError(f"Focal: alpha={self.alpha!r}; expected a number between 0 and 1")

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        xp, t = namespace(y), matched(y, target)
        true = t > 0.5
        one = xp.ones_like(y)
        z, a = xp.where(true, y, -y), xp.where(true, self.alpha * one, (1 - self.alpha) * one)
        cost, q = softplus(xp, -z), sigmoid(xp, -z)
        counted = a * q**self.gamma
        slope = -counted * (q + self.gamma * sigmoid(xp, z) * cost)
        hits = _at_least_one(xp, over_outputs(xp.astype(true, y.dtype), "sum"))
        values = over_outputs(counted * cost, "sum") / hits
        return values, xp.where(true, slope, -slope) / _over_examples(hits, y)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``sigmoid(y)``."""
        return sigmoid(namespace(y), y)


def _at_least_one(xp: Any, count: Array) -> Array:
    return xp.where(count < 1, xp.ones_like(count), count)


def _over_examples(values: Array, like: Array) -> Array:
    """Return ``(N,)`` in a shape that divides ``like``."""
    return values.reshape((-1, *(1,) * (like.ndim - 1)))


@LOSSES.register
@dataclass(frozen=True)
class GIoU(Loss):
    r"""One minus the generalised intersection over union of two boxes.

    A box is its centre and its size, ``(x, y, w, h)``; the output's size is the softplus of its
    third and fourth number, so that it is never below 0. With ``I`` the area that output and
    target share, ``U`` that of their union, and ``H`` that of the smallest box around both:
    :math:`\ell = 2 - I/U - U/H`, from 0 (the same box) to 2 (far apart). Unlike ``1 - I/U`` it has
    a slope where the boxes do not meet. With ``A`` the output's area and ``U = A + T - I``, the
    slopes are :math:`1/H - 1/U - I/U^2` in ``I``, :math:`I/U^2 - 1/H` in ``A`` and
    :math:`U/H^2` in ``H``; where two edges meet, neither moves ``I`` or ``H``.

    Outputs and targets ``(N, ..., 4)``; a target of no size is no box and costs nothing. The value
    is the mean over the example's boxes, 0 where it has none. Rezatofighi and others, "Generalized
    intersection over union" (2019), algorithm 2.

    Raises:
        ShapeError: shapes that do not fit.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = mean(2 - I / U - U / H) over the boxes",
        "slope = (1/H - 1/U - I/U²) dI + (I/U² - 1/H) dA + U/H² dH",
    )

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        xp, t = namespace(y), matched(y, target)
        if y.ndim < 2 or y.shape[-1] != 4:
            raise ShapeError(f"GIoU needs outputs (N, ..., 4), found {tuple(y.shape)}")
        there = (t[..., 2] > 0) & (t[..., 3] > 0)
        zero = xp.zeros_like(y[..., 0])
        one = xp.ones_like(zero)
        size = softplus(xp, y[..., 2:])
        across, down = (
            _axis(xp, y[..., i], size[..., i], t[..., i], t[..., 2 + i]) for i in (0, 1)
        )
        shared, around = across.shared * down.shared, across.around * down.around
        area = size[..., 0] * size[..., 1]
        union = xp.where(there, area + t[..., 2] * t[..., 3] - shared, one)
        hull = xp.where(there, around, one)
        each = xp.where(there, 2 - shared / union - union / hull, zero)
        by_shared = 1 / hull - 1 / union - shared / union / union
        by_area, by_hull = shared / union / union - 1 / hull, union / hull / hull
        columns = []
        for axis, other in ((across, down), (down, across)):
            low, high = (
                by_shared * edge_shared * other.shared
                + by_area * edge_size * other.size
                + by_hull * edge_around * other.around
                for edge_shared, edge_around, edge_size in axis.edges
            )
            columns.append((low + high, (high - low) / 2))
        (gx, gw), (gy, gh) = columns
        rate = sigmoid(xp, y[..., 2:])
        slope = xp.stack([gx, gy, gw * rate[..., 0], gh * rate[..., 1]], axis=-1)
        slope = xp.where(there[..., None], slope, xp.zeros_like(slope))
        count = _at_least_one(xp, over_outputs(xp.astype(there, y.dtype), "sum"))
        return over_outputs(each, "sum") / count, slope / _over_examples(count, y)

    def link(self, y: Array) -> Array:
        """Return the boxes: centres, and the softplus of the sizes."""
        xp = namespace(y)
        return xp.concat([y[..., :2], softplus(xp, y[..., 2:])], axis=-1)


@dataclass(frozen=True)
class _Axis:
    """What two boxes have in common along an axis, and around both.

    ``edges`` are, for the low and the high edge of the output, the slopes of ``shared``, of
    ``around`` and of ``size``.
    """

    shared: Array
    around: Array
    size: Array
    edges: tuple[tuple[Array, Array, float], ...]


def _axis(xp: Any, centre: Array, size: Array, true_centre: Array, true_size: Array) -> _Axis:
    low, high = centre - size / 2, centre + size / 2
    true_low, true_high = true_centre - true_size / 2, true_centre + true_size / 2
    inner = xp.minimum(high, true_high) - xp.maximum(low, true_low)
    meet = inner > 0
    shared = xp.where(meet, inner, xp.zeros_like(inner))
    around = xp.maximum(high, true_high) - xp.minimum(low, true_low)

    def number(condition: Array) -> Array:
        return xp.astype(condition, true_size.dtype)

    edges = (
        (-number(meet & (low > true_low)), -number(low < true_low), -1.0),
        (number(meet & (high < true_high)), number(high > true_high), 1.0),
    )
    return _Axis(shared, around, size, edges)
