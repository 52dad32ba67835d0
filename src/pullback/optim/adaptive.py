"""Rules that scale each parameter's step by the gradients it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullback.optim.base import OPTIMIZERS, At, Rule, Segments, Slots, check


def _average(mean: np.ndarray, value: np.ndarray, decay: float, scratch: np.ndarray) -> None:
    """``mean <- decay mean + (1 - decay) value``; ``scratch`` may be ``value``."""
    np.multiply(mean, decay, out=mean)
    np.multiply(value, 1 - decay, out=scratch)
    np.add(mean, scratch, out=mean)


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

    def init(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return the sum of squares, and scratch."""
        return {"s": np.zeros_like(theta), "_a": np.empty_like(theta)}

    def apply(self, g: np.ndarray, u: np.ndarray, slots: Slots, theta: np.ndarray, at: At) -> None:
        """Add the squares, and divide by their root."""
        s, a = slots["s"], slots["_a"]
        np.multiply(g, g, out=a)
        np.add(s, a, out=s)
        np.sqrt(s, out=a)
        np.add(a, self.eps, out=a)
        np.divide(g, a, out=u)
        np.multiply(u, at.lr, out=u)


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

    def init(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return the means of squared gradients and squared steps, and scratch."""
        return {
            "s": np.zeros_like(theta),
            "r": np.zeros_like(theta),
            "_a": np.empty_like(theta),
            "_b": np.empty_like(theta),
        }

    def apply(self, g: np.ndarray, u: np.ndarray, slots: Slots, theta: np.ndarray, at: At) -> None:
        """Advance both means around the step."""
        s, r, a, b = slots["s"], slots["r"], slots["_a"], slots["_b"]
        np.multiply(g, g, out=a)
        _average(s, a, self.rho, a)
        np.add(r, self.eps, out=a)
        np.sqrt(a, out=a)
        np.add(s, self.eps, out=b)
        np.sqrt(b, out=b)
        np.divide(a, b, out=a)
        np.multiply(g, a, out=u)
        np.multiply(u, u, out=a)
        _average(r, a, self.rho, a)
        np.multiply(u, at.lr, out=u)


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

    def init(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return the mean of squares, and scratch."""
        return {"s": np.zeros_like(theta), "_a": np.empty_like(theta)}

    def apply(self, g: np.ndarray, u: np.ndarray, slots: Slots, theta: np.ndarray, at: At) -> None:
        """Advance the mean, and divide by its root."""
        s, a = slots["s"], slots["_a"]
        np.multiply(g, g, out=a)
        _average(s, a, self.rho, a)
        np.sqrt(s, out=a)
        np.add(a, self.eps, out=a)
        np.divide(g, a, out=u)
        np.multiply(u, at.lr, out=u)
