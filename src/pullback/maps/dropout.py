"""Dropout: noise during training that is a function of seed, step, path and position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import as_array_like
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs


class RandomMask(Map):
    """Base: ``y = m x`` in training, else ``y = x``; a subclass says what one draw decides on."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = m x",
        "gx = m gy",
    )
    passes_init: ClassVar[bool] = True
    stepwise = True
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ConfigError(
                f"{self.title}: rate={self.rate!r}; expected a number from 0 up to, not with, 1"
            )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        return x

    def drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the mask for an input of ``shape``."""
        raise NotImplementedError

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``m x`` and ``m``; outside training ``x`` and None."""
        if not ctx.train or self.rate == 0:
            return x, None
        kept = ctx.uniform(self.drawn(tuple(x.shape)), "dropout") >= self.rate
        mask = as_array_like(kept / (1 - self.rate), x)
        return x * mask, mask

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``m gy``."""
        return (gy if res is None else gy * res), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``m dx``."""
        return dx if res is None else dx * res


@MAPS.register
@dataclass(frozen=True)
class Dropout(RandomMask):
    r"""``y = m x`` with ``m = 1/(1 - rate)`` kept with probability ``1 - rate``, else 0.

    Outside training ``y = x``. The mask is the residual; pullback and pushforward multiply by
    it. Srivastava and others (2014), in the inverted form.

    Raises:
        ConfigError: ``rate`` outside [0, 1).
    """

    rate: float = 0.5

    def drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the input's shape."""
        return shape


@MAPS.register
@dataclass(frozen=True)
class ChannelDropout(RandomMask):
    """``Dropout`` of whole channels: one draw for each example and channel (last axis).

    Tompson and others, "Efficient object localization using convolutional networks" (2015).

    Raises:
        ConfigError: ``rate`` outside [0, 1).
    """

    rate: float = 0.5

    def drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return one number for each example and channel."""
        return (shape[0], *(1 for _ in shape[1:-1]), shape[-1])
