"""Networks of sequences that are shorter in one batch than in another."""

from __future__ import annotations

from typing import Any

from pullback.core.context import Context
from pullback.core.errors import PullbackError
from pullback.core.map import Map, Params
from pullback.core.spec import Spec
from pullback.core.theta import Layout
from pullback.engine.lower import Lowered, Plan, lower
from pullback.maps.padded import Padded


def any_length(net: Map, x: Spec) -> bool:
    """Whether a network knows its sequences' lengths, and has the same parameters for any."""
    if not _knows_lengths(net) or not x.shape:
        return False
    try:
        net.spec(_with_steps(x, 1))
        shorter = Layout.of(net.params(_with_steps(x, 1)))
    except PullbackError:
        return False
    return shorter == Layout.of(net.params(x))


def _knows_lengths(net: Map) -> bool:
    return isinstance(net, Padded) or any(map(_knows_lengths, net.children().values()))


def _with_steps(x: Spec, steps: int) -> Spec:
    return Spec((steps, *x.shape[1:]), x.dtype)


class AnyLength(Lowered):
    """A network that is lowered anew for each number of steps, when the first such batch comes."""

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._nets: dict[int, Map] = {}

    def _net(self, steps: int) -> Map:
        if steps not in self._nets:
            plan = self.plan
            assert isinstance(plan.x, Spec)
            spec = _with_steps(plan.x, steps)
            self._nets[steps] = lower(self.source, spec, plan.batch_size, plan.input_gradient)
        return self._nets[steps]

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the outputs of the network for so many steps."""
        net = self._net(x.shape[1])
        y, res = net.forward(p, x, ctx)
        return y, (net, res)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull back through the same network."""
        net, own = res
        gx, delta = net.pullback(p, own, gy)
        return gx, delta

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what that network declares."""
        net, own = res
        found: dict[str, Any] = net.grads(p, own, delta)
        return found

    def advance(self, state: Any, res: Any) -> Any:
        """Advance as that network does."""
        net, own = res
        return net.advance(state, own)


def lower_sequences(net: Map, x: Spec, batch_size: int, sparse: bool = False) -> Map:
    """Return ``net`` lowered, for batches of any length where it can take them (``any_length``)."""
    if any_length(net, x):
        return AnyLength(net, Plan(x, batch_size, input_gradient=False))
    return lower(net, x, batch_size, sparse=sparse)
