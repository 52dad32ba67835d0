"""Normalisation as jobs: statistics, scaling and shift while the numbers are in cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.arrays import empty
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.fusion import taken_over
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Deferred, WithSums
from pullback.engine.team import WORTH_SHARING, Job, team
from pullback.maps.elementwise import ReLU
from pullback.maps.norm import BatchNorm, LayerNorm

WIDE = 256
"""Numbers that normalising over the batch takes at a time."""


@lowers(LayerNorm)
class LoweredLayerNorm(WithSums):
    """``LayerNorm``, a few rows for each thread."""

    jobs_only = True
    source: LayerNorm

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import dense, norm

        super().__init__(source, plan)
        self._k, self._dtype = plan.x.shape[-1], plan.x.dtype
        self._positions = math.prod(plan.x.shape[:-1])
        self._y, self._h, self._gx = (plan.buffer(plan.x) for _ in range(3))
        self.sums = {
            "gamma": Job(
                norm.scale_sums, self._dtype, 3, (self._k,), work=self._k, independent=True
            ),
            "beta": Job(
                dense.column_sums, self._dtype, 2, (self._k,), work=self._k, independent=True
            ),
        }
        sizes, work = (self._k,), 10 * self._k
        self._forward = Job(norm.layer_forward, self._dtype, 6, sizes, numbers=1, work=work)
        self._forward.numbers[0] = self.source.eps
        self._pull = Job(norm.layer_pullback, self._dtype, 5, sizes, work=work)
        self._sigma = np.empty((plan.batch_size, *plan.x.shape[:-1], 1), self._dtype)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over the last axis."""
        y, h, sigma = (self.rows(buffer, x) for buffer in (self._y, self._h, self._sigma))
        self._forward(len(x) * self._positions, x, p["gamma"], p["beta"], y, h, sigma)
        return y, {"h": h, "sigma": sigma, "axes": (-1,)}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``, and ``gy`` as the delta."""
        gx = self.rows(self._gx, gy)
        self._pull(len(gy) * self._positions, gy, p["gamma"], res["h"], res["sigma"], gx)
        return gx, gy


@lowers(BatchNorm)
class LoweredBatchNorm(Lowered):
    """``BatchNorm`` in training, some rows for each thread; else the source."""

    jobs_only = True
    source: BatchNorm

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import norm

        super().__init__(source, plan)
        k, dtype, threads = plan.x.shape[-1], plan.x.dtype, team().threads
        self._positions, self._axes = math.prod(plan.x.shape[:-1]), len(plan.x.shape)
        self._y, self._gx = plan.buffer(plan.x), plan.buffer(plan.x)
        self._seen = np.empty((4, k), dtype)
        self._relu = type(plan.after) is ReLU
        # short rows are taken several at a time, or their ends would cost more than they do
        wide = k * max(1, WIDE // k)
        # every thread has sums of its own, in float64 whatever the dtype: to the jobs, words
        self._sums, self._back_sums = np.empty((2, threads, 2, wide), np.int64)
        self._room = empty((threads, norm.ROOM, wide), dtype)
        work = max(10 * k, WORTH_SHARING * threads)
        self._sum = Job(norm.batch_sums, dtype, 3, (k, wide), work=work)
        sizes = (k, wide, threads, taken_over(plan.after))
        self._forward = Job(norm.batch_forward, dtype, 7, sizes, numbers=1, work=work)
        self._forward.numbers[0] = self.source.eps
        self._back_sum = Job(norm.batch_back_sums, dtype, 5, (k, wide), work=work)
        self._pull = Job(norm.batch_pullback, dtype, 7, (k, wide, threads), work=work)
        self._gradients = {
            name: Job(norm.batch_gradients, dtype, 2, (wide, threads, kind))
            for kind, name in enumerate(("beta", "gamma"))
        }
        self._summed: Any = None
        self._declared: tuple[Any, Any, dict[str, Any]] = (None, None, {})

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over all axes but the last, and apply a ``ReLU`` that follows."""
        count = len(x) * self._positions
        if not ctx.train or count <= 1:
            y, res = self.source.forward(p, x, ctx)
            return (np.maximum(y, 0, out=y) if self._relu else y), res
        y = self.rows(self._y, x)
        self._sum(count, x, self._sums, self._room)
        self._forward(count, x, self._sums, p["gamma"], p["beta"], y, self._seen, self._room)
        return y, x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``, and ``gy`` as the delta."""
        if isinstance(res, dict):  # of the source
            return self.source.pullback(p, res, gy)
        gx, count = self.rows(self._gx, gy), len(gy) * self._positions
        self._add_up(res, gy)
        self._pull(count, gy, self._back_sums, p["gamma"], res, self._seen, gx, self._room)
        return gx, gy

    def _add_up(self, x: Any, gy: Any) -> None:
        count = len(gy) * self._positions
        self._back_sum(count, gy, x, self._seen, self._back_sums, self._room)
        self._summed = gy

    def _of_source(self, res: Any) -> Any:
        """Return what the source would have kept."""
        if isinstance(res, dict):
            return res
        mean, _, sigma, rest = self._seen
        h, axes = (res - mean - rest) / sigma, tuple(range(self._axes))
        return {"h": h, "sigma": sigma, "axes": axes}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does."""
        return self.source.pushforward(p, self._of_source(res), dp, dx)

    def advance(self, state: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Advance as the source does."""
        seen = dict(zip(("mean", "var"), self._seen, strict=False))
        return self.source.advance(state, res if isinstance(res, dict) else {"seen": seen})

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares; the pullback has the sums already."""
        if isinstance(res, dict):
            return self.source.grads(p, res, delta)
        seen_res, seen_delta, declared = self._declared
        if res is not seen_res or delta is not seen_delta:
            declared = {name: self._gradient(name, p, res, delta) for name in ("gamma", "beta")}
            self._declared = res, delta, declared
        return declared

    def _gradient(self, name: str, p: Params, res: Any, delta: Any) -> Deferred:
        def total(out: Any) -> None:
            if self._summed is not delta:
                self._add_up(res, delta)
            self._gradients[name](out.size, self._back_sums, out)

        return Deferred(
            lambda: self.source.grads(p, self._of_source(res), delta)[name],
            total, p[name], len(delta),
        )  # fmt: skip
