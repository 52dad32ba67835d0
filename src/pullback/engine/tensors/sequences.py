"""Attention and recurrence on tensors, by kernels that PyTorch has for the processor."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.lower import Plan
from pullback.engine.tensors.again import Again
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.attention import Attention
from pullback.maps.dot_product import rotated
from pullback.maps.gated import LSTM

aten = torch.ops.aten
OF_LSTM = 2
"""The number that PyTorch has for an LSTM among its recurrent kernels."""


@on_tensors(Attention)
class TensorAttention(Again):
    """``Attention`` in memory that grows with the length; of whole sequences on the processor."""

    source: Attention

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the mixtures; queries, keys, values and mixtures are kept."""
        if ctx.lengths is not None or ctx.past or x.device.type != "cpu" or not x.numel():
            return self.of_source(p, x, ctx)
        source = self.source
        joined = self.product("joined", x, p["W"], p.get("b"))
        q, k, v = joined.unflatten(2, (3, source.heads, -1)).permute(2, 0, 3, 1, 4)
        if source.rotary:
            q, k = rotated(q, done=ctx.done), rotated(k, done=ctx.done)
        mixed, sums = aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, source.causal)
        inner = mixed.transpose(1, 2).reshape(x.shape)
        res = {
            "x": x, "joined": joined, "q": q, "k": k, "v": v, "mixed": mixed, "sums": sums,
            "inner": inner,
        }  # fmt: skip
        return self.product("y", inner, p["Wo"], p.get("bo")), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; those of both products are the delta."""
        if "x" not in res:
            return self.pullback_of_source(p, res, gy)
        source = self.source
        g = self.product("g", gy, p["Wo"].T).unflatten(2, (source.heads, -1)).transpose(1, 2)
        gq, gk, gv = aten._scaled_dot_product_flash_attention_for_cpu_backward(
            g, res["q"], res["k"], res["v"], res["mixed"], res["sums"], 0.0, source.causal
        )
        if source.rotary:
            gq, gk = rotated(gq, backwards=True), rotated(gk, backwards=True)
        g_in = self.room("g_in", res["joined"].shape, gy)
        torch.cat([part.transpose(1, 2).flatten(2) for part in (gq, gk, gv)], dim=2, out=g_in)
        return self.product("gx", g_in, p["W"].T), {"in": g_in, "out": gy}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares: both products are there."""
        if "source" in delta:
            return super().grads(p, res, delta)
        return {
            **self.source.product_gradients("W", delta["in"], res["x"]),
            **self.source.product_gradients("Wo", delta["out"], res["inner"]),
        }


@on_tensors(LSTM)
class TensorLSTM(Again):
    """``LSTM`` forwards through whole sequences, in float32 on the processor."""

    source: LSTM

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether there is a kernel for it."""
        assert isinstance(source, LSTM)
        there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        return bool(there) and plan.x.dtype == "float32" and not source.reverse

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the states."""
        if ctx.lengths is not None or ctx.past or x.device.type != "cpu" or not x.numel():
            return self.of_source(p, x, ctx)
        zero = torch.zeros(len(x), self.source.units)
        bias = torch.zeros_like(p["b"])  # PyTorch has a second one
        given = (
            x.transpose(0, 1).contiguous(), p["W"].T.contiguous(), p["U"].T.contiguous(), p["b"],
            bias, zero, zero,
        )  # fmt: skip
        size = self.source.units
        found = aten.mkldnn_rnn_layer(*given, False, [], OF_LSTM, size, 1, True, False, False, True)
        y = found[0].transpose(0, 1).contiguous() if self.source.states == "all" else found[1]
        return y, {"x": x, "given": given, "found": found}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; the sums are the delta."""
        if "x" not in res:
            return self.pullback_of_source(p, res, gy)
        *states, kept = res["found"]
        whole, none = self.source.states == "all", torch.zeros_like(states[1])
        of_all = gy.transpose(0, 1).contiguous() if whole else torch.zeros_like(states[0])
        gx, w, u, b, *_ = aten.mkldnn_rnn_layer_backward(
            *res["given"], *states, of_all, none if whole else gy, none, False, OF_LSTM,
            self.source.units, 1, True, True, False, [], False, kept,
        )  # fmt: skip
        gx = gx.transpose(0, 1).contiguous() if self.plan.input_gradient else None
        return gx, {"gy": gy, "W": w.T, "U": u.T, "b": b}
