"""Convolution and pooling on tensors: images with channels last, as PyTorch's kernels like them."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Plan
from pullback.engine.tensors.again import Again
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.conv import Conv2d
from pullback.maps.pool import MaxPool2d
from pullback.maps.window import Windows

aten = torch.ops.aten


def _first(x: Any) -> Any:
    """Return a view of ``(N, H, W, C)`` with the channels first."""
    return x.permute(0, 3, 1, 2)


def _last(x: Any) -> Any:
    return x.permute(0, 2, 3, 1).contiguous()


def _padding(over: Windows) -> list[int] | None:
    """Return how much is padded on both sides of each axis, or None where they differ."""
    return [a for a, _ in over.pads] if all(a == b for a, b in over.pads) else None


@on_tensors(Conv2d)
class TensorConv2d(Again):
    """``Conv2d`` whose padding is the same on both sides."""

    source: Conv2d

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        over = self.source.over(plan.x.shape[:-1])
        self._how = (
            list(over.stride), _padding(over), list(over.dilation), False, [0, 0],
            self.source.groups,
        )  # fmt: skip

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether the padding is the same on both sides."""
        assert isinstance(source, Conv2d)
        return _padding(source.over(plan.x.shape[:-1])) is not None

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the convolution."""
        if not len(x):
            return self.of_source(p, x, ctx)
        w = p["W"].permute(3, 2, 0, 1)
        return _last(aten.convolution(_first(x), w, p.get("b"), *self._how)), {"x": x}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x`` where it is wanted; the sums are the delta."""
        if "x" not in res:
            return self.pullback_of_source(p, res, gy)
        x, g, w = _first(res["x"]), _first(gy), p["W"].permute(3, 2, 0, 1)
        wanted = [self.plan.input_gradient, True, False]
        gx, gw, _ = aten.convolution_backward(g, x, w, None, *self._how, wanted)
        delta = {"gy": gy, "W": gw.permute(2, 3, 1, 0)}
        if self.source.bias:
            delta["b"] = lambda: gy.sum((0, 1, 2))
        return None if gx is None else _last(gx), delta


@on_tensors(MaxPool2d)
class TensorMaxPool2d(Again):
    """``MaxPool2d`` without padding."""

    source: MaxPool2d

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        over = self.source.over(plan.x.shape[:-1])
        self._how = list(over.kernel), list(over.stride), [0, 0], [1, 1], False

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether there is no padding."""
        assert isinstance(source, MaxPool2d)
        return _padding(source.over(plan.x.shape[:-1])) == [0, 0]

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the largest numbers, and keep where they are."""
        if not len(x):
            return self.of_source(p, x, ctx)
        y, places = aten.max_pool2d_with_indices(_first(x), *self._how)
        return _last(y), {"x": x, "places": places}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the largest numbers were."""
        if "x" not in res:
            return self.pullback_of_source(p, res, gy)
        gx = aten.max_pool2d_with_indices_backward(
            _first(gy), _first(res["x"]), *self._how, res["places"]
        )
        return _last(gx), {"gy": gy}
