"""Softmax and its logarithm, over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Specs
from pullback.core.stable import log_softmax, softmax


@MAPS.register
@dataclass(frozen=True)
class Softmax(Map):
    r"""``y_i = exp(x_i) / sum_j exp(x_j)``.

    The Jacobian :math:`\mathrm{diag}(y) - y y^T` is symmetric, so the pullback and the
    pushforward are the same: :math:`y \odot (v - \langle v, y \rangle)`.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = exp(x) / Σ exp(x)",
        "gx = y (gy - Σ gy y)",
    )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank("Softmax", x, 1)
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``y``, and ``y`` again as the residual."""
        y = softmax(namespace(x), x)
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``y (gy - <gy, y>)``."""
        return _centred(res, gy), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``y (dx - <dx, y>)``."""
        return _centred(res, dx)


def _centred(y: Any, v: Any) -> Any:
    return y * (v - namespace(v).sum(v * y, axis=-1, keepdims=True))


@MAPS.register
@dataclass(frozen=True)
class LogSoftmax(Map):
    r"""``y = x - log(sum_j exp(x_j))``.

    Pullback :math:`g_x = g_y - e^y \sum_i g_{y,i}`, pushforward
    :math:`dy = dx - \langle e^y, dx \rangle`.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x - log Σ exp(x)",
        "gx = gy - exp(y) Σ gy",
    )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank("LogSoftmax", x, 1)
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``y``, and ``exp(y)`` as the residual."""
        xp = namespace(x)
        y = log_softmax(xp, x)
        return y, xp.exp(y)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy - softmax(x) sum(gy)``."""
        return gy - res * namespace(gy).sum(gy, axis=-1, keepdims=True), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx - <softmax(x), dx>``."""
        return dx - namespace(dx).sum(res * dx, axis=-1, keepdims=True)
