"""Losses of regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError
from pullback.core.spec import Array
from pullback.losses.base import LOSSES, Loss, matched, outputs, over_outputs, random_signs

_METRICS = ("mae", "r2")


@LOSSES.register
@dataclass(frozen=True)
class HalfSquaredError(Loss):
    r"""The textbook's error: :math:`\ell = \frac12 \sum_k (y_k - t_k)^2`, slope ``y - t``."""

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = ½ Σ (y - t)²",
        "slope = y - t",
    )

    metrics: ClassVar[tuple[str, ...]] = _METRICS

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        error = y - matched(y, target)
        return over_outputs(0.5 * error * error, "sum"), error

    @property
    def likelihood(self) -> bool:
        """True: of the normal distribution of variance 1."""
        return True

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        """Return random signs."""
        return random_signs(y, rng)


@LOSSES.register
@dataclass(frozen=True)
class SquaredError(Loss):
    r""":math:`\ell = \frac1K \sum_k (y_k - t_k)^2`, slope ``2 (y - t) / K``."""

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = mean((y - t)²)",
        "slope = 2 (y - t) / K",
    )

    metrics: ClassVar[tuple[str, ...]] = _METRICS

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        error = y - matched(y, target)
        return over_outputs(error * error, "mean"), error * (2 / outputs(y))

    @property
    def likelihood(self) -> bool:
        """True: of the normal distribution of variance ``K / 2``."""
        return True

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        r"""Return :math:`\pm\sqrt{2 / K}` with random signs."""
        return random_signs(y, rng) * (2 / outputs(y)) ** 0.5


@LOSSES.register
@dataclass(frozen=True)
class AbsoluteError(Loss):
    r""":math:`\ell = \frac1K \sum_k |y_k - t_k|`, slope ``sign(y - t) / K`` (0 at 0)."""

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = mean|y - t|",
        "slope = sign(y - t) / K",
    )

    metrics: ClassVar[tuple[str, ...]] = _METRICS

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        xp, error = namespace(y), y - matched(y, target)
        return over_outputs(xp.abs(error), "mean"), xp.sign(error) / outputs(y)


@LOSSES.register
@dataclass(frozen=True)
class Huber(Loss):
    r"""Squared near the target, absolute far from it. Huber (1964).

    With ``e = y - t``: :math:`\frac12 e^2` where :math:`|e| \le \delta`, else
    :math:`\delta (|e| - \frac12 \delta)`; the mean over the outputs. Slope: ``e`` clipped to
    :math:`\pm\delta`, over ``K``.

    Raises:
        ConfigError: ``delta`` is not above 0.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = mean(½ e² where |e| ≤ δ, else δ (|e| - ½ δ)), e = y - t",
        "slope = e cut to ±δ, over K",
    )

    delta: float = 1.0

    metrics: ClassVar[tuple[str, ...]] = _METRICS

    def __post_init__(self) -> None:
        if self.delta <= 0:
            raise ConfigError(f"Huber: delta={self.delta!r}; expected a number above 0")

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        xp, error = namespace(y), y - matched(y, target)
        # half the square within delta, and its tangent beyond: one product for both, which does
        # not overflow
        slope = xp.clip(error, -self.delta, self.delta)
        values = slope * (error - 0.5 * slope)
        return over_outputs(values, "mean"), slope / outputs(y)
