"""Recurrent maps with gates, which keep a state over many steps: LSTM and GRU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.contraction import C
from pullback.core.initializers import Blocks, Constant, Initializer
from pullback.core.map import MAPS, Params
from pullback.core.spec import Param, Specs
from pullback.core.stable import sigmoid_and_slope
from pullback.maps.recurrent import Recurrent, State


def _parts(a: Any, count: int) -> list[Any]:
    """Return the last axis in equal parts."""
    size = a.shape[-1] // count
    return [a[..., i * size : (i + 1) * size] for i in range(count)]


@MAPS.register
@dataclass(frozen=True)
class LSTM(Recurrent):
    r"""Long short-term memory: a cell ``c`` that gates write to, erase, and read.

    With ``a = x_t W + h_{t-1} U + b`` in four parts: ``i, f, o = sigmoid(a_i), sigmoid(a_f),
    sigmoid(a_o)`` and ``g = tanh(a_g)``; ``c_t = f c_{t-1} + i g`` and ``h_t = o tanh(c_t)``, from
    ``h_0 = c_0 = 0``. The parts stand in the order ``i, f, g, o``, as in PyTorch and Keras.

    Hochreiter and Schmidhuber, "Long short-term memory" (1997); the gate that erases: Gers,
    Schmidhuber, Cummins, "Learning to forget" (2000). That gate's bias starts at 1, so that what is
    in the cell stays there at first: Jozefowicz, Zaremba, Sutskever, "An empirical exploration of
    recurrent network architectures" (2015), section 2.2.

    Args:
        units: numbers in a state.
        states: ``"all"``, or the ``"last"``, after all steps.
        reverse: whether the steps are taken from the end; all states still stand at their steps.
        init: how ``W`` starts; None: ``GlorotUniform``.
        recurrent_init: how ``U`` starts; None: ``Orthogonal``.
        forget_bias: where the bias of ``f`` starts; the others start at 0.

    Shapes: ``x (N, T, C)``, ``W (C, 4 units)``, ``U (units, 4 units)``, ``b (4 units,)``,
    ``y (N, T, units)`` or ``(N, units)``.

    Raises:
        ConfigError: ``units`` or ``states`` cannot be used.
        ShapeError: the input is no sequence of vectors, or has no steps.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "c[t] = f c[t-1] + i g, h[t] = o tanh(c[t]), (i, f, g, o) of x[t] W + h[t-1] U + b",
        "gc[t] += o (1 - tanh²(c[t])) gh[t], gc[t-1] = f gc[t], gh[t-1] += gz[t] Uᵀ, gx = gz Wᵀ",
    )
    gates: ClassVar[int] = 4
    carried: ClassVar[int] = 2

    units: int
    states: str = "all"
    reverse: bool = False
    init: Initializer | None = None
    recurrent_init: Initializer | None = None
    forget_bias: float = 1.0

    def bias_init(self) -> Initializer:
        """Return 0 for all gates but ``f``."""
        return Blocks((0.0, float(self.forget_bias), 0.0, 0.0))

    def cell(self, p: Params, z: Any, q: Any, state: State) -> tuple[State, Any]:
        """Return ``h`` and ``c``; gates, their slopes, and the cell before are kept."""
        xp, before = namespace(z), state[1]
        i, f, g, o = _parts(z + q, 4)
        (i, i_slope), (f, f_slope), (o, o_slope) = (sigmoid_and_slope(xp, a) for a in (i, f, o))
        g = xp.tanh(g)
        c = f * before + i * g
        t = xp.tanh(c)
        kept = {
            # by how much the cell changes with each of its gates, and the state with o and c
            "i": g * i_slope, "f": before * f_slope, "g": i * (1 - g * g), "o": t * o_slope,
            "c": o * (1 - t * t), "stays": f,
        }  # fmt: skip
        return (o * t, c), kept

    def cell_pullback(self, kept: Any, g: State) -> tuple[Any, Any, State]:
        """Return the cotangent of ``a`` twice, and what the cell passes on to the cell before."""
        gh, gc = g[0], g[1] + kept["c"] * g[0]
        parts = [kept["i"] * gc, kept["f"] * gc, kept["g"] * gc, kept["o"] * gh]
        ga = namespace(gh).concat(parts, axis=-1)
        return ga, ga, (namespace(gh).zeros_like(gh), kept["stays"] * gc)

    def cell_pushforward(self, kept: Any, dp: Params, dz: Any, dq: Any, d: State) -> State:
        """Return the changes of ``h`` and ``c``."""
        i, f, g, o = _parts(dz + dq, 4)
        dc = kept["stays"] * d[1] + kept["i"] * i + kept["f"] * f + kept["g"] * g
        return kept["o"] * o + kept["c"] * dc, dc


