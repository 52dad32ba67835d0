"""Dense layers and activations on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Params
from pullback.engine.lower import Lowered
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.elementwise import ReLU
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


@on_tensors(ReLU)
class TensorReLU(Lowered):
    """``ReLU``; what it keeps is its output."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``max(x, 0)``, twice."""
        y = torch.relu(x)
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the output is above 0."""
        return torch.ops.aten.threshold_backward(gy, res, 0), None
