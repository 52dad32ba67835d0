"""Smooth activations as jobs."""

from __future__ import annotations

from typing import Any

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.team import Job
from pullback.maps.elementwise import (
    GELU,
    GELU_CUBIC,
    GELU_FLAT,
    GELU_SCALE,
    Sigmoid,
    SiLU,
    Tanh,
)


@lowers(GELU)
@lowers(SiLU)
@lowers(Sigmoid)
@lowers(Tanh)
class LoweredActivation(Lowered):
    """An activation whose slope is made with its value; it is the residual."""

    jobs_only = True

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import activations

        super().__init__(source, plan)
        self._y, self._slope, self._gx = (plan.buffer(plan.x) for _ in range(3))
        kernels: dict[type[Map], Any] = {
            GELU: activations.gelu_forward,
            SiLU: activations.silu_forward,
            Sigmoid: activations.sigmoid_forward,
            Tanh: activations.tanh_forward,
        }
        size = plan.x.size
        # an exponential is worth some multiply-adds
        numbers = (2 * GELU_SCALE, GELU_CUBIC, GELU_FLAT) if type(source) is GELU else ()
        self._forward = Job(
            kernels[type(source)], plan.x.dtype, 3, (size,), numbers=len(numbers), work=10 * size
        )
        self._forward.numbers[:] = numbers
        self._pull = Job(activations.slope_pullback, plan.x.dtype, 3, (size,), work=size)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``f(x)`` and ``f'(x)``."""
        y, slope = self.rows(self._y, x), self.rows(self._slope, x)
        self._forward(x.shape[0], x, y, slope)
        return y, slope

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``f'(x) gy``."""
        gx = self.rows(self._gx, gy)
        self._pull(gy.shape[0], res, gy, gx)
        return gx, None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``f'(x) dx``."""
        return res * dx
