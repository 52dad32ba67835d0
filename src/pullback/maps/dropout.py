"""Dropout: noise during training that is a function of seed, step, path and position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import as_array_like
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs


@MAPS.register
@dataclass(frozen=True)
class Dropout(Map):
    r"""``y = m x`` with ``m = 1/(1 - rate)`` kept with probability ``1 - rate``, else 0.

    Outside training ``y = x``. The mask is the residual; pullback and pushforward multiply by
    it. Srivastava and others (2014), in the inverted form.

    Raises:
        ConfigError: ``rate`` outside [0, 1).
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = m x",
        "gx = m gy",
    )

    rate: float = 0.5

    passes_init: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ConfigError(
                f"Dropout: rate={self.rate!r}; expected a number from 0 up to, not with, 1"
            )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``m x`` and ``m``; outside training ``x`` and None."""
        if not ctx.train or self.rate == 0:
            return x, None
        kept = ctx.uniform(tuple(x.shape), "dropout") >= self.rate
        mask = as_array_like(kept / (1 - self.rate), x)
        return x * mask, mask

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``m gy``."""
        return (gy if res is None else gy * res), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``m dx``."""
        return dx if res is None else dx * res
