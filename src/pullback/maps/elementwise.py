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
from pullback.core.stable import sigmoid, softplus


class Elementwise(Map):
    """Base of the activations: ``apply`` and ``slope`` are all that differs."""

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
        """Keep ``y``."""
        y = sigmoid(xp, x)
        return y, y

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``y (1 - y)``."""
        return res * (1 - res)


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
        "gx = gy where y > 0, else (y + α) gy",
    )

    alpha: float = 1.0

    preferred_init: ClassVar[Initializer | None] = HeNormal()

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise ConfigError(f"ELU: alpha={self.alpha!r}; expected a number above 0")

    def apply(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Keep ``y``, from which the slope follows."""
        # expm1 of the positive side would overflow in the branch that is not taken.
        y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, xp.zeros_like(x), x)))
        return y, y

    def slope(self, xp: Any, res: Any) -> Any:
        """Return 1 where ``y > 0``, else ``y + alpha``."""
        return xp.where(res > 0, xp.ones_like(res), res + self.alpha)


_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715
_GELU_FLAT = 50.0


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
        """Keep ``x``, where the slope depends on it, and ``t``."""
        # beyond _GELU_FLAT, t is 1 or -1 in any precision, and the cube might overflow
        u = xp.clip(x, -_GELU_FLAT, _GELU_FLAT)
        t = xp.tanh(_GELU_SCALE * (u + _GELU_CUBIC * u * u * u))
        zero = xp.zeros_like(x)
        y = 0.5 * xp.where(t == -1, zero, x) * (1 + t)  # 0 times -infinity would be NaN
        return y, (xp.where(t * t == 1, zero, x), t)

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``(1 + t)/2 + x (1 - t^2)/2 * sqrt(2/pi) (1 + 3 * 0.044715 x^2)``."""
        x, t = res
        inner = _GELU_SCALE * (1 + 3 * _GELU_CUBIC * x * x)
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


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
        """Keep ``x``, where the slope depends on it, and ``s``."""
        s, zero = sigmoid(xp, x), xp.zeros_like(x)
        y = xp.where(s == 0, zero, x) * s  # 0 times -infinity would be NaN
        return y, (xp.where((s == 0) | (s == 1), zero, x), s)

    def slope(self, xp: Any, res: Any) -> Any:
        """Return ``s (1 + x (1 - s))``."""
        x, s = res
        return s * (1 + x * (1 - s))


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
