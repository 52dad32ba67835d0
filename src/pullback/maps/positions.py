"""Steps told where they are: a vector for each position, learned or of sines, is added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import as_array_like, count_up, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.initializers import Initializer, Normal
from pullback.core.map import MAPS, Map, Params
from pullback.core.scatter import Scatter
from pullback.core.spec import Param, Specs
from pullback.maps.embedding import check_sizes
from pullback.maps.steps import check_steps


@MAPS.register
@dataclass(frozen=True)
class Positions(Map):
    r"""``y_t = x_t + P_t``, with a table of learned vectors: an embedding of the positions.

    Pullback :math:`g_x = g_y`; gradient :math:`G_{P,t} = \sum_n g_{y,nt}`. Gehring and others,
    "Convolutional sequence to sequence learning" (2017), section 3.1.

    Args:
        count: how many positions there are, the longest sequence there will be.
        init: how ``P`` starts; None: ``Normal(0.02)``, as in GPT-2.

    Shapes: ``x (N, T, C)`` with ``T <= count``, ``P (count, C)``, ``y (N, T, C)``.

    Raises:
        ConfigError: ``count`` is not a positive whole number.
        ShapeError: the input is no sequence of vectors, or longer than ``count``.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[t] = x[t] + P[t]",
        "gx = gy",
    )

    count: int
    init: Initializer | None = None

    stepwise = True
    windowed = True

    def __post_init__(self) -> None:
        check_sizes(self, "count")

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_steps("Positions", x)
        self._check(x.shape[0])
        return x

    def _check(self, steps: int) -> None:
        if steps > self.count:
            raise ShapeError(
                f"Positions: a sequence of {steps} steps, expected at most count={self.count}"
            )

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the table ``P``."""
        return {"P": Param((self.count, x.shape[-1]), self.init or Normal())}

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x + P``; there is nothing to keep."""
        last = ctx.done + x.shape[1]
        self._check(last)
        return x + p["P"][ctx.done : last], None

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy``, and ``gy`` as the delta."""
        return gy, gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``P``: the rows of the delta, added up at their steps."""
        examples, steps = delta.shape[:2]
        places = count_up(examples * steps, delta, namespace(delta).int64) % steps
        places = places.reshape((examples, steps))
        return {"P": Scatter(self.count, places, delta)}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx + dP``."""
        return dx + dp["P"][: dx.shape[1]]


@MAPS.register
@dataclass(frozen=True)
class SinusoidalPositions(Map):
    r"""``y_t = x_t + s_t`` with sines and cosines of the position, from fast to slow.

    :math:`s_{t,2i} = \sin(t \, b^{-2i/C})` and :math:`s_{t,2i+1} = \cos(t \, b^{-2i/C})`: Vaswani
    and others, "Attention is all you need" (2017), section 3.5. There is nothing to learn, and no
    longest sequence.

    Args:
        base: ``b``.

    Shapes: ``x (N, T, C)``, ``y (N, T, C)``.

    Raises:
        ConfigError: ``base`` is not above 1.
        ShapeError: the input is no sequence of vectors.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[t] = x[t] + s[t], s[t, 2i] = sin(t b^(-2i/C)), s[t, 2i+1] = cos(t b^(-2i/C))",
        "gx = gy",
    )

    base: float = 10_000.0

    stepwise = True
    windowed = True

    def __post_init__(self) -> None:
        if not self.base > 1:
            raise ConfigError(f"SinusoidalPositions: base={self.base!r}; expected a number above 1")

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_steps("SinusoidalPositions", x)
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x + s``; there is nothing to keep."""
        steps, width = x.shape[1:]
        pair = np.arange(width) // 2
        angle = np.arange(ctx.done, ctx.done + steps)[:, None] * self.base ** (-2.0 * pair / width)
        s = np.where(np.arange(width) % 2, np.cos(angle), np.sin(angle))
        return x + as_array_like(s, x), None

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy``."""
        return gy, None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx``."""
        return dx
