"""Attention over a memory as jobs: as that of a sequence over itself, with a product more."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.core.spec import Spec
from pullback.engine.attention import Mixing, Product, masked, whole_heads
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Sum
from pullback.maps.attention import CrossAttention


@lowers(CrossAttention)
class LoweredCrossAttention(Lowered):
    """``CrossAttention`` whose heads are whole vectors."""

    jobs_only = True
    source: CrossAttention

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        x, memory = plan.x
        (steps, width), (others, channels) = x.shape, memory.shape
        dtype, heads = x.dtype, self.source.heads
        self._products = {
            "Wq": Product(width, width, steps, dtype),
            "Wm": Product(channels, 2 * width, others, dtype),
            "Wo": Product(width, width, steps, dtype),
        }
        self._mixing = Mixing(
            heads, steps, others, width // heads, False, (width, 2 * width, 0, width), dtype,
            plan.batch_size,
        )  # fmt: skip
        joined = Spec((others, 2 * width), dtype)
        self._kv, self._g_kv, self._gm = (
            plan.buffer(joined), plan.buffer(joined), plan.buffer(memory),
        )  # fmt: skip
        self._q, self._mixed, self._y, self._g_mixed, self._gq, self._gx = (
            plan.buffer(x) for _ in range(6)
        )
        self._declared: tuple[Any, dict[str, Any]] = (None, {})

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether the heads are whole vectors."""
        assert isinstance(source, CrossAttention)
        return whole_heads(source.heads, plan.x[0])

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the mixtures; the products and the mixtures are the residual."""
        x, memory = x
        q, kv, mixed, y, tops = (
            self.rows(buffer, x)
            for buffer in (self._q, self._kv, self._mixed, self._y, self._mixing.tops)
        )
        own, others = (None, None) if ctx.lengths is None else ctx.lengths
        keys = None if others is None else np.ascontiguousarray(others, np.int64)
        for name, given, out in (("Wq", x, q), ("Wm", memory, kv)):
            product = self._products[name]
            product.forward(
                len(x) * product.positions, given, p[name], p.get(self._bias(name)), out
            )
        self._mixing.forward(len(x), q, kv, kv, keys, mixed, tops)
        product = self._products["Wo"]
        product.forward(len(x) * product.positions, mixed, p["Wo"], p.get("bo"), y)
        res = {
            "x": x, "memory": memory, "q": q, "kv": kv, "mixed": mixed, "tops": tops,
            "own": own, "keys": keys,
        }  # fmt: skip
        return masked(own, y, out=y), res

    @staticmethod
    def _bias(name: str) -> str:
        return name.replace("W", "b")

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangents of ``x`` and of the memory; those of the products are the delta."""
        g_mixed, gq, g_kv, gx, gm = (
            self.rows(buffer, gy)
            for buffer in (self._g_mixed, self._gq, self._g_kv, self._gx, self._gm)
        )
        g_out, kv = masked(res["own"], gy), res["kv"]
        product = self._products["Wo"]
        product.pull(len(gy) * product.positions, g_out, p["Wo"], res["mixed"], g_mixed)
        self._mixing.pull(
            len(gy), g_mixed, res["mixed"], res["q"], kv, kv, res["keys"], res["tops"],
            gq, g_kv, g_kv,
        )  # fmt: skip
        for name, g, given, out in (("Wq", gq, res["x"], gx), ("Wm", g_kv, res["memory"], gm)):
            product = self._products[name]
            product.pull(len(gy) * product.positions, g, p[name], given, out)
        return (gx, gm), {"x": gq, "memory": g_kv, "out": g_out}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares, with sums that are jobs."""
        seen = (res["x"], res["memory"], delta["out"])
        if self._declared[0] is None or any(
            a is not b for a, b in zip(seen, self._declared[0], strict=True)
        ):
            found = {}
            for name, contraction in self.source.grads(p, res, delta).items():
                product = self._products[name.replace("b", "W")]
                job = product.outer if name in self._products else product.bias
                found[name] = Sum(contraction, job)
            self._declared = seen, found
        return self._declared[1]

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does, from its own residual."""
        lengths = None if res["own"] is None else (res["own"], res["keys"])
        _, own = self.source.forward(p, (res["x"], res["memory"]), Context(lengths=lengths))
        return self.source.pushforward(p, own, dp, dx)
