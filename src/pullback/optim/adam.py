"""Adam and its relatives, and Lion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullback.core.arrays import library
from pullback.core.spec import Array
from pullback.optim.base import (
    OPTIMIZERS,
    At,
    Rule,
    Segments,
    Slots,
    as_array,
    check,
    decayed_slices,
    root,
)
from pullback.optim.schedules import Schedule


class Moments(Rule):
    """Base of the rules that average the gradient (``m``) and its square (``v``)."""

    beta1: float
    beta2: float
    eps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "beta1", self.beta1, 0.0, 1.0)
        check(self, "beta2", self.beta2, 0.0, 1.0)
        check(self, "eps", self.eps, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return both moments, and scratch."""
        xp = library(theta)
        return {
            "m": xp.zeros_like(theta),
            "v": xp.zeros_like(theta),
            "_a": xp.empty_like(theta),
        }

    def _advance(self, g: Array, slots: Slots, scale: float) -> None:
        """Advance both moments; leave ``sqrt(v) / scale + eps`` in the scratch."""
        xp = library(g)
        m, v, a = slots["m"], slots["v"], slots["_a"]
        xp.multiply(g, g, out=a)
        xp.multiply(a, 1 - self.beta2, out=a)
        xp.multiply(v, self.beta2, out=v)
        xp.add(v, a, out=v)
        xp.multiply(g, 1 - self.beta1, out=a)
        xp.multiply(m, self.beta1, out=m)
        xp.add(m, a, out=m)
        xp.sqrt(v, out=a)
        xp.divide(a, scale, out=a)
        xp.add(a, self.eps, out=a)


def _adam(rule: Moments, g: Array, u: Array, slots: Slots, at: At) -> None:
    xp = library(u)
    t = at.step + 1
    rule._advance(g, slots, root(1 - rule.beta2**t))
    xp.divide(slots["m"], slots["_a"], out=u)
    xp.multiply(u, at.lr / (1 - rule.beta1**t), out=u)


@OPTIMIZERS.register
@dataclass(frozen=True)
class Adam(Moments):
    r"""Averages of the gradient and of its square, one over the root of the other.

    :math:`m \leftarrow \beta_1 m + (1-\beta_1) g`,
    :math:`v \leftarrow \beta_2 v + (1-\beta_2) g^2`,
    :math:`\theta \leftarrow \theta - \eta \hat m / (\sqrt{\hat v} + \epsilon)` with
    :math:`\hat m = m / (1 - \beta_1^t)` and :math:`\hat v = v / (1 - \beta_2^t)`. Kingma and Ba
    (2015), algorithm 1.
    """

    formula: ClassVar[str] = "m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², θ ← θ - η m̂ / (√v̂ + ε)"

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance the moments, and divide one by the root of the other."""
        _adam(self, g, u, slots, at)


class Decayed(Moments):
    """Base of the Adam rules with decoupled weight decay."""

    weight_decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "weight_decay", self.weight_decay, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return both moments, scratch, and where decay applies."""
        decayed = as_array(decayed_slices(segments))
        return {**super().init(theta, segments), "_decayed": decayed}


def add_decay(u: Array, slots: Slots, theta: Array, at: At, strength: float) -> None:
    """``u <- u + lr strength theta`` where decay applies; the scratch ``_a`` is used."""
    xp = library(u)
    if strength == 0:
        return
    for start, stop in slots["_decayed"]:
        a = slots["_a"][start:stop]
        xp.multiply(theta[start:stop], at.lr * strength, out=a)
        xp.add(u[start:stop], a, out=u[start:stop])


@OPTIMIZERS.register
@dataclass(frozen=True)
class AdamW(Decayed):
    r"""Adam, and :math:`\theta \leftarrow \theta - \eta \lambda \theta` beside it.

    Biases and the parameters of normalisation are not decayed. Loshchilov and Hutter,
    "Decoupled weight decay regularization" (2019), algorithm 2.
    """

    formula: ClassVar[str] = (
        "m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², θ ← θ - η m̂ / (√v̂ + ε) - η λ θ"
    )

    lr: float | Schedule = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Take Adam's step, and the decay."""
        _adam(self, g, u, slots, at)
        add_decay(u, slots, theta, at, self.weight_decay)


@OPTIMIZERS.register
@dataclass(frozen=True)
class NAdam(Moments):
    r"""Adam with Nesterov's look ahead.

    :math:`\mu_t = \beta_1 (1 - \frac12 0.96^{\psi t})` with ``psi = momentum_decay``,
    :math:`\theta \leftarrow \theta - \eta [\mu_{t+1} m / (1 - \prod_{i \le t+1} \mu_i)
    + (1-\mu_t) g / (1 - \prod_{i \le t} \mu_i)] / (\sqrt{\hat v} + \epsilon)`. Dozat (2016).
    """

    formula: ClassVar[str] = (
        "m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², θ ← θ - η (μ₊ m̂ + (1-μ) ĝ) / (√v̂ + ε)"
    )

    on_device: ClassVar[bool] = False  # the product of the momenta is on the host

    lr: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 0.004

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return both moments, scratch, and the product of the momenta so far."""
        return {**super().init(theta, segments), "product": np.ones(1)}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Advance the moments; combine the gradient with the moment of the next step."""
        xp = library(u)
        t = at.step + 1
        now, following = self._momentum(t), self._momentum(t + 1)
        slots["product"] *= now
        product = float(slots["product"][0])
        self._advance(g, slots, math.sqrt(1 - self.beta2**t))
        xp.multiply(g, at.lr * (1 - now) / (1 - product), out=u)
        xp.divide(u, slots["_a"], out=u)
        xp.divide(slots["m"], slots["_a"], out=slots["_a"])
        xp.multiply(slots["_a"], at.lr * following / (1 - product * following), out=slots["_a"])
        xp.add(u, slots["_a"], out=u)

    def _momentum(self, t: int) -> float:
        return float(self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay)))


@OPTIMIZERS.register
@dataclass(frozen=True)
class Lion(Rule):
    r""":math:`\theta \leftarrow \theta - \eta [\mathrm{sign}(\beta_1 m + (1-\beta_1) g)
    + \lambda\theta]`, then :math:`m \leftarrow \beta_2 m + (1-\beta_2) g`.

    Biases and the parameters of normalisation are not decayed. Chen and others, "Symbolic
    discovery of optimization algorithms" (2023), algorithm 2.
    """

    formula: ClassVar[str] = "θ ← θ - η (sign(β₁ m + (1-β₁) g) + λ θ), m ← β₂ m + (1-β₂) g"

    lr: float = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "beta1", self.beta1, 0.0, 1.0)
        check(self, "beta2", self.beta2, 0.0, 1.0)
        check(self, "weight_decay", self.weight_decay, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the moment, scratch, and where decay applies."""
        xp = library(theta)
        return {
            "m": xp.zeros_like(theta),
            "_a": xp.empty_like(theta),
            "_decayed": as_array(decayed_slices(segments)),
        }

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Take the sign of one average, and advance the other."""
        xp = library(u)
        m, a = slots["m"], slots["_a"]
        # With d = g - m, the step follows m + (1 - beta1) d and the new moment is
        # m + (1 - beta2) d, so that one scratch vector is enough.
        xp.subtract(g, m, out=u)
        xp.multiply(u, 1 - self.beta1, out=a)
        xp.add(a, m, out=a)
        xp.multiply(u, 1 - self.beta2, out=u)
        xp.add(m, u, out=m)
        xp.sign(a, out=u)
        xp.multiply(u, at.lr, out=u)
        add_decay(u, slots, theta, at, self.weight_decay)
