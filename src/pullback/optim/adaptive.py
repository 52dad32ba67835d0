"""Rules that scale each parameter's step by the gradients it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pullback.core.arrays import library
from pullback.core.spec import Array
from pullback.optim.base import OPTIMIZERS, At, Rule, Segments, Slots, check


def _average(mean: Array, value: Array, decay: float, scratch: Array) -> None:
    """``mean <- decay mean + (1 - decay) value``; ``scratch`` may be ``value``."""
    xp = library(mean)
    xp.multiply(mean, decay, out=mean)
    xp.multiply(value, 1 - decay, out=scratch)
    xp.add(mean, scratch, out=mean)


@OPTIMIZERS.register
@dataclass(frozen=True)
class Adagrad(Rule):
    r""":math:`s \leftarrow s + g^2`, :math:`\theta \leftarrow \theta - \eta g/(\sqrt s+\epsilon)`.

    Duchi, Hazan, Singer, "Adaptive subgradient methods" (2011).
    """

    formula: ClassVar[str] = "s ← s + g², θ ← θ - η g / (√s + ε)"

    eps: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "eps", self.eps, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the sum of squares, and scratch."""
        xp = library(theta)
        return {"s": xp.zeros_like(theta), "_a": xp.empty_like(theta)}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Add the squares, and divide by their root."""
        xp = library(u)
        s, a = slots["s"], slots["_a"]
        xp.multiply(g, g, out=a)
        xp.add(s, a, out=s)
        xp.sqrt(s, out=a)
        xp.add(a, self.eps, out=a)
        xp.divide(g, a, out=u)
        xp.multiply(u, at.lr, out=u)


@OPTIMIZERS.register
@dataclass(frozen=True)
class Adadelta(Rule):
    r"""The step is the gradient in units of past steps over past gradients.

    :math:`s \leftarrow \rho s + (1-\rho) g^2`,
    :math:`d = \sqrt{(r+\epsilon)/(s+\epsilon)}\, g`,
    :math:`r \leftarrow \rho r + (1-\rho) d^2`,
    :math:`\theta \leftarrow \theta - \eta d`. Zeiler (2012), algorithm 1 (with ``lr`` 1).
    """

    formula: ClassVar[str] = (
        "s ← ρ s + (1-ρ) g², d = √((r + ε) / (s + ε)) g, r ← ρ r + (1-ρ) d², θ ← θ - η d"
    )

    lr: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "rho", self.rho, 0.0, 1.0)
        check(self, "eps", self.eps, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the means of squared gradients and squared steps, and scratch."""
        xp = library(theta)
        return {
            "s": xp.zeros_like(theta),
            "r": xp.zeros_like(theta),
            "_a": xp.empty_like(theta),
            "_b": xp.empty_like(theta),
        }

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance both means around the step."""
        xp = library(u)
        s, r, a, b = slots["s"], slots["r"], slots["_a"], slots["_b"]
        xp.multiply(g, g, out=a)
        _average(s, a, self.rho, a)
        xp.add(r, self.eps, out=a)
        xp.sqrt(a, out=a)
        xp.add(s, self.eps, out=b)
        xp.sqrt(b, out=b)
        xp.divide(a, b, out=a)
        xp.multiply(g, a, out=u)
        xp.multiply(u, u, out=a)
        _average(r, a, self.rho, a)
        xp.multiply(u, at.lr, out=u)


@OPTIMIZERS.register
@dataclass(frozen=True)
class RMSprop(Rule):
    r""":math:`s \leftarrow \rho s + (1-\rho) g^2`,
    :math:`\theta \leftarrow \theta - \eta g / (\sqrt s + \epsilon)`.

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning" (2012).
    """

    formula: ClassVar[str] = "s ← ρ s + (1-ρ) g², θ ← θ - η g / (√s + ε)"

    rho: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "rho", self.rho, 0.0, 1.0)
        check(self, "eps", self.eps, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the mean of squares, and scratch."""
        xp = library(theta)
        return {"s": xp.zeros_like(theta), "_a": xp.empty_like(theta)}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance the mean, and divide by its root."""
        xp = library(u)
        s, a = slots["s"], slots["_a"]
        xp.multiply(g, g, out=a)
        _average(s, a, self.rho, a)
        xp.sqrt(s, out=a)
        xp.add(a, self.eps, out=a)
        xp.divide(g, a, out=u)
        xp.multiply(u, at.lr, out=u)
