r"""Activations: one function applied to every number.

All share one pullback: with :math:`y_i = f(x_i)` the Jacobian is diagonal, so
:math:`g_x = f'(x) \odot g_y` and :math:`dy = f'(x) \odot dx`. Each class says what it keeps from
the forward pass and what the slope is, given that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import (
    Any,
    ClassVar,
)

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.initializers import HeNormal, Initializer
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Specs
from pullback.core.stable import sigmoid, sigmoid_and_slope, softplus


class Elementwise(Map):
    """Base of the activations: ``apply`` and ``slope`` are all that differs."""

    stepwise = True

    preferred_init: ClassVar[Initializer | None] = None

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank(type(self).__name__, x, 0)
        return x

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Return ``f(x)`` and what ``slope`` needs."""
        raise NotImplementedError

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``f'(x)``."""
        raise NotImplementedError

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``f(x)``."""
        return self.apply(namespace(x), x)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``f'(x) gy``."""
        return self.slope(namespace(gy), res) * gy, None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``f'(x) dx``."""
        return self.slope(namespace(dx), res) * dx


@MAPS.register
@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """``y = 1 / (1 + exp(-x))``, slope ``y (1 - y)``."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = 1 / (1 + exp(-x))",
        "gx = y (1 - y) gy",
    )

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep the slope: ``y`` near 1 has no digits of ``1 - y`` left."""
        return sigmoid_and_slope(xp, x)

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``y (1 - y)``, as it was kept."""
        return res


@MAPS.register
@dataclass(frozen=True)
class Tanh(Elementwise):
    """``y = tanh(x)``, slope ``1 - y^2``."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = tanh(x)",
        "gx = (1 - y²) gy",
    )

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``y``."""
        y = xp.tanh(x)
        return y, y

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``1 - y^2``."""
        return 1 - res * res


@MAPS.register
@dataclass(frozen=True)
class ReLU(Elementwise):
    """``y = max(x, 0)``, slope 1 where ``x > 0``, else 0 (at 0 too). Nair and Hinton (2010)."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = max(x, 0)",
        "gx = gy where x > 0, else 0",
    )

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``. NaN stays NaN."""
        return xp.where(x <= 0, xp.zeros_like(x), x), x

    def slope(self, xp: Any, res: Any) -> Any:
        """Return the step function, in the input's dtype."""
        return xp.where(res > 0, xp.ones_like(res), xp.zeros_like(res))


@MAPS.register
@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """``y = x`` where ``x > 0``, else ``negative_slope * x``. Maas, Hannun, Ng (2013)."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x where x > 0, else s x",
        "gx = gy where x > 0, else s gy",
    )

    negative_slope: float = 0.01

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``."""
        return xp.where(x > 0, x, self.negative_slope * x), x

    def slope(self, xp: Any, res: Any) -> Any:
        """Return 1 or ``negative_slope``."""
        return xp.where(res > 0, xp.ones_like(res), xp.ones_like(res) * self.negative_slope)


@MAPS.register
@dataclass(frozen=True)
class ELU(Elementwise):
    """``y = x`` where ``x > 0``, else ``alpha (exp(x) - 1)``. Clevert and others (2016)."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x where x > 0, else α (exp(x) - 1)",
        "gx = gy where x > 0, else α exp(x) gy",
    )

    alpha: float = 1.0

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise ConfigError(f"ELU: alpha={self.alpha!r}; expected a number above 0")

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``: ``y`` near ``-alpha`` has no digits of ``y + alpha`` left."""
        # expm1 of the positive side would overflow in the branch that is not taken.
        y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, xp.zeros_like(x), x)))
        return y, x

    def slope(self, xp: Any, res: Any) -> Any:
        """Return 1 where ``x > 0``, else ``alpha exp(x)``."""
        low = xp.where(res > 0, xp.zeros_like(res), res)
        return xp.where(res > 0, xp.ones_like(res), self.alpha * xp.exp(low))


GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715
GELU_FLAT = 50.0


@MAPS.register
@dataclass(frozen=True)
class GELU(Elementwise):
    r"""``y = x (1 + t) / 2`` with ``t = tanh(sqrt(2/pi) (x + 0.044715 x^3))``.

    The tanh form of Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2; it
    differs from ``x Phi(x)`` by less than 5e-4.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x (1 + t) / 2, t = tanh(√(2/π) (x + 0.044715 x³))",
        "gx = ((1 + t) / 2 + x (1 - t²) / 2 √(2/π) (1 + 0.134145 x²)) gy",
    )

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``, where the slope depends on it, ``s = (1 + t)/2``, and ``s (1 - s)``."""
        # beyond GELU_FLAT, t is 1 or -1 in any precision, and the cube might overflow
        u = xp.clip(x, -GELU_FLAT, GELU_FLAT)
        # with v = 2 sqrt(2/pi) (...), (1 + t)/2 is sigmoid(v): near -1, 1 + t has no digits left
        v = 2 * GELU_SCALE * (u + GELU_CUBIC * u * u * u)
        (s, product), zero = sigmoid_and_slope(xp, v), xp.zeros_like(x)
        y = xp.where(s == 0, zero, x) * s  # 0 times -infinity would be NaN
        return y, (xp.where(product == 0, zero, x), s, product)

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``(1 + t)/2 + x (1 - t^2)/2 * sqrt(2/pi) (1 + 3 * 0.044715 x^2)``."""
        x, s, product = res
        inner = 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x)
        return s + x * product * inner


@MAPS.register
@dataclass(frozen=True)
class SiLU(Elementwise):
    """``y = x s`` with ``s = sigmoid(x)``. Elfwing, Uchibe, Doya (2018); also called swish."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x s, s = 1 / (1 + exp(-x))",
        "gx = s (1 + x (1 - s)) gy",
    )

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``, where the slope depends on it, ``s`` and ``s (1 - s)``."""
        (s, product), zero = sigmoid_and_slope(xp, x), xp.zeros_like(x)
        y = xp.where(s == 0, zero, x) * s  # 0 times -infinity would be NaN
        return y, (xp.where(product == 0, zero, x), s, product)

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``s + x s (1 - s)``."""
        x, s, product = res
        return s + x * product


@MAPS.register
@dataclass(frozen=True)
class Softplus(Elementwise):
    """``y = log(1 + exp(x))``, slope ``sigmoid(x)``. Dugas and others (2001)."""

    formulas: ClassVar[tuple[str, ...]] = (
        "y = log(1 + exp(x))",
        "gx = gy / (1 + exp(-x))",
    )

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``x``."""
        return softplus(xp, x), x

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``sigmoid(x)``."""
        return sigmoid(xp, res)
