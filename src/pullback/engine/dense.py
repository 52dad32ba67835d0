"""Dense maps on NumPy: matrix products by BLAS straight into buffers that are reused."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.maps.elementwise import ReLU, Sigmoid, Tanh
from pullback.maps.linear import Linear
from pullback.maps.shape import Flatten, Reshape


@lowers(Linear)
class LoweredLinear(Lowered):
    """``Linear`` with its output and input cotangent in buffers."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._y = plan.buffer(source.spec(plan.x))
        self._gx = plan.buffer(plan.x) if plan.input_gradient else None

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x W + b`` and ``x``."""
        y = self._y[: x.shape[0]]
        np.matmul(x, p["W"], out=y)
        if "b" in p:
            np.add(y, p["b"], out=y)
        return y, x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T`` where it is wanted, and ``gy``."""
        if self._gx is None:
            return None, gy
        return np.matmul(gy, p["W"].T, out=self._gx[: gy.shape[0]]), gy


@lowers(Flatten)
@lowers(Reshape)
class LoweredRearrangement(Lowered):
    """``Flatten`` and ``Reshape`` with the shapes worked out beforehand."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._inside = plan.x.shape
        self._outside = source.spec(plan.x).shape

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x`` in the output's shape."""
        return x.reshape((x.shape[0], *self._outside)), self._inside

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` in the input's shape."""
        return gy.reshape((gy.shape[0], *self._inside)), None


class LoweredElementwise(Lowered):
    """Base of the lowered activations, whose residual is ``y``."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._y = plan.buffer(plan.x)
        self._gx = plan.buffer(plan.x)


@lowers(ReLU)
class LoweredReLU(LoweredElementwise):
    """``ReLU``: the mask of the positive outputs is made when it is needed."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._positive = plan.buffer(plan.x, "bool")

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``max(x, 0)``, NaN where ``x`` is."""
        y = np.maximum(x, 0, out=self._y[: x.shape[0]])
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where ``y > 0``, else 0."""
        positive = np.greater(res, 0, out=self._positive[: gy.shape[0]])
        return np.multiply(gy, positive, out=self._gx[: gy.shape[0]]), None


@lowers(Tanh)
class LoweredTanh(LoweredElementwise):
    """``Tanh``."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``tanh(x)``."""
        y = np.tanh(x, out=self._y[: x.shape[0]])
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``(1 - y^2) gy``."""
        gx = self._gx[: gy.shape[0]]
        np.multiply(res, res, out=gx)
        np.subtract(1, gx, out=gx)
        return np.multiply(gx, gy, out=gx), None


@lowers(Sigmoid)
class LoweredSigmoid(LoweredElementwise):
    """``Sigmoid``, with the same stable form as its reference."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._slope = plan.buffer(plan.x)
        self._negative = plan.buffer(plan.x, "bool")

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``1 / (1 + exp(-x))`` and the slope."""
        y, low, slope = (a[: x.shape[0]] for a in (self._y, self._gx, self._slope))
        negative = np.less(x, 0, out=self._negative[: x.shape[0]])
        np.abs(x, out=low)
        np.negative(low, out=low)
        np.exp(low, out=low)
        np.add(low, 1, out=y)
        np.reciprocal(y, out=y)
        np.multiply(low, y, out=low)
        np.multiply(low, y, out=slope)
        np.copyto(y, low, where=negative)
        return y, slope

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``y (1 - y) gy``."""
        return np.multiply(res, gy, out=self._gx[: gy.shape[0]]), None
