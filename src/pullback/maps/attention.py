"""Attention: every step of a sequence is a mixture of what other steps have to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ShapeError
from pullback.core.initializers import DEFAULT, Constant, Initializer
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Param, Spec, Specs
from pullback.maps.dot_product import (
    attend,
    attend_pullback,
    attend_pushforward,
    joined_heads,
    rotated,
    split_heads,
    visible,
)
from pullback.maps.embedding import check_sizes
from pullback.maps.steps import check_steps, mask_of


class MultiHead(Map):
    """Base of the two attentions: linear maps around the mixing of heads."""

    heads: int
    bias: bool
    init: Initializer | None
    out_init: Initializer | None

    def __post_init__(self) -> None:
        check_sizes(self, "heads")

    def checked_width(self, x: Specs) -> int:
        """Return the width of ``x``, which the heads must share equally."""
        check_steps(self.title, x)
        if x.shape[-1] % self.heads:
            raise ShapeError(
                f"{self.title}: {x.shape[-1]} channels cannot be divided into heads={self.heads}"
            )
        return int(x.shape[-1])

    def declared(self, sides: dict[str, tuple[int, int]]) -> dict[str, Any]:
        """Return the matrices of these sizes, ``Wo`` last, each with its bias."""
        found: dict[str, Any] = {}
        init = self.init or DEFAULT
        for name, shape in sides.items():
            start = (self.out_init or init) if name == "Wo" else init
            found[name] = Param(shape, start)
            if self.bias:
                found[self._bias(name)] = Param(shape[1:], Constant(0.0), decay=False)
        return found

    @staticmethod
    def _bias(name: str) -> str:
        return name.replace("W", "b")

    def product(self, p: Params, name: str, x: Any) -> Any:
        """Return ``x W + b`` of the matrix ``name``."""
        y = x @ p[name]
        return y + p[self._bias(name)] if self.bias else y

    def product_gradients(self, name: str, delta: Any, x: Any) -> dict[str, Any]:
        """Declare the gradients of the matrix ``name`` and its bias."""
        found = {name: C("nto,nti->io", delta=delta, x=x)}
        if self.bias:
            found[self._bias(name)] = C("nto->o", delta=delta)
        return found

    def product_change(self, p: Params, dp: Params, name: str, x: Any, dx: Any) -> Any:
        """Return ``dx W + x dW + db``."""
        dy = dx @ p[name] + x @ dp[name]
        return dy + dp[self._bias(name)] if self.bias else dy


def _thirds(a: Any) -> list[Any]:
    size = a.shape[-1] // 3
    return [a[..., i * size : (i + 1) * size] for i in range(3)]


def _masked(mask: Any, a: Any) -> Any:
    return a if mask is None else mask * a


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

    def keep(self, past: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return the keys and values of all steps."""
        return {"k": res["k"], "v": res["v"]}

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
        return _masked(mask, self.product(p, "Wo", inner)), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; those of both products are the delta."""
        g_out = _masked(res["mask"], gy)
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
        return _masked(res["mask"], dy)

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
        k, v = self._sides(self.product(p, "Wm", memory))
        mixed, a = attend(q, k, v, visible(x.shape[1], memory.shape[1], False, others, x))
        mask = None if own is None else mask_of(own, x.shape[1], x)[..., None]
        inner = joined_heads(mixed)
        res = {
            "x": x, "memory": memory, "q": q, "k": k, "v": v, "a": a, "mixed": inner, "mask": mask,
        }  # fmt: skip
        return _masked(mask, self.product(p, "Wo", inner)), res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangents of ``x`` and of the memory."""
        g_out = _masked(res["mask"], gy)
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
        return _masked(res["mask"], dy)

    def multiply_adds(self, x: Specs) -> int:
        """Return those of the products, and of all pairs of steps."""
        (steps, width), (others, memory) = x[0].shape, x[1].shape
        products = 2 * steps * width**2 + 2 * others * memory * width
        return int(products + 2 * steps * others * width)
