"""Convolution and max-pooling as jobs, images divided among the threads.

An activation between two of them is done in the passes of its neighbours, as around ``Linear``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.arrays import LINE, empty
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.blas import find_blas
from pullback.engine.fusion import taken_over
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Deferred, Sum
from pullback.engine.team import WORTH_SHARING, Job, team
from pullback.maps.conv import Conv1d, Conv2d, Convolution
from pullback.maps.elementwise import ReLU
from pullback.maps.pool import MaxPool2d

CACHED = 192 * 1024
"""Bytes of patches that are gathered at once: less than the second level of the cache holds."""


def _two(sizes: tuple[int, ...], one: int) -> tuple[int, ...]:
    """Return sizes of two axes, of sizes of one or two."""
    return (one,) * (2 - len(sizes)) + sizes


@lowers(Conv1d)
@lowers(Conv2d)
class LoweredConvolution(Lowered):
    """``Conv2d``, and ``Conv1d`` as images of one row."""

    jobs_only = True
    source: Convolution

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import conv, dense

        super().__init__(source, plan)
        spec: Any = source.spec(plan.x)
        self._y = plan.buffer(spec)
        self._gx = plan.buffer(plan.x) if plan.input_gradient else None
        self._declared: tuple[Any, Any, dict[str, Any]] = (None, None, {})
        dtype, threads = plan.x.dtype, team().threads
        over = self.source.over(plan.x.shape[:-1])
        patch = over.count * plan.x.shape[-1] // self.source.groups
        numbers = patch * self.source.channels
        self._positions = math.prod(over.outside)
        # every thread has a sum of its own, even of little work
        work = max(self._positions * numbers, WORTH_SHARING * threads)
        sparse = self._mostly_zeros(dtype)
        after, before = taken_over(plan.after), taken_over(plan.before)
        self._scratch, sizes = self._layout(dtype)

        def job(kernel: Any, act: int, arrays: int, independent: bool = False) -> Job:
            words = (*sizes[: conv.ACT - 1], act, *sizes[conv.ACT :])
            return Job(kernel, dtype, arrays, words, work=work, blas=True, independent=independent)

        self._forward = job(conv.conv_forward, after, 4)
        pull = conv.conv_sparse_pullback if sparse else conv.conv_pullback
        self._pull = job(pull, before, 4)
        self._outer = job(conv.conv_sparse_outer if sparse else conv.conv_outer, 0, 3)
        self._terms = empty((threads, numbers), dtype)
        rows = over.kernel[0] if len(over.kernel) == 2 else 1
        self._total_count = rows if sparse else numbers
        if sparse:
            words = (self.source.channels, patch // rows, threads)
            self._total = Job(conv.conv_sparse_total, dtype, 2, words, work=numbers // rows)
        else:
            self._total = Job(conv.conv_total, dtype, 2, (threads,), work=1)
        self._bias = Job(
            dense.column_sums, dtype, 2, (self.source.channels,), work=self.source.channels
        )

    def _mostly_zeros(self, dtype: str) -> bool:
        """Whether max-pooling leaves most of the output's gradient 0, in a form for the kernels."""
        following = self.plan.following
        pool = following[1:2] if following and type(following[0]) is ReLU else following[:1]
        over = self.source.over(self.plan.x.shape[:-1])
        row = over.kernel[-1] * self.plan.x.shape[-1] * np.dtype(dtype).itemsize
        fits = row % LINE == 0 and self.source.channels % 32 == 0 and self.source.groups == 1
        if not fits or over.dilation[-1] != 1 or not pool or type(pool[0]) is not MaxPool2d:
            return False
        windows = pool[0].over(self.source.spec(self.plan.x).shape[:-1])
        apart = all(s >= k for s, k in zip(windows.stride, windows.kernel, strict=True))
        return apart and windows.count >= 4

    def _layout(self, dtype: str) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return memory for the kernels, and the sizes in their order."""
        source, x = self.source, self.plan.x
        over = source.over(x.shape[:-1])
        height, width = _two(over.inside, 1)
        rows, columns = _two(over.outside, 1)
        kernel, stride, dilation = (_two(s, 1) for s in (over.kernel, over.stride, over.dilation))
        pads = ((0, 0),) * (2 - len(over.pads)) + over.pads
        padded = height + sum(pads[0]), width + sum(pads[1])
        size, outputs = np.dtype(dtype).itemsize, source.channels
        patch = math.prod(kernel) * x.shape[-1] // source.groups
        at_once = max(1, min(rows, CACHED // (columns * patch * size)))
        words = -(-outputs // 32)
        parts = (
            math.prod(padded) * x.shape[-1] * size,
            at_once * columns * patch * size,
            max(math.prod(kernel) * x.shape[-1] * outputs * size,
                rows * -(-columns // 32) * 32 * words * 4),
            rows * columns * words * 4,
        )  # fmt: skip
        places = np.cumsum([0, *(-(-part // LINE) * LINE for part in parts)]).tolist()
        scratch = empty((team().threads, places[-1]), np.uint8)
        blas = find_blas()
        assert blas is not None  # or the map would not have been lowered
        sizes = (
            blas.gemm[dtype], int(blas.wide), 0, height, width, x.shape[-1], rows, columns,
            outputs, source.groups, *kernel, *stride, *dilation, pads[0][0], pads[1][0], *padded,
            at_once, scratch.ctypes.data, places[-1], *places[1:4],
        )  # fmt: skip
        return scratch, sizes

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the convolution, or what the activation after it makes of that, and ``x``."""
        y = self.rows(self._y, x)
        self._forward(len(x), x, p["W"], p.get("b"), y)
        return y, x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x`` where it is wanted, and ``gy``."""
        if self._gx is None:
            return None, gy
        gx = self.rows(self._gx, gy)
        self._pull(len(gy), gy, p["W"], res, gx)
        return gx, gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares, with sums that are jobs."""
        seen_res, seen_delta, declared = self._declared
        if res is not seen_res or delta is not seen_delta:

            def declare(name: str) -> Any:
                return self.source.grads(p, res, delta)[name]

            def total(out: Any) -> None:
                self._outer(len(delta), delta, res, self._terms)
                self._total(self._total_count, self._terms, out)

            declared = {"W": Deferred(lambda: declare("W"), total, p["W"], len(delta))}
            if self.source.bias:
                declared["b"] = Sum(self.source.bias_gradient(delta), self._bias)
            self._declared = res, delta, declared
        return declared


