"""Dense layers and activations on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Lowered, Plan
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.conv import Conv2d
from pullback.maps.elementwise import GELU, ReLU
from pullback.maps.linear import Linear


@on_tensors(Linear)
class TensorLinear(Lowered):
    """``Linear``: product and bias in one kernel."""

    source: Linear

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x W + b`` and ``x``."""
        if not self.source.bias:
            return x @ p["W"], x
        rows = x.reshape(-1, x.shape[-1]) if x.numel() else x.reshape(0, x.shape[-1])
        return torch.addmm(p["b"], rows, p["W"]).reshape(*x.shape[:-1], -1), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T``, where it is wanted, and ``gy`` as the layer's delta."""
        return gy @ p["W"].T if self.plan.input_gradient else None, gy


class Activation(Lowered):
    """Base of the activations, whose cotangents lie in memory that is kept."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._room: Any = None

    def _kept(self, like: Any) -> Any:
        if self._room is None or self._room.shape != like.shape or self._room.dtype != like.dtype:
            self._room = torch.empty_like(like)
        return self._room


@on_tensors(ReLU)
class TensorReLU(Activation):
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
        return backward(gy, res, 0, grad_input=self._kept(res)), None


@on_tensors(GELU)
class TensorGELU(Activation):
    """``GELU``; what it keeps is its input."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``GELU(x)`` and ``x``."""
        return torch.nn.functional.gelu(x, approximate="tanh"), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``f'(x) gy``."""
        backward = torch.ops.aten.gelu_backward.grad_input
        return backward(gy, res, approximate="tanh", grad_input=self._kept(res)), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``f'(x) dx``."""
        return torch.ops.aten.gelu_backward(dx, res, approximate="tanh")
