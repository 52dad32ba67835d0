r"""Recurrent maps: a state that is carried along a sequence, and backpropagation through time.

Every one of them has the products :math:`z_t = x_t W + b` and :math:`q_t = h_{t-1} U`; a cell makes
the next state of them and of the last one. The inputs of all steps are known beforehand, so all
:math:`z_t` are one product; the :math:`q_t` follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pullback.core.arrays import full, namespace
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError
from pullback.core.initializers import DEFAULT, Constant, Initializer, Orthogonal
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Param, Spec, Specs
from pullback.maps.combine import Parallel
from pullback.maps.embedding import check_sizes
from pullback.maps.steps import check_steps, mask_of

State = tuple[Any, ...]
"""What is carried from step to step, each ``(N, units)``: ``h`` first, and the cell of an LSTM."""

STATES = ("all", "last")


class Recurrent(Map):
    r"""Base of the recurrent maps: a subclass is a dataclass with these fields, and a cell.

    The pullback goes through the steps in the opposite order. With :math:`g_{h,t}` what of
    :math:`g_y` and of the next step comes to :math:`h_t`, the cell gives :math:`g_{z,t}` and
    :math:`g_{q,t}`; the state before gets :math:`g_{q,t} U^T` besides what the cell passes on. Then
    :math:`g_x = g_z W^T`, and as the parameters are used at every step, their gradients are sums
    over examples and steps: :math:`G_W = \sum_{n,t} x_{nt}^T g_{z,nt}`,
    :math:`G_U = \sum_{n,t} h_{n,t-1}^T g_{q,nt}`, :math:`G_b = \sum_{n,t} g_{z,nt}`.

    Of padded sequences the state stays as it is beyond the end, and an output there is 0.
    """

    gates: ClassVar[int] = 1
    """How many times ``units`` numbers ``z`` and ``q`` have."""

    carried: ClassVar[int] = 1
    """How many arrays the state has."""

    units: int
    states: str
    reverse: bool
    init: Initializer | None
    recurrent_init: Initializer | None

    def __post_init__(self) -> None:
        check_sizes(self, "units")
        if self.states not in STATES:
            raise ConfigError(f"{self.title}: states={self.states!r}; expected one of {STATES}")

    def bias_init(self) -> Initializer:
        """Return how ``b`` starts."""
        return Constant(0.0)

    def cell(self, p: Params, z: Any, q: Any, state: State) -> tuple[State, Any]:
        """Return the next state, and what the cell's pullback needs."""
        raise NotImplementedError

    def cell_pullback(self, kept: Any, g: State) -> tuple[Any, Any, State]:
        """Return ``(gz, gq, g of the state before)``, the last but for what comes through ``q``."""
        raise NotImplementedError

    def cell_pushforward(self, kept: Any, dp: Params, dz: Any, dq: Any, d: State) -> State:
        """Return the change of the next state."""
        raise NotImplementedError

    def spec(self, x: Specs) -> Spec:
        """Return the states of all steps, or the last."""
        check_steps(self.title, x)
        return Spec((x.shape[0], self.units) if self.states == "all" else (self.units,), x.dtype)

    def out_lengths(self, lengths: Any) -> Any:
        """Return the input's, or None where only the last state is left."""
        return lengths if self.states == "all" else None

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``W``, ``U`` and ``b``."""
        wide = self.gates * self.units
        return {
            "W": Param((x.shape[-1], wide), self.init or DEFAULT),
            "U": Param((self.units, wide), self.recurrent_init or Orthogonal()),
            "b": Param((wide,), self.bias_init(), decay=False),
        }

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the states; for each step what its cell kept, and the state before, are kept."""
        xp, steps = namespace(x), x.shape[1]
        z = x @ p["W"] + p["b"]
        mask = None if ctx.lengths is None else mask_of(ctx.lengths, steps, x)[..., None]
        zero = full((x.shape[0], self.units), 0.0, z)
        state: State = tuple(ctx.past.values()) if ctx.past else (zero,) * self.carried
        before, kept, outputs = [state[0]] * steps, [()] * steps, [state[0]] * steps
        for t in self._order(steps):
            before[t] = state[0]
            after, kept[t] = self.cell(p, z[:, t], state[0] @ p["U"], state)
            state = after if mask is None else _mixed(mask[:, t], after, state)
            outputs[t] = state[0] if mask is None else mask[:, t] * state[0]
        y = xp.stack(outputs, axis=1) if self.states == "all" else state[0]
        res = {
            "x": x, "before": xp.stack(before, axis=1), "kept": tuple(kept), "mask": mask,
            "state": state,
        }  # fmt: skip
        return y, res

    @property
    def stepwise(self) -> bool:  # type: ignore[override]
        """True where the steps are taken from the first on, and all states are given."""
        return self.states == "all" and not self.reverse

    def keep(self, past: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return the state after the last step."""
        return {str(i): part for i, part in enumerate(res["state"])}

    def _order(self, steps: int) -> Iterator[int]:
        return iter(range(steps - 1, -1, -1) if self.reverse else range(steps))

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gz W^T``; ``gz`` and ``gq`` of all steps are the delta."""
        xp, kept, mask = namespace(gy), res["kept"], res["mask"]
        steps = len(kept)
        zero = full((gy.shape[0], self.units), 0.0, gy)
        g: State = (zero,) * self.carried
        if self.states == "last":
            g = (gy, *g[1:])
        of_z, of_q = [zero] * steps, [zero] * steps
        back = p["U"].T
        for t in reversed(list(self._order(steps))):
            if self.states == "all":
                g = (g[0] + (gy[:, t] if mask is None else mask[:, t] * gy[:, t]), *g[1:])
            # where the state stays as it was, its cotangent goes around the cell
            inside = g if mask is None else tuple(mask[:, t] * part for part in g)
            of_z[t], of_q[t], before = self.cell_pullback(kept[t], inside)
            before = (before[0] + of_q[t] @ back, *before[1:])
            g = before if mask is None else _around(mask[:, t], before, g)
        gz = xp.stack(of_z, axis=1)
        same = all(a is b for a, b in zip(of_z, of_q, strict=True))
        return gz @ p["W"].T, {"z": gz, "q": gz if same else xp.stack(of_q, axis=1)}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``W``, ``U`` and ``b``, summed over the steps."""
        return {
            "W": C("nto,nti->io", delta=delta["z"], x=res["x"]),
            "U": C("nto,nti->io", delta=delta["q"], before=res["before"]),
            "b": C("nto->o", delta=delta["z"]),
        }

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push the changes along the steps."""
        xp, kept, mask, before = namespace(dx), res["kept"], res["mask"], res["before"]
        steps = len(kept)
        dz = dx @ p["W"] + res["x"] @ dp["W"] + dp["b"]
        d: State = (full((dx.shape[0], self.units), 0.0, dz),) * self.carried
        outputs = [d[0]] * steps
        for t in self._order(steps):
            dq = d[0] @ p["U"] + before[:, t] @ dp["U"]
            after = self.cell_pushforward(kept[t], dp, dz[:, t], dq, d)
            d = after if mask is None else _mixed(mask[:, t], after, d)
            outputs[t] = d[0] if mask is None else mask[:, t] * d[0]
        return xp.stack(outputs, axis=1) if self.states == "all" else d[0]

    def multiply_adds(self, x: Specs) -> int:
        """Return those of the two products, at every step."""
        steps, inputs = x.shape
        return int(steps * (inputs + self.units) * self.gates * self.units)


def _mixed(mask: Any, after: State, before: State) -> State:
    """Return the state after a step where it is the example's own, else that before it."""
    return tuple(mask * a + (1 - mask) * b for a, b in zip(after, before, strict=True))


def _around(mask: Any, inside: State, g: State) -> State:
    """Return what came through the cell, and what went around it."""
    return tuple(a + (1 - mask) * b for a, b in zip(inside, g, strict=True))


@MAPS.register
@dataclass(frozen=True)
class RNN(Recurrent):
    r"""``h_t = tanh(x_t W + h_{t-1} U + b)`` with ``h_0 = 0``.

    Elman, "Finding structure in time" (1990). Pullback of a step:
    :math:`g_z = g_q = (1 - h_t^2) g_{h,t}`, and :math:`g_{h,t-1} = g_q U^T`.

    Args:
        units: numbers in a state.
        states: ``"all"``, or the ``"last"``, after all steps.
        reverse: whether the steps are taken from the end; all states still stand at their steps.
        init: how ``W`` starts; None: ``GlorotUniform``.
        recurrent_init: how ``U`` starts; None: ``Orthogonal``. ``b`` starts at 0.

    Shapes: ``x (N, T, C)``, ``W (C, units)``, ``U (units, units)``, ``b (units,)``, ``y (N, T,
    units)`` or ``(N, units)``.

    Raises:
        ConfigError: ``units`` or ``states`` cannot be used.
        ShapeError: the input is no sequence of vectors, or has no steps.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "h[t] = tanh(x[t] W + h[t-1] U + b)",
        "gz[t] = (1 - h[t]²) gh[t], gh[t-1] += gz[t] Uᵀ, gx = gz Wᵀ",
    )

    units: int
    states: str = "all"
    reverse: bool = False
    init: Initializer | None = None
    recurrent_init: Initializer | None = None

    def cell(self, p: Params, z: Any, q: Any, state: State) -> tuple[State, Any]:
        """Return ``tanh(z + q)``, and its slope."""
        h = namespace(z).tanh(z + q)
        return (h,), 1 - h * h

    def cell_pullback(self, kept: Any, g: State) -> tuple[Any, Any, State]:
        """Return the slope times ``gh``; nothing passes by ``q``."""
        gz = kept * g[0]
        return gz, gz, (namespace(gz).zeros_like(gz),)

    def cell_pushforward(self, kept: Any, dp: Params, dz: Any, dq: Any, d: State) -> State:
        """Return the slope times the change of ``z + q``."""
        return (kept * (dz + dq),)


def bidirectional(net: Recurrent) -> Parallel:
    """Return ``net`` and its copy for the other direction, side by side.

    Their states are joined on the last axis, as each step has one of either. Schuster and Paliwal,
    "Bidirectional recurrent neural networks" (1997).

    >>> bidirectional(RNN(3, states="last")).spec(Spec((5, 2))).shape
    (6,)
    """
    return Parallel(forwards=net, backwards=replace(net, reverse=not net.reverse))  # type: ignore[type-var]
