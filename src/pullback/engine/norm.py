"""Normalisation as jobs: statistics, scaling and shift while the numbers are in cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Plan, lowers
from pullback.engine.sums import WithSums
from pullback.engine.team import Job
from pullback.maps.norm import BatchNorm, LayerNorm


class LoweredNormalization(WithSums):
    """Base: buffers, and sums for ``gamma`` and ``beta``."""

    jobs_only = True

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


@lowers(LayerNorm)
class LoweredLayerNorm(LoweredNormalization):
    """``LayerNorm``, a few rows for each thread."""

    source: LayerNorm

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import norm

        super().__init__(source, plan)
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
class LoweredBatchNorm(LoweredNormalization):
    """``BatchNorm`` in training, a few columns for each thread; else the source."""

    source: BatchNorm

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import norm

        super().__init__(source, plan)
        sizes, work = (self._k,), 10 * self._k
        self._forward = Job(norm.batch_forward, self._dtype, 9, sizes, numbers=1, work=work)
        self._forward.numbers[0] = self.source.eps
        self._pull = Job(norm.batch_pullback, self._dtype, 7, sizes, work=work)
        self._axes = tuple(range(len(plan.x.shape)))
        around = (1,) * len(plan.x.shape)
        self._seen = {name: np.empty(self._k, self._dtype) for name in ("mean", "var")}
        self._sigma = np.empty((*around, self._k), self._dtype)
        # float64 sums, whatever the dtype; to the jobs they are words
        self._scratch = np.empty(self._k, np.int64), np.empty(self._k, np.int64)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over all axes but the last."""
        count = len(x) * self._positions
        if not ctx.train or count <= 1:
            return self.source.forward(p, x, ctx)
        y, h = self.rows(self._y, x), self.rows(self._h, x)
        self._forward(
            count, x, p["gamma"], p["beta"], y, h,
            self._seen["mean"], self._seen["var"], self._sigma, self._scratch[0],
        )  # fmt: skip
        return y, {"h": h, "sigma": self._sigma, "axes": self._axes, "seen": self._seen}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``, and ``gy`` as the delta."""
        if res["axes"] is None:
            return self.source.pullback(p, res, gy)
        gx = self.rows(self._gx, gy)
        self._pull(
            len(gy) * self._positions, gy, p["gamma"], res["h"], res["sigma"], gx,
            *self._scratch,
        )  # fmt: skip
        return gx, gy
