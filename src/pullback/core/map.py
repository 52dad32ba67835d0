"""The protocol: a map, its pullback, its gradients and its pushforward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.initializers import Initializer
from pullback.core.registry import Registry
from pullback.core.spec import Specs, spec_of
from pullback.core.theta import Layout, Theta
from pullback.core.tree import map_leaves

Params = Mapping[str, Any]
"""Nested names to arrays, as ``Theta`` has them."""


class Map:
    """A differentiable mapping ``y = f(p, x)``: a description that holds no arrays.

    Subclasses are frozen dataclasses. ``p`` and ``x`` are differentiated; all else is in ``ctx``.
    No method changes what it is given: not ``x``, not a cotangent, not a residual.

    Notation: ``J_x`` and ``J_p`` are the Jacobians of ``f``; examples lie on the first axis.
    """

    couples_batch: ClassVar[bool] = False
    """True where an example's output depends on the other examples of the batch."""

    formulas: ClassVar[tuple[str, ...]] = ()
    """What ``forward`` and ``pullback`` compute, for people; a map that only hands on has none."""

    preferred_init: ClassVar[Initializer | None] = None
    """How weights that feed this map should start; None where it has no opinion."""

    passes_init: ClassVar[bool] = False
    """True where the map after this one should choose that instead (normalisation, dropout)."""

    with_memory: bool = False
    """True where the input is a pair: of what is mapped, and of a memory that is looked at."""

    stepwise: bool = False
    """True where, after training, a step of the output depends on the same step of the input, and
    on those before by what ``keep`` keeps of them: sequences may then come piece by piece."""

    windowed: bool = False
    """True where sequences longer than those of training are not what was learned."""

    @property
    def title(self) -> str:
        """What messages and tables call the map."""
        return type(self).__name__

    def spec(self, x: Specs) -> Specs:
        """Return the spec of the output for an input of spec ``x``.

        Raises:
            ShapeError: the map cannot take such an input.
        """
        raise NotImplementedError

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the declared parameters, name to ``Param`` or to a tree of them."""
        del x
        return {}

    def state(self, x: Specs) -> dict[str, Any]:
        """Return the declared state, name to ``Slot`` or to a tree of them."""
        del x
        return {}

    def children(self) -> dict[str, Map]:
        """Return the maps this one is made of, by name."""
        return {}

    def with_children(self, children: Mapping[str, Map]) -> Map:
        """Return the same composition of other maps."""
        del children
        return self

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``(y, residual)``; the residual is all that the other methods need."""
        raise NotImplementedError

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``(gx, delta)``: the cotangent ``J_x^T gy``, and what ``grads`` needs."""
        raise NotImplementedError

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``J_p^T gy``: name to ``Contraction``, for every parameter."""
        del p, res, delta
        return {}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dy = J_x dx + J_p dp``."""
        raise NotImplementedError

    def advance(self, state: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return the state after an accepted step whose forward left ``res``."""
        del res
        return state

    def keep(self, past: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return what is needed of the steps so far, after a forward that left ``res``.

        It becomes ``Context.past`` of the next piece. Examples lie on the first axis of the arrays.
        """
        del res
        return past

    def out_lengths(self, lengths: Any) -> Any:
        """Return how many steps of the output are each example's own (see ``Context``).

        None where it has no steps. What maps every step by itself keeps them.
        """
        return lengths[0] if isinstance(lengths, tuple) else lengths

    def multiply_adds(self, x: Specs) -> int:
        """Return the multiply-adds of one example's forward pass, for ``summary``."""
        del x
        return 0

    def __rshift__(self, other: Map) -> Map:
        """Compose: ``(f >> g)(x) = g(f(x))``."""
        from pullback.core.compose import Chain

        return Chain(*_parts(self), *_parts(other))


MAPS: Registry[Map] = Registry("map")


def _parts(m: Map) -> list[Map]:
    from pullback.core.compose import Chain

    if isinstance(m, Chain) and m.names == tuple(str(i) for i in range(len(m.maps))):
        return list(m.maps)
    return [m]


def check_rank(what: str, x: Specs, rank: int) -> None:
    """Raise ``ShapeError`` unless ``x`` is one array of at least ``rank`` axes an example."""
    if isinstance(x, tuple) or len(x.shape) < rank:
        raise ShapeError(
            f"{what} needs an input of at least {rank} axis an example besides the batch, found {x}"
        )


def init(net: Map, x: Any, seed: int = 0, dtype: str = "float32") -> tuple[Theta, dict[str, Any]]:
    """Allocate and start the parameters and the state of ``net``.

    Args:
        net: the map.
        x: a batch (only its shape without the first axis matters), or its ``Spec``.
        seed: names the random streams; each parameter has its own.
        dtype: of parameters and state.

    Returns:
        ``(p, state)``: named views over one vector ``p.flat``, and nested state arrays.

    Raises:
        ShapeError: ``net`` cannot take such an input.
    """
    from pullback.core.random import generator

    spec = spec_of(x)
    net.spec(spec)
    theta = Layout.of(net.params(spec)).zeros(dtype)
    for entry in theta.layout.entries:
        if not entry.alias:
            rng = generator(seed, entry.name, "init")
            values = entry.init.draw(rng, entry.shape)
            theta.flat[entry.start : entry.stop] = values.reshape(-1)
    state = map_leaves(lambda slot: np.full(slot.shape, slot.fill, dtype), net.state(spec))
    return theta, state