@MAPS.register
@dataclass(frozen=True)
class GRU(Recurrent):
    r"""Gated recurrent unit: the state moves towards a new one as far as a gate lets it.

    ``r, u = sigmoid(z_r + q_r), sigmoid(z_u + q_u)``, ``m = tanh(z_m + r (q_m + c))`` and
    ``h_t = (1 - u) m + u h_{t-1}``, with ``z = x_t W + b`` and ``q = h_{t-1} U`` in three parts in
    the order ``r, u, m``. The gate ``r`` is applied after the product with ``U``, as in PyTorch and
    in Keras (``reset_after=True``): all of ``q`` is then one product. Cho and others, "Learning
    phrase representations using RNN encoder-decoder" (2014), apply it before.

    Args:
        units: numbers in a state.
        states: ``"all"``, or the ``"last"``, after all steps.
        reverse: whether the steps are taken from the end; all states still stand at their steps.
        init: how ``W`` starts; None: ``GlorotUniform``.
        recurrent_init: how ``U`` starts; None: ``Orthogonal``. ``b`` and ``c`` start at 0.

    Shapes: ``x (N, T, C)``, ``W (C, 3 units)``, ``U (units, 3 units)``, ``b (3 units,)``,
    ``c (units,)``, ``y (N, T, units)`` or ``(N, units)``.

    Raises:
        ConfigError: ``units`` or ``states`` cannot be used.
        ShapeError: the input is no sequence of vectors, or has no steps.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "h[t] = (1 - u) m + u h[t-1], m = tanh(z + r (q + c)), (r, u) = σ(z + q), "
        "z = x[t] W + b, q = h[t-1] U",
        "gm = (1 - u) gh[t], gu = (h[t-1] - m) gh[t], gr = (q + c) (1 - m²) gm, "
        "gh[t-1] = u gh[t] + gq Uᵀ, gx = gz Wᵀ",
    )
    gates: ClassVar[int] = 3

    units: int
    states: str = "all"
    reverse: bool = False
    init: Initializer | None = None
    recurrent_init: Initializer | None = None

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``W``, ``U``, ``b`` and ``c``."""
        return {**super().params(x), "c": Param((self.units,), Constant(0.0), decay=False)}

    def cell(self, p: Params, z: Any, q: Any, state: State) -> tuple[State, Any]:
        """Return ``h``; gates and slopes are kept."""
        xp, (h,) = namespace(z), state
        (z_r, z_u, z_m), (q_r, q_u, q_m) = _parts(z, 3), _parts(q, 3)
        (r, r_slope), (u, u_slope) = (sigmoid_and_slope(xp, a) for a in (z_r + q_r, z_u + q_u))
        v = q_m + p["c"]
        m = xp.tanh(z_m + r * v)
        slope = (1 - u) * (1 - m * m)
        kept = {
            "r": slope * v * r_slope, "u": (h - m) * u_slope, "m": slope, "reset": r, "stays": u,
        }  # fmt: skip
        return ((1 - u) * m + u * h,), kept

    def cell_pullback(self, kept: Any, g: State) -> tuple[Any, Any, State]:
        """Return ``gz``, ``gq``, which differ in the part of ``m``, and ``u gh``."""
        concat, gh = namespace(g[0]).concat, g[0]
        gates, gm = [kept["r"] * gh, kept["u"] * gh], kept["m"] * gh
        gz, gq = concat([*gates, gm], axis=-1), concat([*gates, kept["reset"] * gm], axis=-1)
        return gz, gq, (kept["stays"] * gh,)

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``W``, ``U``, ``b`` and ``c``, summed over the steps."""
        return {
            **super().grads(p, res, delta),
            "c": C("nto->o", delta=_parts(delta["q"], 3)[2]),
        }

    def cell_pushforward(self, kept: Any, dp: Params, dz: Any, dq: Any, d: State) -> State:
        """Return the change of ``h``."""
        (z_r, z_u, z_m), (q_r, q_u, q_m) = _parts(dz, 3), _parts(dq, 3)
        inside = z_m + kept["reset"] * (q_m + dp["c"])
        moved = kept["r"] * (z_r + q_r) + kept["u"] * (z_u + q_u) + kept["m"] * inside
        return (moved + kept["stays"] * d[0],)
