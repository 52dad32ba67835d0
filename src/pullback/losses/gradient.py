"""Forward, error, backward: the first three of the textbook's five steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.spec import Array
from pullback.core.theta import Theta, write_gradient
from pullback.losses.base import Loss, mean_weights, term_weights


@dataclass(frozen=True)
class Pass:
    """What one forward and backward pass leaves.

    ``values (N,)`` are the losses of the examples, ``slope`` their derivatives by the outputs
    ``y``, ``weight (N,)`` what each counts in their mean (None: all alike) and ``share (N,)`` the
    cotangents of the values under that mean; ``residual`` is the network's, ``gx`` the cotangent of
    its input, where it makes one, and ``declared`` the gradients as contractions, whose examples
    are the gradients of their values times their share.
    """

    values: Array
    y: Array
    slope: Any
    residual: Any
    gx: Any
    declared: Mapping[str, Any]
    share: Array
    weight: Array | None = None


def forward_error_backward(
    net: Map,
    loss: Loss,
    p: Theta,
    x: Any,
    target: Array,
    gradient: Theta,
    ctx: Context,
    *,
    weight: Array | None = None,
    total: float | None = None,
    accumulate: bool = False,
    write: Callable[..., None] = write_gradient,
) -> Pass:
    """Write the gradient of the weighted mean loss into ``gradient``.

    Args:
        net, loss, p, x, target, ctx: the network, its loss, parameters, one batch, circumstances.
        gradient: where the result is written, or added with ``accumulate``.
        weight: ``(N,)`` weights of the examples; None weighs all alike.
        total: the sum of the weights of the whole batch, by ``term_weights``, where ``x`` is only
            a part of it.
        accumulate: add to ``gradient`` what is found.
        write: what writes the gradients that are declared.
    """
    # 1. Forward: the outputs, and what the way back needs.
    y, residual = net.forward(p, x, ctx)
    # 2. Error: one value an example.
    values, slope = loss.forward(y, target)
    # 3. Backward: the cotangent of the mean goes back through the loss and the network, and
    #    each parameter's gradient is the sum its map declares.
    weight = term_weights(loss, target, weight)
    share = mean_weights(y.shape[0], weight, y, total)
    gx, delta = net.pullback(p, residual, loss.pullback(slope, share))
    declared = net.grads(p, residual, delta)
    write(declared, gradient, accumulate)
    return Pass(values, y, slope, residual, gx, declared, share, weight)


def value_and_grad(net: Map, loss: Loss) -> Callable[..., tuple[float, Theta]]:
    """Return a function ``(p, x, target, ctx=None, weight=None) -> (mean loss, gradient)``.

    The gradient has the names of ``p`` over one vector, ``gradient.flat``. The default context
    is ``Context()``: not training, no state.
    """

    def compute(
        p: Theta, x: Any, target: Array, ctx: Context | None = None, weight: Array | None = None
    ) -> tuple[float, Theta]:
        gradient = Theta(p.layout, p.flat * 0)
        found = forward_error_backward(
            net, loss, p, x, target, gradient, ctx or Context(), weight=weight
        )
        weights = mean_weights(found.values.shape[0], found.weight, found.values)
        return float((weights * found.values).sum()), gradient

    return compute
