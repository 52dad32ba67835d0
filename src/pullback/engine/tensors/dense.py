"""Dense layers and activations on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Params
from pullback.engine.tensors.forms import TensorForm, on_tensors
from pullback.maps.conv import Conv2d
from pullback.maps.elementwise import GELU, ReLU
from pullback.maps.linear import Linear


@on_tensors(Linear)
class TensorLinear(TensorForm):
    """``Linear``: product and bias in one kernel."""

    source: Linear

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x W + b`` and ``x``."""
        return self.product("y", x, p["W"], p.get("b")), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T``, where it is wanted, and ``gy`` as the layer's delta."""
        return self.product("gx", gy, p["W"].T) if self.plan.input_gradient else None, gy


@on_tensors(ReLU)
class TensorReLU(TensorForm):
    """``ReLU``; what it keeps is its output, which takes the place of a product before it."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``max(x, 0)``, twice."""
        # those keep their input alone, and nobody else gets their output
        alone = type(self.plan.before) in (Linear, Conv2d)
        y = x.relu_() if alone else torch.relu(x)
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the output is above 0."""
        backward = torch.ops.aten.threshold_backward.grad_input
        return backward(gy, res, 0, grad_input=self.room("gx", res.shape, res)), None


@on_tensors(GELU)
class TensorGELU(TensorForm):
    """``GELU``; what it keeps is its input."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``GELU(x)`` and ``x``."""
        y = self.room("y", x.shape, x)
        return torch.ops.aten.gelu.out(x, approximate="tanh", out=y), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``f'(x) gy``."""
        backward = torch.ops.aten.gelu_backward.grad_input
        return backward(
            gy, res, approximate="tanh", grad_input=self.room("gx", res.shape, res)
        ), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``f'(x) dx``."""
        return torch.ops.aten.gelu_backward(dx, res, approximate="tanh")
