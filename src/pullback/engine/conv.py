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
from pullback.core.spec import Spec
from pullback.engine.blas import find_blas
from pullback.engine.each import EachForm
from pullback.engine.fusion import taken_over
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Deferred, Sum
from pullback.engine.team import WORTH_SHARING, Job, team
from pullback.maps.conv import Conv1d, Conv2d, Convolution
from pullback.maps.elementwise import ReLU
from pullback.maps.pool import MaxPool2d

DIRECT = 512 * 1024
"""Bytes of W up to which it stays in the second level of the cache, beside the image."""
CACHED = 192 * 1024
"""Bytes of patches that are gathered at once: less than the second level of the cache holds."""

TILED = 256 * 1024
"""Bytes of Winograd's tiles, transformed, that are multiplied at once."""


def _two(sizes: tuple[int, ...], one: int) -> tuple[int, ...]:
    """Return sizes of two axes, of sizes of one or two."""
    return (one,) * (2 - len(sizes)) + sizes


class Geometry:
    """The sizes of a convolution of two axes, and which kernels suit them."""

    def __init__(self, source: Convolution, x: Spec) -> None:
        over = source.over(x.shape[:-1])
        self.dtype, self.size = x.dtype, np.dtype(x.dtype).itemsize
        self.channels, self.outputs, self.groups = x.shape[-1], source.channels, source.groups
        self.image, self.windows = _two(over.inside, 1), _two(over.outside, 1)
        self.kernel, self.stride, self.dilation = (
            _two(sizes, 1) for sizes in (over.kernel, over.stride, over.dilation)
        )
        self.pads = ((0, 0),) * (2 - len(over.pads)) + over.pads
        self.padded = tuple(n + sum(pad) for n, pad in zip(self.image, self.pads, strict=True))
        self.patch = math.prod(self.kernel) * self.channels // self.groups
        self.in_tiles = self._suits_tiles()
        if self.in_tiles:  # whole ones
            self.padded = tuple(2 * -(-n // 2) + 2 for n in self.windows)

    def mostly_zeros(self, following: tuple[Map, ...], y: Spec) -> bool:
        """Whether max-pooling leaves most of the output's gradient 0, in a form for the kernels."""
        pool = following[1:2] if following and type(following[0]) is ReLU else following[:1]
        row = self.kernel[1] * self.channels * self.size
        fits = row % LINE == 0 and self.outputs % 32 == 0 and self._plain
        if not fits or not pool or type(pool[0]) is not MaxPool2d:
            return False
        windows = pool[0].over(y.shape[:-1])
        apart = all(s >= k for s, k in zip(windows.stride, windows.kernel, strict=True))
        return apart and windows.count >= 4

    @property
    def _plain(self) -> bool:
        return self.groups == 1 and self.dilation[1] == 1

    def _suits_tiles(self) -> bool:
        """Whether it is a convolution for Winograd's tiles."""
        from pullback.engine.kernels import lanes

        widths = self.channels * self.size, self.outputs * self.size
        return (
            self._plain and self.kernel == (3, 3) and self.stride == self.dilation == (1, 1)
            and 16 * self.channels * self.outputs * self.size <= DIRECT
            and not any(width % lanes.BYTES for width in widths)
            and all(max(pad) <= 2 for pad in self.pads)
        )  # fmt: skip

    def kernels(self, sparse: bool) -> tuple[Any, Any, Any]:
        """Return the kernels of the forward pass, the pullback, and the gradient of W."""
        from pullback.engine.kernels import conv, conv_sparse, direct, lanes, winograd

        small = self._plain and self.patch * self.outputs * self.size <= DIRECT
        forwards = small and self.outputs * self.size % lanes.BYTES == 0
        forward = direct.direct_forward if forwards else conv.conv_forward
        forward = winograd.winograd_forward if self.in_tiles else forward
        if sparse:
            return forward, conv_sparse.conv_sparse_pullback, conv_sparse.conv_sparse_outer
        if self.in_tiles:
            return forward, winograd.winograd_pullback, winograd.winograd_outer
        spans = (d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        near = all(max(pad) <= span for pad, span in zip(self.pads, spans, strict=True))
        backwards = small and near and self.stride == (1, 1)
        backwards = backwards and self.channels * self.size % lanes.BYTES == 0
        return (
            forward,
            direct.direct_pullback if backwards else conv.conv_pullback,
            direct.direct_outer if forwards else conv.conv_outer,
        )

    def total(self, sparse: bool, threads: int) -> tuple[Job, int]:
        """Return the job that adds up the threads' gradients of W, and the count it is given."""
        from pullback.engine.kernels import conv, conv_sparse

        numbers, rows = self.patch * self.outputs, self.kernel[0]
        if not sparse:
            return Job(conv.conv_total, self.dtype, 2, (threads,), work=1), numbers
        words = (self.outputs, self.patch // rows, threads)
        kernel = conv_sparse.conv_sparse_total
        return Job(kernel, self.dtype, 2, words, work=numbers // rows), rows

    def layout(self) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return memory for the kernels, and the sizes in their order."""
        (rows, columns), outputs = self.windows, self.outputs
        at_once = max(1, min(rows, CACHED // (columns * self.patch * self.size)))
        words = -(-outputs // 32)
        around = [n + n % 2 + d * (k - 1) for n, d, k in zip(
            self.image, self.dilation, self.kernel, strict=True)]  # fmt: skip
        band, tiled = self._tiles() if self.in_tiles else (0, (0, 0, 0))
        parts = (
            # the padded image, or the gradient with what windows on the image see around it
            max(math.prod(self.padded) * self.channels, math.prod(around) * outputs) * self.size,
            max(at_once * columns * self.patch * self.size, tiled[0]),
            max(math.prod(self.kernel) * self.channels * outputs * self.size,
                rows * -(-columns // 32) * 32 * words * 4, tiled[1]),
            rows * columns * words * 4,
            tiled[2],
        )  # fmt: skip
        places = np.cumsum([0, *(-(-part // LINE) * LINE for part in parts)]).tolist()
        scratch = empty((team().threads, places[-1]), np.uint8)
        blas = find_blas()
        assert blas is not None  # or the map would not have been lowered
        sizes = (
            blas.gemm[self.dtype], int(blas.wide), 0, *self.image, self.channels, rows, columns,
            outputs, self.groups, *self.kernel, *self.stride, *self.dilation, self.pads[0][0],
            self.pads[1][0], *self.padded, at_once, scratch.ctypes.data, places[-1], *places[1:5],
            band,
        )  # fmt: skip
        return scratch, sizes

    def _tiles(self) -> tuple[int, tuple[int, int, int]]:
        """Return the rows of tiles at once, and bytes: of these, of a gradient, of the kernel."""
        down, across = (-(-max(n) // 2) for n in zip(self.image, self.windows, strict=True))
        row = 16 * across * (self.channels + self.outputs) * self.size
        band = max(1, min(down, TILED // row))
        square = 4 * self.size
        return band, (
            band * row + square * max(self.channels, self.outputs),
            down * across * square * self.outputs,
            4 * square * self.channels * self.outputs,
        )


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
        dtype, threads, shape = plan.x.dtype, team().threads, Geometry(self.source, plan.x)
        numbers = shape.patch * shape.outputs
        # every thread has a sum of its own, even of little work
        work = max(math.prod(shape.windows) * numbers, WORTH_SHARING * threads)
        self._scratch, sizes = shape.layout()

        def job(kernel: Any, act: int, arrays: int) -> Job:
            words = (*sizes[: conv.ACT - 1], act, *sizes[conv.ACT :])
            return Job(kernel, dtype, arrays, words, work=work, blas=True)

        sparse = shape.mostly_zeros(plan.following, spec)
        forward, pull, outer = shape.kernels(sparse)
        self._forward = job(forward, taken_over(plan.after), 4)
        self._pull, self._outer = job(pull, taken_over(plan.before), 4), job(outer, 0, 3)
        self._plain = job(shape.kernels(sparse=False)[2], 0, 3)
        self._form: EachForm | None = None
        self._terms = empty((threads, numbers), dtype)
        self._total, self._total_count = shape.total(sparse, threads)
        outputs = shape.outputs
        self._bias = Job(dense.column_sums, dtype, 2, (outputs,), work=outputs)

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

            def form() -> tuple[EachForm, tuple[Any, ...]]:
                return self._form_of(delta, res), (delta, res)

            declared = {"W": Deferred(lambda: declare("W"), total, p["W"], len(delta), form)}
            if self.source.bias:
                declared["b"] = Sum(self.source.bias_gradient(delta), self._bias)
            self._declared = res, delta, declared
        return declared

    def _form_of(self, delta: Any, x: Any) -> EachForm:
        from pullback.engine.kernels import conv

        if self._form is None:
            self._form = EachForm(
                self._outer, (delta, x), 1, self._terms.shape[1],
                own=(conv.SCRATCH, self._scratch.shape[1]), total=(self._total, self._total_count),
                plain=self._plain,
            )  # fmt: skip
        return self._form


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
