"""Gradient descent, with and without momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pullback.core.arrays import library
from pullback.core.spec import Array
from pullback.optim.base import OPTIMIZERS, At, Rule, Segments, Slots, check


class Descent(Rule):
    r"""Base: ``u = lr g``."""

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Multiply by the learning rate."""
        xp = library(u)
        xp.multiply(g, at.lr, out=u)


@OPTIMIZERS.register
@dataclass(frozen=True)
class SGD(Descent):
    r"""Stochastic gradient descent: :math:`\theta \leftarrow \theta - \eta g`.

    ``g`` is the gradient of a batch. Robbins and Monro (1951).
    """

    formula: ClassVar[str] = "θ ← θ - η g"


@OPTIMIZERS.register
@dataclass(frozen=True)
class GradientDescent(Descent):
    r"""Gradient descent: as ``SGD``, with ``g`` the gradient of all examples. Cauchy (1847)."""

    formula: ClassVar[str] = "θ ← θ - η g"

    full_batch: ClassVar[bool] = True


class Velocity(Rule):
    """Base of the rules that keep a velocity ``v``."""

    momentum: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "momentum", self.momentum, 0.0, 1.0)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the velocity, at rest."""
        xp = library(theta)
        return {"v": xp.zeros_like(theta)}

    def _advance(self, g: Array, v: Array) -> None:
        xp = library(g)
        xp.multiply(v, self.momentum, out=v)
        xp.add(v, g, out=v)


@OPTIMIZERS.register
@dataclass(frozen=True)
class Momentum(Velocity):
    r""":math:`v \leftarrow \mu v + g`, :math:`\theta \leftarrow \theta - \eta v`.

    Polyak (1964), with the learning rate outside the velocity.
    """

    formula: ClassVar[str] = "v ← μ v + g, θ ← θ - η v"

    momentum: float = 0.9

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance the velocity and follow it."""
        xp = library(u)
        self._advance(g, slots["v"])
        xp.multiply(slots["v"], at.lr, out=u)


@OPTIMIZERS.register
@dataclass(frozen=True)
class Nesterov(Velocity):
    r""":math:`v \leftarrow \mu v + g`, :math:`\theta \leftarrow \theta - \eta (g + \mu v)`.

    Nesterov (1983), in the form of Sutskever and others (2013) rewritten at the point where the
    gradient is taken.
    """

    formula: ClassVar[str] = "v ← μ v + g, θ ← θ - η (g + μ v)"

    momentum: float = 0.9

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the velocity and scratch."""
        xp = library(theta)
        return {**super().init(theta, segments), "_s": xp.empty_like(theta)}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance the velocity and look ahead along it."""
        xp = library(u)
        v, s = slots["v"], slots["_s"]
        self._advance(g, v)
        xp.multiply(v, self.momentum, out=s)
        xp.add(g, s, out=u)
        xp.multiply(u, at.lr, out=u)
