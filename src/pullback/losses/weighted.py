"""A loss made of losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.losses.base import LOSSES, Loss


@LOSSES.register
@dataclass(frozen=True)
class WeightedSum(Loss):
    r"""Several losses of the same outputs, or each of a part: :math:`\ell = \sum_i w_i \ell_i`.

    The slope is the sum of the slopes by the same weights. With ``widths`` the last axis of outputs
    and targets is cut into so many columns for each loss, and the slopes stand side by side.

    Args:
        losses: at least one.
        weights: a number for each.
        widths: columns for each; empty: every loss gets all outputs.

    Raises:
        ConfigError: there is not one weight, or not one width, for each loss.
        ShapeError: the outputs do not have so many columns, or a loss refuses its part.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = Σ wᵢ ℓᵢ",
        "slope = Σ wᵢ slopeᵢ, or side by side",
    )

    losses: tuple[Loss, ...]
    weights: tuple[float, ...]
    widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("losses", "weights", "widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        count = len(self.losses)
        if not count or not all(isinstance(loss, Loss) for loss in self.losses):
            raise ConfigError(f"WeightedSum: losses={self.losses!r}; expected losses")
        for name in ("weights", "widths"):
            found = getattr(self, name)
            if len(found) != count and (name == "weights" or found):
                raise ConfigError(f"WeightedSum: {name}={found!r}; expected {count} of them")

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the weighted values and their slopes."""
        if self.widths and y.shape[-1] != sum(self.widths):
            raise ShapeError(
                f"WeightedSum takes {sum(self.widths)} columns, the output has {tuple(y.shape)}"
            )
        if self.widths and tuple(target.shape) != tuple(y.shape):
            raise ShapeError(
                f"the target's shape {tuple(target.shape)} does not fit the output's "
                f"{tuple(y.shape)}; both are cut into columns"
            )
        every = [
            (weight, *loss.forward(y[part], target[part]))
            for loss, weight, part in self._parts(y.ndim)
        ]
        values: Any = sum(weight * value for weight, value, _ in every)
        slopes = [weight * slope for weight, _, slope in every]
        return values, namespace(y).concat(slopes, axis=-1) if self.widths else sum(slopes)

    def _parts(self, axes: int) -> Iterator[tuple[Loss, float, Any]]:
        start = 0
        for i, (loss, weight) in enumerate(zip(self.losses, self.weights, strict=True)):
            if not self.widths:
                yield loss, weight, ...
                continue
            stop = start + self.widths[i]
            yield loss, weight, (*(slice(None),) * (axes - 1), slice(start, stop))
            start = stop

    def terms(self, target: Array) -> Array | None:
        """Return the terms of the losses, where these all have the same; else None."""
        first, *others = [loss.terms(target) for loss in self.losses]
        alike = not self.widths and first is not None
        return first if alike and all(each is not None for each in others) else None

    def link(self, y: Array) -> Array:
        """Return what the losses make of their parts; without widths, what the first does."""
        if not self.widths:
            return self.losses[0].link(y)
        parts = [loss.link(y[part]) for loss, _, part in self._parts(y.ndim)]
        return namespace(y).concat(parts, axis=-1)