@lowers(MaxPool2d)
class LoweredMaxPool(Lowered):
    """``MaxPool2d``; the slope of a ``ReLU`` before it is in its way back."""

    jobs_only = True
    source: MaxPool2d

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import pool

        super().__init__(source, plan)
        over = self.source.over(plan.x.shape[:-1])
        spec: Any = source.spec(plan.x)
        self._y, self._gx = plan.buffer(spec), plan.buffer(plan.x)
        self._which = plan.buffer(spec, "uint32")
        before = type(plan.before) is ReLU
        sizes = (
            *over.inside, plan.x.shape[-1], *over.outside, *over.kernel, *over.stride,
            over.pads[0][0], over.pads[1][0],
        )  # fmt: skip
        dtype, work = plan.x.dtype, plan.x.size
        self._forward = Job(pool.max_forward, dtype, 3, (0, *sizes), work=work)
        self._pull = Job(pool.max_pullback, dtype, 4, (int(before), *sizes), work=work)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the largest numbers."""
        y, which = self.rows(self._y, x), self.rows(self._which, x)
        self._forward(len(x), x, y, which)
        return y, {"which": which, "inside": tuple(x.shape[1:-1]), "y": y}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` where the largest numbers were."""
        gx = self.rows(self._gx, gy)
        self._pull(len(gy), gy, res["which"], res["y"], gx)
        return gx, None
