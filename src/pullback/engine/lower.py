"""Lowering: the same network, made of faster maps with the same protocol.

``lower`` replaces every map that has a kernel by a lowered one, which owns its buffers and
reuses them step after step; whatever has none stays as it is. A lowered map's outputs and
residuals live until its next forward pass. The reference form is the oracle of the lowered one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from pullback.core.arrays import empty
from pullback.core.compose import Chain
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.core.spec import Spec, Specs
from pullback.engine.blas import find_blas
from pullback.maps.shape import Rearrangement


@dataclass(frozen=True)
class Plan:
    """What a lowered map must know beforehand.

    ``x`` is the spec of its input, ``batch_size`` the most examples it will see at once, and
    ``input_gradient`` says whether anyone wants its ``gx``. ``before`` is the map
    whose output it gets in a chain, and ``following`` are those after it, in reference form.
    ``sparse`` says that most of the input is 0.
    """

    x: Specs
    batch_size: int
    input_gradient: bool
    before: Map | None = None
    following: tuple[Map, ...] = ()
    sparse: bool = False

    @property
    def after(self) -> Map | None:
        """The map that gets its output."""
        return self.following[0] if self.following else None

    def buffer(self, spec: Spec, dtype: str | None = None) -> np.ndarray:
        """Return an array for a whole batch of ``spec``."""
        return empty((self.batch_size, *spec.shape), dtype or spec.dtype)


class Lowered(Map):
    """Base of the lowered maps: ``source`` is the map it stands for."""

    jobs_only: bool = False
    """Whether all it computes is done by jobs, always the same ones on the same buffers."""

    def __init__(self, source: Map, plan: Plan) -> None:
        self.source = source
        self.plan = plan
        self._views: dict[int, tuple[int, np.ndarray]] = {}

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether this form can take the place of ``source``."""
        del source, plan
        return True

    def rows(self, buffer: np.ndarray, like: Any) -> np.ndarray:
        """Return as many rows of ``buffer`` as ``like`` has; the same array as the last time."""
        count = like.shape[0]
        if count == buffer.shape[0]:
            return buffer
        last, view = self._views.get(id(buffer), (-1, buffer))
        if last != count:
            view = buffer[:count]
            self._views[id(buffer)] = count, view
        return view

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the source."""
        return self.source.with_memory

    def out_lengths(self, lengths: Any) -> Any:
        """Return those of the source."""
        return self.source.out_lengths(lengths)

    def spec(self, x: Specs) -> Specs:
        """Return the source's output spec."""
        return self.source.spec(x)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the source's parameters."""
        return self.source.params(x)

    def state(self, x: Specs) -> dict[str, Any]:
        """Return the source's state."""
        return self.source.state(x)

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares."""
        return self.source.grads(p, res, delta)

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does."""
        return self.source.pushforward(p, res, dp, dx)

    def advance(self, state: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Advance as the source does."""
        return self.source.advance(state, res)


L = TypeVar("L", bound=type[Lowered])

DTYPES = ("float32", "float64")
"""What there are kernels for."""

KERNELS: dict[type[Map], type[Lowered]] = {}
"""Reference map to lowered map."""


def lowers(source: type[Map]) -> Callable[[L], L]:
    """Class decorator: the class is the lowered form of ``source``."""

    def enrol(cls: L) -> L:
        KERNELS[source] = cls
        return cls

    return enrol


COMPOSITES: dict[type[Map], Any] = {}
"""Reference composite to the lowered map around its lowered children."""


def lowers_composite(source: type[Map]) -> Callable[[L], L]:
    """Class decorator: the class takes the place of ``source``, whose children are lowered."""

    def enrol(cls: L) -> L:
        COMPOSITES[source] = cls
        return cls

    return enrol


class WithoutInputGradient(Lowered):
    """A map before the first parameter: its cotangent would be thrown away, so it is not made."""

    @property
    def jobs_only(self) -> bool:  # type: ignore[override]
        """Whether the source consists of jobs."""
        return consists_of_jobs(self.source)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the source."""
        return self.source.forward(p, x, ctx)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return nothing."""
        return None, None


def consists_of_jobs(net: Map) -> bool:
    """Whether all that a lowered network computes is done by jobs."""
    if isinstance(net, Chain):
        return all(consists_of_jobs(child) for child in net.maps)
    return isinstance(net, Lowered) and net.jobs_only


Form = Callable[..., Map]
"""What gives a map without children, or a composite with its own lowered, its form."""


def lower(
    net: Map, x: Specs, batch_size: int, input_gradient: bool = False, sparse: bool = False
) -> Map:
    """Return ``net`` with every map that has a kernel replaced by its lowered form.

    Args:
        net: the network in reference form.
        x: the spec of its input.
        batch_size: the most examples a batch will have.
        input_gradient: whether ``pullback`` must return the cotangent of ``x``; without it, it
            returns None for ``gx``.
        sparse: whether most of the input is 0: such terms are then left out of its product.
    """
    if find_blas() is None:  # what products are made with
        return net
    return lower_children(net, Plan(x, batch_size, input_gradient, sparse=sparse), _kernel)


def _kernel(net: Map, plan: Plan, built: Map | None = None) -> Map:
    inputs = plan.x if isinstance(plan.x, tuple) and net.with_memory else (plan.x,)
    known = all(isinstance(part, Spec) and part.dtype in DTYPES for part in inputs)
    if built is not None:
        around = COMPOSITES.get(type(net))
        known = known and isinstance(plan.x, Spec)
        return around(built, plan) if known and around and around.fits(net, plan) else built
    kernel = KERNELS.get(type(net))
    return kernel(net, plan) if known and kernel and kernel.fits(net, plan) else net


def lower_children(net: Map, plan: Plan, form: Form) -> Map:
    """Return ``net`` with what ``form`` gives for each of its maps, from the inside out.

    ``form(net, plan)`` is asked for maps without children, and ``form(net, plan, built)`` for
    composites, ``built`` being the same of lowered children; chains are walked through.
    """
    lowered = _faster(net, plan, form)
    if not plan.input_gradient and not net.params(plan.x):
        return WithoutInputGradient(lowered, plan)
    return lowered


def _faster(net: Map, plan: Plan, form: Form) -> Map:
    if isinstance(net, Chain):
        return _lower_chain(net, plan, form)
    if not net.children():
        return form(net, plan)
    of_each = net.inputs(plan.x)  # type: ignore[attr-defined]
    count = plan.batch_size * net.examples(plan.x)  # type: ignore[attr-defined]
    built = net.with_children(
        {
            name: lower_children(child, Plan(of_each[name], count, True), form)
            for name, child in net.children().items()
        }
    )
    return form(net, plan, built)


def _lower_chain(chain: Chain, plan: Plan, form: Form) -> Map:
    inputs = chain.inputs(plan.x)
    children, wanted, sparse = {}, plan.input_gradient, plan.sparse
    for i, (name, child) in enumerate(chain.children().items()):
        # a chain in a chain is as if its maps stood there
        before = [plan.before, *_flat(chain.maps[:i])][-1]
        following = (*_flat(chain.maps[i + 1 :]), *plan.following)
        own = Plan(inputs[name], plan.batch_size, wanted, before, following, sparse)
        children[name] = lower_children(child, own, form)
        sparse = sparse and isinstance(child, Rearrangement)
        wanted = wanted or bool(child.params(inputs[name]))
    return chain.with_children(children)


def _flat(maps: tuple[Map, ...]) -> tuple[Map, ...]:
    """Return the maps with those of chains in their place."""
    return tuple(each for m in maps for each in (_flat(m.maps) if isinstance(m, Chain) else (m,)))
