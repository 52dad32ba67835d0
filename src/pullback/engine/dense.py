"""Dense maps: products and activations as jobs, each activation in the pass of its neighbour.

In ``Linear, ReLU, Linear`` the first product applies the activation while its rows are in cache,
and the second one's pullback multiplies by the activation's slope; the activation itself has then
nothing left to do. Where a neighbour is something else, it does its own work.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.arrays import LINE, empty
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.blas import find_blas
from pullback.engine.fusion import applies_relu, multiplies_slope, taken_over
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import WithSums
from pullback.engine.team import Job, team
from pullback.maps.elementwise import ReLU
from pullback.maps.linear import Linear
from pullback.maps.shape import Channels, Flatten, Reshape


@lowers(Linear)
class LoweredLinear(WithSums):
    """``Linear`` with its output and input cotangent in buffers."""

    jobs_only = True

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import dense

        super().__init__(source, plan)
        y: Any = source.spec(plan.x)
        self._y = plan.buffer(y)
        self._gx = plan.buffer(plan.x) if plan.input_gradient else None
        self._positions = math.prod(plan.x.shape[:-1])
        k, m, dtype = plan.x.shape[-1], y.shape[-1], plan.x.dtype
        rows = plan.batch_size * self._positions
        blas = find_blas()
        assert blas is not None  # or the map would not have been lowered
        sizes = (blas.gemm[dtype], int(blas.wide), k, m)
        # what follows the product, and whose slope the pullback multiplies by
        after, before = taken_over(plan.after), taken_over(plan.before)
        # the last of each's sizes: the parts of x do not lie apart (see ``program.apart``)
        outer = Job(dense.outer, dtype, 3, (*sizes, False), work=k * m, blas=True, independent=True)
        # Of a long product each thread takes some of the inputs, else some of the outputs.
        threads = team().threads
        shared = team().parts(k * m) == threads  # even of one example
        whole = m * np.dtype(dtype).itemsize % LINE == 0
        sparse = plan.sparse and self._gx is None and whole and shared
        self._long = sparse or (k >= 2 * max(rows, m) and shared and threads > 1)
        if sparse:
            self._partial, outer = self._sparse_jobs(dtype, rows, k, m)
        elif self._long:
            self._partial = Job(
                dense.linear_partial, dtype, 3, (*sizes, False), work=k * m, blas=True
            )
        else:
            self._forward = Job(
                dense.linear_forward, dtype, 4, (*sizes, after), work=k * m, blas=True
            )
        if self._long:
            self._terms = empty((threads, rows, m), dtype)
            self._total = Job(dense.linear_total, dtype, 3, (m, after, threads), work=m * threads)
        self._pull = Job(dense.linear_pullback, dtype, 4, (*sizes, before), work=k * m, blas=True)
        self.sums = {
            "W": outer,
            "b": Job(dense.column_sums, dtype, 2, (m,), work=m, independent=True),
        }

    def _sparse_jobs(self, dtype: str, rows: int, k: int, m: int) -> tuple[Job, Job]:
        """Return the product and the gradient of W over the inputs that are not 0."""
        from pullback.engine.kernels import bits, sparse

        # a bit for each input, for each part in words of its own
        self._words = np.empty(rows * (k // bits.WORD + 1 + team().threads), np.uint32)
        sizes = (k, m, self._words.ctypes.data, False)
        return (
            Job(sparse.sparse_partial, dtype, 3, sizes, work=k * m),
            Job(sparse.sparse_outer, dtype, 3, sizes, work=k * m, independent=True),
        )

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x W + b``, or what the activation after it makes of that, and ``x``."""
        y = self.rows(self._y, x)
        count = x.shape[0] * self._positions
        if self._long:
            self._partial(count, x, p["W"], self._terms)
            self._total(count, self._terms, p.get("b"), y)
        else:
            self._forward(count, x, p["W"], p.get("b"), y)
        return y, x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T`` where it is wanted, and ``gy``."""
        if self._gx is None:
            return None, gy
        gx = self.rows(self._gx, gy)
        self._pull(gy.shape[0] * self._positions, gy, p["W"], res, gx)
        return gx, gy


@lowers(Channels)
@lowers(Flatten)
@lowers(Reshape)
class LoweredRearrangement(Lowered):
    """``Channels``, ``Flatten`` and ``Reshape`` with the shapes worked out beforehand."""

    jobs_only = True

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._inside = plan.x.shape
        self._outside = source.spec(plan.x).shape
        self._seen: tuple[Any, Any] = (None, None)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x`` in the output's shape."""
        seen, y = self._seen
        if seen is not x:
            y = x.reshape((x.shape[0], *self._outside))
            if y.base is x or y.base is x.base:  # a view, which the next batch will be seen through
                self._seen = x, y
        return y, self._inside

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` in the input's shape."""
        return gy.reshape((gy.shape[0], *self._inside)), None


@lowers(ReLU)
class LoweredReLU(Lowered):
    """``ReLU``, which a product before it and a product after it do on their way."""

    jobs_only = True

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import dense

        super().__init__(source, plan)
        self._size = plan.x.size
        self._done_before = applies_relu(plan.before)
        self._done_after = multiplies_slope(plan.after)
        if not self._done_before:
            self._y = plan.buffer(plan.x)
            self._forward = Job(dense.relu_forward, plan.x.dtype, 2, (self._size,), work=self._size)
        if not self._done_after:
            self._gx = plan.buffer(plan.x)
            self._pull = Job(dense.relu_pullback, plan.x.dtype, 3, (self._size,), work=self._size)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``max(x, 0)``, NaN where ``x`` is."""
        if self._done_before:
            return x, x
        y = self.rows(self._y, x)
        self._forward(x.shape[0], x, y)
        return y, y

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where ``y > 0``, else 0."""
        if self._done_after:
            return gy, None
        gx = self.rows(self._gx, gy)
        self._pull(gy.shape[0], gy, res, gx)
        return gx, None
