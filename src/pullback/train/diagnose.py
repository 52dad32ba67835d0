"""Where a NaN or an infinity came from: the step again, with every map watched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import NonFiniteError
from pullback.core.map import Map, Params
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import leaves
from pullback.losses.base import Loss, mean_weights

ADVICE = "try a smaller learning rate, gradient clipping, or another start"


@dataclass(frozen=True)
class Watched(Map):
    """A map that notes the first of its outputs, or of its cotangents, that is not finite."""

    source: Map
    path: str
    found: list[str] = field(default_factory=list)

    def _note(self, array: Any, direction: str) -> None:
        if not self.found and not _finite(array):
            layer = f"{self.path or 'of the network'} ({self.source.title})"
            self.found.append(f"in layer {layer}, {direction}")

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the source, and look at what it returns."""
        y, res = self.source.forward(p, x, ctx)
        self._note(y, "forward")
        return y, res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull back through the source, and look at what it returns."""
        gx, delta = self.source.pullback(p, res, gy)
        self._note(gx, "backward")
        return gx, delta

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares."""
        return self.source.grads(p, res, delta)


def _finite(array: Any) -> bool:
    if isinstance(array, tuple):
        return all(_finite(part) for part in array)
    return bool(np.isfinite(array).all())


def watch(net: Map, found: list[str], path: str = "") -> Map:
    """Return ``net`` with every map that has no children watched; notes go into ``found``."""
    children = net.children()
    if not children:
        return Watched(net, path, found)
    return net.with_children(
        {
            name: watch(child, found, f"{path}.{name}" if path else name)
            for name, child in children.items()
        }
    )


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
    found: list[str] = []
    watched = watch(net, found)
    y, res = watched.forward(theta, x, ctx)
    if found:
        return found[0]
    values, slope = loss.forward(y, target)
    if not _finite(values):
        return f"in the loss ({type(loss).__name__}), forward"
    _, delta = watched.pullback(theta, res, loss.pullback(slope, mean_weights(y.shape[0], None, y)))
    if found:
        return found[0]
    gradient = Theta(theta.layout, np.zeros_like(theta.flat))
    write_gradient(watched.grads(theta, res, delta), gradient)
    for path, values in leaves(gradient):
        if not _finite(values):
            return f"in the gradient of {'.'.join(path)}, backward"
    return "in the loss, summed over the batch"
