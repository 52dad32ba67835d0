"""Taps: a network that tells a listener what goes through its maps, and computes the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pullback.core.context import Context
from pullback.core.map import Map, Params


class Listener(Protocol):
    """What a tapped network talks to; the maps come in the order in which they finish."""

    def forward(self, path: str, net: Map, p: Params, x: Any, y: Any) -> None:
        """Map ``net`` at ``path`` has made ``y`` of ``x``."""

    def backward(self, path: str, net: Map, p: Params, gy: Any, gx: Any, grads: Any) -> None:
        """It has pulled ``gy`` back to ``gx``, and declares the gradients ``grads``."""


@dataclass(frozen=True)
class Tapped(Map):
    """A map and its listener."""

    source: Map
    path: str
    listener: Listener

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the source."""
        return self.source.with_memory

    def out_lengths(self, lengths: Any) -> Any:
        """Return those of the source."""
        return self.source.out_lengths(lengths)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the source, and tell."""
        y, res = self.source.forward(p, x, ctx)
        self.listener.forward(self.path, self.source, p, x, y)
        return y, res

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull back through the source, and tell."""
        gx, delta = self.source.pullback(p, res, gy)
        own = {} if self.source.children() else self.source.grads(p, res, delta)
        self.listener.backward(self.path, self.source, p, gy, gx, own)
        return gx, delta

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares."""
        return self.source.grads(p, res, delta)


def tap(net: Map, listener: Listener, path: str = "") -> Map:
    """Return ``net`` with a tap on every map, but for those that only hand on (no formulas)."""
    children = net.children()
    if not children:
        return Tapped(net, path, listener)
    inside = net.with_children(
        {
            name: tap(child, listener, f"{path}.{name}" if path else name)
            for name, child in children.items()
        }
    )
    return Tapped(inside, path, listener) if net.formulas else inside
