"""What a training step costs, worked out from the shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pullback.core.compose import Chain
from pullback.core.map import Map
from pullback.core.spec import Spec, Specs
from pullback.core.theta import Layout


@dataclass(frozen=True)
class Cost:
    """Multiply-adds and bytes of one training step."""

    multiply_adds: int
    bytes: int


def step_cost(net: Map, x: Spec, batch_size: int) -> Cost:
    r"""Return the cost of a step on ``batch_size`` examples of spec ``x``, without the optimiser.

    A map of :math:`m` multiply-adds an example, as ``Map.multiply_adds`` counts them, does
    :math:`m` in the forward pass, :math:`m` for the gradient of its parameters if it has any, and
    :math:`m` for the cotangent of its input if a map before it has parameters. Bytes are those of
    the parameters and their gradient, and, for every example, of the input and of each map's
    output and its cotangent; a lowered network needs fewer where maps share a pass.
    """
    adds, numbers = _of_example(net, x, False)
    parameters = Layout.of(net.params(x)).size
    item = np.dtype(x.dtype).itemsize
    return Cost(batch_size * adds, item * (2 * parameters + batch_size * (x.size + numbers)))


def _of_example(net: Map, x: Specs, wanted: bool) -> tuple[int, int]:
    """Return multiply-adds, and numbers in outputs and cotangents; ``wanted``: whether of ``x``."""
    children = net.children()
    if not children:
        own = bool(net.params(x))
        kept = _size(net.spec(x)) + (_size(x) if wanted else 0)
        return net.multiply_adds(x) * (1 + own + wanted), kept
    inputs, adds, numbers = net.inputs(x), 0, 0  # type: ignore[attr-defined]
    wanted = wanted or not isinstance(net, Chain)  # as it is lowered
    for name, child in children.items():
        more_adds, more_numbers = _of_example(child, inputs[name], wanted)
        adds, numbers = adds + more_adds, numbers + more_numbers
        wanted = wanted or bool(child.params(inputs[name]))
    return adds, numbers


def _size(x: Specs) -> int:
    return sum(_size(part) for part in x) if isinstance(x, tuple) else int(x.size)
