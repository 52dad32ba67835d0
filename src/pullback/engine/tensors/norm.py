"""Normalisation on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Params
from pullback.engine.tensors.again import Again
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.norm import LayerNorm

aten = torch.ops.aten


@on_tensors(LayerNorm)
class TensorLayerNorm(Again):
    """``LayerNorm``: its pullback gives the gradients as well."""

    source: LayerNorm

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over the last axis."""
        y, mean, scale = aten.native_layer_norm(
            x, [x.shape[-1]], p["gamma"], p["beta"], self.source.eps
        )
        return y, {"x": x, "mean": mean, "scale": scale}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; the sums are the delta."""
        gx, gamma, beta = aten.native_layer_norm_backward(
            gy, res["x"], [gy.shape[-1]], res["mean"], res["scale"], p["gamma"], p["beta"],
            [True, True, True],
        )  # fmt: skip
        return gx, {"gy": gy, "gamma": gamma, "beta": beta}
