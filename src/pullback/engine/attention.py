"""Attention as jobs, in memory that grows with the length and not with its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.arrays import LINE, empty
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.core.spec import Spec
from pullback.engine.blas import find_blas
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Sum
from pullback.engine.team import WORTH_SHARING, Job, team
from pullback.maps.attention import Attention
from pullback.maps.dot_product import rotated
from pullback.maps.steps import mask_of

BLOCK = 32
"""Queries, and keys, whose shares are made at once."""


class Product:
    """The jobs of one matrix with its bias: forwards, backwards, and of their gradients."""

    def __init__(self, k: int, m: int, positions: int, dtype: str) -> None:
        from pullback.engine.kernels import dense

        blas = find_blas()
        assert blas is not None  # or the map would not have been lowered
        call, work = (blas.gemm[dtype], int(blas.wide), k, m), k * m
        self.positions = positions
        self.forward = Job(dense.linear_forward, dtype, 4, (*call, 0), work=work, blas=True)
        self.pull = Job(dense.linear_pullback, dtype, 4, (*call, 0), work=work, blas=True)
        self.outer = Job(
            dense.outer, dtype, 3, (*call, False), work=work, blas=True, independent=True
        )
        self.bias = Job(dense.column_sums, dtype, 2, (m,), work=m, independent=True)


class Mixing:
    """The jobs of heads that mix values.

    Args:
        heads: how many.
        queries: steps of the queries.
        keys: steps of the keys and values.
        width: numbers of a head.
        causal: whether a step sees only itself and those before.
        places: how many numbers the rows of q, and of k and v, lie apart, and the columns that k
            and v begin at.
        dtype: of all.
        batch_size: the most examples.
    """

    def __init__(
        self, heads: int, queries: int, keys: int, width: int, causal: bool,
        places: tuple[int, int, int, int], dtype: str, batch_size: int,
    ) -> None:  # fmt: skip
        from pullback.engine.kernels import attention, lanes

        size = np.dtype(dtype).itemsize
        whole = lanes.BYTES // size
        block = min(BLOCK, -(-max(keys, queries) // whole) * whole)
        each = 2 * width * block + 2 * block * block + queries
        each = -(-each * size // LINE) * LINE
        self._scratch = empty((team().threads, each), np.uint8)
        sizes = (
            heads, queries, keys, width, int(causal), block, *places, self._scratch.ctypes.data,
            each,
        )  # fmt: skip
        work = max(2 * heads * queries * keys * width, WORTH_SHARING)
        self.forward = Job(attention.attention_forward, dtype, 6, sizes, numbers=1, work=work)
        self.pull = Job(attention.attention_pullback, dtype, 10, sizes, numbers=1, work=work)
        self.forward.numbers[0] = self.pull.numbers[0] = 1 / math.sqrt(width)
        self.tops = empty((batch_size, heads, queries), dtype)


def whole_heads(heads: int, x: Spec) -> bool:
    """Whether the numbers of a head of ``x (T, C)`` fill whole vectors."""
    from pullback.engine.kernels import lanes

    return bool(x.shape[-1] // heads * np.dtype(x.dtype).itemsize % lanes.BYTES == 0)


def masked(lengths: Any, a: Any, out: Any = None) -> Any:
    """Return ``a (N, T, C)`` with 0 beyond the lengths, where there are any, written to ``out``."""
    if lengths is None:
        return a
    return np.multiply(a, mask_of(lengths, a.shape[1], a)[..., None], out=out)


@lowers(Attention)
class LoweredAttention(Lowered):
    """``Attention`` whose heads are whole vectors."""

    source: Attention

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        steps, width = plan.x.shape
        dtype, heads = plan.x.dtype, self.source.heads
        self.jobs_only = not self.source.rotary
        self._in = Product(width, 3 * width, steps, dtype)
        self._out = Product(width, width, steps, dtype)
        self._mixing = Mixing(
            heads, steps, steps, width // heads, self.source.causal,
            (3 * width, 3 * width, width, 2 * width), dtype, plan.batch_size,
        )  # fmt: skip
        joined = Spec((steps, 3 * width), dtype)
        self._joined, self._g_joined = plan.buffer(joined), plan.buffer(joined)
        self._mixed, self._y, self._g_mixed, self._gx = (plan.buffer(plan.x) for _ in range(4))
        self._declared: tuple[Any, Any, Any, dict[str, Any]] = (None, None, None, {})

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether the heads are whole vectors."""
        assert isinstance(source, Attention)
        return whole_heads(source.heads, plan.x)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the mixtures; the joined products and the mixtures are the residual."""
        joined, mixed, y, tops = (
            self.rows(buffer, x)
            for buffer in (self._joined, self._mixed, self._y, self._mixing.tops)
        )
        lengths = None if ctx.lengths is None else np.ascontiguousarray(ctx.lengths, np.int64)
        count = len(x) * self._in.positions
        self._in.forward(count, x, p["W"], p.get("b"), joined)
        if self.source.rotary:
            self._turn(joined, backwards=False)
        self._mixing.forward(len(x), joined, joined, joined, lengths, mixed, tops)
        self._out.forward(count, mixed, p["Wo"], p.get("bo"), y)
        y = masked(lengths, y, out=y)
        return y, {"x": x, "joined": joined, "mixed": mixed, "tops": tops, "lengths": lengths}

    def _turn(self, joined: Any, backwards: bool) -> None:
        """Turn the queries and keys of all heads."""
        heads, width = self.source.heads, joined.shape[-1] // 3
        turned = joined[..., : 2 * width].reshape((*joined.shape[:2], 2 * heads, width // heads))
        found = rotated(np.swapaxes(turned, 1, 2), backwards)
        joined[..., : 2 * width] = np.swapaxes(found, 1, 2).reshape((*joined.shape[:2], 2 * width))

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; those of both products are the delta."""
        joined, lengths, count = res["joined"], res["lengths"], len(gy) * self._in.positions
        g_joined, g_mixed, gx = (
            self.rows(buffer, gy) for buffer in (self._g_joined, self._g_mixed, self._gx)
        )
        g_out = masked(lengths, gy)
        self._out.pull(count, g_out, p["Wo"], res["mixed"], g_mixed)
        self._mixing.pull(
            len(gy), g_mixed, res["mixed"], joined, joined, joined, lengths, res["tops"],
            g_joined, g_joined, g_joined,
        )  # fmt: skip
        if self.source.rotary:
            self._turn(g_joined, backwards=True)
        self._in.pull(count, g_joined, p["W"], res["x"], gx)
        return gx, {"in": g_joined, "out": g_out}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares, with sums that are jobs."""
        x, g_in, g_out = res["x"], delta["in"], delta["out"]
        *seen, declared = self._declared
        if not (x is seen[0] and g_in is seen[1] and g_out is seen[2]):
            jobs = {"W": self._in.outer, "b": self._in.bias, "Wo": self._out.outer}
            jobs["bo"] = self._out.bias
            found = self.source.grads(p, res, delta)
            declared = {name: Sum(c, jobs[name]) for name, c in found.items()}
            self._declared = x, g_in, g_out, declared
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does, from its own residual."""
        _, own = self.source.forward(p, res["x"], Context(lengths=res["lengths"]))
        return self.source.pushforward(p, own, dp, dx)
