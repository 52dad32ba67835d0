"""Attention: every step of a sequence is a mixture of what other steps have to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.initializers import Initializer
from pullback.core.map import MAPS, Params
from pullback.core.spec import Spec, Specs
from pullback.maps.dot_product import (
    attend,
    attend_pullback,
    attend_pushforward,
    joined_heads,
    rotated,
    split_heads,
    visible,
)
from pullback.maps.multi_head import MultiHead, masked
from pullback.maps.steps import check_steps, mask_of


def _thirds(a: Any) -> list[Any]:
    size = a.shape[-1] // 3
    return [a[..., i * size : (i + 1) * size] for i in range(3)]


@MAPS.register
@dataclass(frozen=True)
class Attention(MultiHead):
    r"""Multi-head self-attention: Vaswani and others, "Attention is all you need" (2017), 3.2.

    ``q, k, v`` are the thirds of ``x W + b``, and each is shared out to the heads. For every head
    :math:`a = \mathrm{softmax}(q k^T / \sqrt{D})` over the steps that may be seen; the heads'
    :math:`a v`, joined, are multiplied by ``Wo``. The pullback goes through the product with the
    shares, :math:`g_v = a^T g`, :math:`g_a = g v^T`, through the softmax,
    :math:`g_s = a (g_a - \langle a, g_a \rangle) / \sqrt{D}`, and to :math:`g_q = g_s k` and
    :math:`g_k = g_s^T q`.

    Of padded sequences nothing beyond the end is seen, and the output there is 0.

    Args:
        heads: how many; they share the channels.
        causal: whether a step sees only itself and those before.
        rotary: whether queries and keys are turned by their step, which tells them their distance:
            Su and others, "RoFormer" (2021), with pairs of neighbouring numbers.
        bias: whether there are ``b`` and ``bo``.
        init: how ``W`` and ``Wo`` start; None: ``GlorotUniform``.
        out_init: how ``Wo`` starts, where it is another way.

    Shapes: ``x (N, T, C)``, ``W (C, 3 C)``, ``b (3 C,)``, ``Wo (C, C)``, ``bo (C,)``,
    ``y (N, T, C)``; ``D = C / heads``.

    Raises:
        ConfigError: ``heads`` is not a positive whole number.
        ShapeError: the input is no sequence of vectors, ``heads`` does not divide their width, or,
            with ``rotary``, ``D`` is odd.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = (a v) Wₒ + bₒ, a = softmax(q kᵀ / √D), (q, k, v) = x W + b",
        "gv = aᵀ g, gs = a (g vᵀ - Σ a g vᵀ) / √D, gq = gs k, gk = gsᵀ q, g = gy Wₒᵀ",
    )

    windowed = True

    heads: int
    causal: bool = False
    rotary: bool = False
    bias: bool = True
    init: Initializer | None = None
    out_init: Initializer | None = None

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        size = self.checked_width(x) // self.heads
        if self.rotary and size % 2:
            raise ShapeError(
                f"Attention: rotary turns pairs, and a head has {size} channels; expected an even "
                f"number: another width than {x.shape[-1]}, or other heads"
            )
        return x

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``W``, ``Wo`` and their biases."""
        width = x.shape[-1]
        return self.declared({"W": (width, 3 * width), "Wo": (width, width)})

    @property
    def stepwise(self) -> bool:  # type: ignore[override]
        """True where no step sees those after itself."""
        return self.causal

    def _heads(self, joined: Any, done: int = 0) -> list[Any]:
        """Return the turned queries and keys, and the values, of all heads."""
        q, k, v = (split_heads(part, self.heads) for part in _thirds(joined))
        return [rotated(q, done=done), rotated(k, done=done), v] if self.rotary else [q, k, v]

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the mixtures; queries, keys, values, shares and mixtures are the residual."""
        q, k, v = self._heads(self.product(p, "W", x), ctx.done)
        if ctx.past:
            concat = namespace(x).concat
            k, v = (concat([ctx.past[name], new], axis=2) for name, new in (("k", k), ("v", v)))
        seen = visible(x.shape[1], k.shape[2], self.causal, ctx.lengths, x, ctx.done)
        mixed, a = attend(q, k, v, seen)
        mask = None if ctx.lengths is None else mask_of(ctx.lengths, x.shape[1], x)[..., None]
        inner = joined_heads(mixed)
        res = {"x": x, "q": q, "k": k, "v": v, "a": a, "mixed": inner, "mask": mask}
        return masked(mask, self.product(p, "Wo", inner)), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; those of both products are the delta."""
        g_out = masked(res["mask"], gy)
        g = split_heads(g_out @ p["Wo"].T, self.heads)
        gq, gk, gv = attend_pullback(res["q"], res["k"], res["v"], res["a"], g)
        if self.rotary:
            gq, gk = rotated(gq, backwards=True), rotated(gk, backwards=True)
        g_in = namespace(gy).concat([joined_heads(part) for part in (gq, gk, gv)], axis=-1)
        return g_in @ p["W"].T, {"in": g_in, "out": g_out}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare both matrices and their biases."""
        return {
            **self.product_gradients("W", delta["in"], res["x"]),
            **self.product_gradients("Wo", delta["out"], res["mixed"]),
        }

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push the change through the products and the mixing."""
        d = self._heads(self.product_change(p, dp, "W", res["x"], dx))
        mixed = attend_pushforward(res["q"], res["k"], res["v"], res["a"], tuple(d))
        dy = self.product_change(p, dp, "Wo", res["mixed"], joined_heads(mixed))
        return masked(res["mask"], dy)

    def multiply_adds(self, x: Specs) -> int:
        """Return those of the products, and of all pairs of steps."""
        steps, width = x.shape
        return int(4 * steps * width**2 + 2 * steps**2 * width)


@MAPS.register
@dataclass(frozen=True)
class CrossAttention(MultiHead):
    r"""Attention of a sequence over another one, its memory: the input is the pair ``(x, m)``.

    As ``Attention``, with ``q = x Wq + bq`` and the halves ``k, v`` of ``m Wm + bm``; the cotangent
    is the pair :math:`(g_q W_q^T, (g_k, g_v) W_m^T)`. Of padded sequences nothing beyond the
    memory's end is seen, and the output beyond the end of ``x`` is 0.

    Args:
        heads: how many; they share the channels.
        bias: whether there are ``bq``, ``bm`` and ``bo``.
        init: how ``Wq``, ``Wm`` and ``Wo`` start; None: ``GlorotUniform``.
        out_init: how ``Wo`` starts, where it is another way.

    Shapes: ``x (N, T, C)``, ``m (N, S, M)``, ``Wq (C, C)``, ``Wm (M, 2 C)``, ``Wo (C, C)``,
    ``y (N, T, C)``.

    Raises:
        ConfigError: ``heads`` is not a positive whole number.
        ShapeError: the input is no pair of sequences, or ``heads`` does not divide the width of
            the first.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = (a v) Wₒ + bₒ, a = softmax(q kᵀ / √D), q = x W + b, (k, v) = m Wₘ + bₘ",
        "gx = gq Wᵀ, gm = (gk, gv) Wₘᵀ, gq = gs k, gk = gsᵀ q, gv = aᵀ g, g = gy Wₒᵀ",
    )

    heads: int
    bias: bool = True
    init: Initializer | None = None
    out_init: Initializer | None = None

    with_memory = True
    stepwise = True

    def spec(self, x: Specs) -> Spec:
        """Return the spec of the first input."""
        if not isinstance(x, tuple) or len(x) != 2:
            raise ShapeError(f"CrossAttention needs a pair: a sequence and its memory, found {x}")
        self.checked_width(x[0])
        check_steps("CrossAttention", x[1])
        found: Spec = x[0]
        return found

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``Wq``, ``Wm``, ``Wo`` and their biases."""
        width, memory = x[0].shape[-1], x[1].shape[-1]
        return self.declared(
            {"Wq": (width, width), "Wm": (memory, 2 * width), "Wo": (width, width)}
        )

    def _sides(self, joined: Any) -> list[Any]:
        """Return the keys and values of all heads."""
        size = joined.shape[-1] // 2
        return [split_heads(part, self.heads) for part in (joined[..., :size], joined[..., size:])]

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the mixtures; queries, keys, values, shares and mixtures are the residual."""
        x, memory = x
        own, others = (None, None) if ctx.lengths is None else ctx.lengths
        q = split_heads(self.product(p, "Wq", x), self.heads)
        past = ctx.past  # of the memory, which stays the same
        k, v = (past["k"], past["v"]) if past else self._sides(self.product(p, "Wm", memory))
        mixed, a = attend(q, k, v, visible(x.shape[1], memory.shape[1], False, others, x))
        mask = None if own is None else mask_of(own, x.shape[1], x)[..., None]
        inner = joined_heads(mixed)
        res = {
            "x": x, "memory": memory, "q": q, "k": k, "v": v, "a": a, "mixed": inner, "mask": mask,
        }  # fmt: skip
        return masked(mask, self.product(p, "Wo", inner)), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangents of ``x`` and of the memory."""
        g_out = masked(res["mask"], gy)
        g = split_heads(g_out @ p["Wo"].T, self.heads)
        gq, gk, gv = attend_pullback(res["q"], res["k"], res["v"], res["a"], g)
        of_x = joined_heads(gq)
        of_memory = namespace(gy).concat([joined_heads(gk), joined_heads(gv)], axis=-1)
        delta = {"x": of_x, "memory": of_memory, "out": g_out}
        return (of_x @ p["Wq"].T, of_memory @ p["Wm"].T), delta

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare the three matrices and their biases."""
        return {
            **self.product_gradients("Wq", delta["x"], res["x"]),
            **self.product_gradients("Wm", delta["memory"], res["memory"]),
            **self.product_gradients("Wo", delta["out"], res["mixed"]),
        }

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push both changes through the products and the mixing."""
        dx, d_memory = dx
        dq = split_heads(self.product_change(p, dp, "Wq", res["x"], dx), self.heads)
        dk, dv = self._sides(self.product_change(p, dp, "Wm", res["memory"], d_memory))
        mixed = attend_pushforward(res["q"], res["k"], res["v"], res["a"], (dq, dk, dv))
        dy = self.product_change(p, dp, "Wo", res["mixed"], joined_heads(mixed))
        return masked(res["mask"], dy)

    def multiply_adds(self, x: Specs) -> int:
        """Return those of the products, and of all pairs of steps."""
        (steps, width), (others, memory) = x[0].shape, x[1].shape
        products = 2 * steps * width**2 + 2 * others * memory * width
        return int(products + 2 * steps * others * width)
