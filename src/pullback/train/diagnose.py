"""Where a NaN or an infinity came from: the step again, with every map watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import NonFiniteError
from pullback.core.map import Map, Params
from pullback.core.tap import tap
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import leaves
from pullback.losses.base import Loss, mean_weights, term_weights

ADVICE = "try a smaller learning rate, gradient clipping, or another start"


@dataclass
class FirstFault:
    """A listener that notes the first output, or cotangent, that is not finite."""

    found: str = ""

    def forward(self, path: str, net: Map, p: Params, x: Any, y: Any) -> None:
        """Look at what a map has made."""
        self._note(path, net, y, "forward")

    def backward(self, path: str, net: Map, p: Params, gy: Any, gx: Any, grads: Any) -> None:
        """Look at what a map has pulled back."""
        self._note(path, net, gx, "backward")

    def _note(self, path: str, net: Map, array: Any, direction: str) -> None:
        if not self.found and not _finite(array):
            layer = f"{path or 'of the network'} ({net.title})"
            self.found = f"in layer {layer}, {direction}"


def _finite(array: Any) -> bool:
    if isinstance(array, tuple):
        return all(_finite(part) for part in array)
    return bool(namespace(array).isfinite(array).all())


def explain_nonfinite(
    net: Map, loss: Loss, theta: Theta, x: Any, target: Any, ctx: Context
) -> NoReturn:
    """Take the step again in reference form and raise an error that names the place.

    Raises:
        NonFiniteError: always.
    """
    where = _place(net, loss, theta, x, target, ctx)
    raise NonFiniteError(
        f"step {ctx.step}: the numbers are no longer finite, first {where}; {ADVICE}"
    )


def _place(net: Map, loss: Loss, theta: Theta, x: Any, target: Any, ctx: Context) -> str:
    for path, values in leaves(theta):
        if not _finite(values):
            return f"in the parameter {'.'.join(path)}, before the step"
    if not _finite(x):
        return "in the input"
    fault = FirstFault()
    watched = tap(net, fault)
    y, res = watched.forward(theta, x, ctx)
    if fault.found:
        return fault.found
    values, slope = loss.forward(y, target)
    if not _finite(values):
        return f"in the loss ({type(loss).__name__}), forward"
    weights = mean_weights(y.shape[0], term_weights(loss, target, None), y)
    _, delta = watched.pullback(theta, res, loss.pullback(slope, weights))
    if fault.found:
        return fault.found
    gradient = theta.copy()
    write_gradient(watched.grads(theta, res, delta), gradient)
    for path, values in leaves(gradient):
        if not _finite(values):
            return f"in the gradient of {'.'.join(path)}, backward"
    return "in the loss, summed over the batch"
