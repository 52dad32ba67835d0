"""What is done to a gradient before the rule, to the step after it, or beside both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullback.core.arrays import astype, copy, library, namespace
from pullback.core.spec import Array
from pullback.optim.base import (
    TRANSFORMS,
    At,
    Segments,
    Slots,
    Transform,
    as_array,
    check,
    decayed_slices,
)


@TRANSFORMS.register
@dataclass(frozen=True)
class ClipValue(Transform):
    """Every entry of the gradient into ``[-limit, limit]``."""

    formula: ClassVar[str] = "g ← g cut to ±limit"

    limit: float

    def __post_init__(self) -> None:
        check(self, "limit", self.limit, 0.0, None)

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Clip."""
        xp = library(u)
        xp.clip(g, -self.limit, self.limit, out=u)


@TRANSFORMS.register
@dataclass(frozen=True)
class ClipNorm(Transform):
    """Each parameter's gradient, where its norm is above ``limit``, scaled down to it."""

    formula: ClassVar[str] = "g ← g limit / |g| for each parameter where |g| > limit"

    limit: float

    def __post_init__(self) -> None:
        check(self, "limit", self.limit, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return where each parameter lies."""
        return {"_segments": as_array(tuple(slice(s.start, s.stop) for s in segments))}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Clip parameter by parameter."""
        for start, stop in slots["_segments"]:
            _to_norm(g[start:stop], u[start:stop], self.limit)


@TRANSFORMS.register
@dataclass(frozen=True)
class ClipGlobalNorm(Transform):
    """The whole gradient, where its norm is above ``limit``, scaled down to it.

    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """

    formula: ClassVar[str] = "g ← g limit / |g| where |g| > limit"

    limit: float

    def __post_init__(self) -> None:
        check(self, "limit", self.limit, 0.0, None)

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Clip the vector."""
        _to_norm(g, u, self.limit)


def _to_norm(g: Array, u: Array, limit: float) -> None:
    if not isinstance(g, np.ndarray):  # without waiting for the device
        xp = namespace(g)
        size = xp.linalg.vector_norm(astype(g, "float64"))
        library(u).multiply(g, xp.where(size > limit, limit / size, 1.0), out=u)
        return
    norm = math.sqrt(float(np.dot(g, g)))
    if math.isinf(norm):  # the sum of squares is too large for the dtype, the norm may not be
        norm = float(np.linalg.norm(g.astype(np.float64)))
    np.multiply(g, limit / norm if norm > limit else 1.0, out=u)


@dataclass(frozen=True)
class Penalty(Transform):
    """Base of what pulls the decayed parameters (not biases, not normalisation) towards 0."""

    strength: float

    def __post_init__(self) -> None:
        check(self, "strength", self.strength, 0.0, None)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return where decay applies, and scratch."""
        xp = library(theta)
        return {"_decayed": as_array(decayed_slices(segments)), "_a": xp.empty_like(theta)}

    def pull(self, theta: Array, at: At, out: Array) -> None:
        """Write what is added to the direction."""
        raise NotImplementedError

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Add the pull where decay applies."""
        xp = library(u)
        super().apply(g, u, slots, theta, at)
        for start, stop in slots["_decayed"]:
            a = slots["_a"][start:stop]
            self.pull(theta[start:stop], at, a)
            xp.add(u[start:stop], a, out=u[start:stop])


@TRANSFORMS.register
@dataclass(frozen=True)
class L1(Penalty):
    r"""Before a rule: the gradient of :math:`\lambda \sum |\theta|`, ``lambda sign(theta)``."""

    formula: ClassVar[str] = "g ← g + λ sign(θ)"

    def pull(self, theta: Array, at: At, out: Array) -> None:
        """Write ``lambda sign(theta)``."""
        xp = library(theta)
        xp.sign(theta, out=out)
        xp.multiply(out, self.strength, out=out)


@TRANSFORMS.register
@dataclass(frozen=True)
class L2(Penalty):
    r"""Before a rule: the gradient of :math:`\frac\lambda2 \sum \theta^2`, ``lambda theta``."""

    formula: ClassVar[str] = "g ← g + λ θ"

    def pull(self, theta: Array, at: At, out: Array) -> None:
        """Write ``lambda theta``."""
        xp = library(theta)
        xp.multiply(theta, self.strength, out=out)


@TRANSFORMS.register
@dataclass(frozen=True)
class DecoupledDecay(Penalty):
    r"""After a rule: :math:`\theta \leftarrow \theta - \eta \lambda \theta` beside its step.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
    """

    formula: ClassVar[str] = "θ ← θ - η λ θ"

    def pull(self, theta: Array, at: At, out: Array) -> None:
        """Write ``lr lambda theta``."""
        xp = library(theta)
        xp.multiply(theta, at.lr * self.strength, out=out)


@TRANSFORMS.register
@dataclass(frozen=True)
class EMA(Transform):
    r"""An exponential moving average of the parameters, which is what gets evaluated.

    :math:`a_t = d_t a_{t-1} + (1 - d_t) \theta_t` with
    :math:`d_t = \min(\mathrm{decay}, (1 + t) / (10 + t))`, so that the start is soon forgotten.
    Polyak and Juditsky (1992).
    """

    formula: ClassVar[str] = "a ← d a + (1-d) θ"

    on_device: ClassVar[bool] = False  # the count of updates is on the host

    decay: float = 0.999

    def __post_init__(self) -> None:
        check(self, "decay", self.decay, 0.0, 1.0)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the average, the count of updates, and scratch."""
        xp = library(theta)
        return {"average": copy(theta), "count": np.zeros(1), "_a": xp.empty_like(theta)}

    def after(self, slots: Slots, theta: Array) -> None:
        """Move the average towards the parameters."""
        xp = library(theta)
        slots["count"] += 1
        t = float(slots["count"][0])
        decay = min(self.decay, (1 + t) / (10 + t))
        average, a = slots["average"], slots["_a"]
        xp.subtract(theta, average, out=a)
        xp.multiply(a, 1 - decay, out=a)
        xp.add(average, a, out=average)

    def averaged(self, slots: Slots) -> Array | None:
        """Return the average."""
        return slots["average"]
