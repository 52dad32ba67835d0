r"""K-FAC: descent along the natural gradient, with the Fisher matrix as Kronecker factors.

The Fisher matrix of the model is taken for block-diagonal, each block for
:math:`A \otimes B` (see ``blocks``), so that its inverse times the gradient is
:math:`A^{-1} G B^{-1}`. Martens and Grosse, "Optimizing neural networks with Kronecker-factored
approximate curvature" (2015); of convolutions, Grosse and Martens (2016); of other shared weights,
Eschenhagen and others (2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import astype, full, library, namespace
from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.core.spec import Array
from pullback.extend.blocks import Block, blocks_of, factors_of
from pullback.extend.evidence import Evidence
from pullback.extend.kronecker import check_sharing
from pullback.optim.base import OPTIMIZERS, At, Rule, Segments, Slots, as_array, check
from pullback.optim.schedules import Schedule

TEXT = {
    "every": "KFAC: {name}={value!r}; expected a whole number of at least 1",
    "multiple": "KFAC: inverses_every={inverses}; expected a multiple of factors_every={factors}, "
    "as inverses change with the factors",
    "singular": "KFAC: a factor of the Fisher matrix has no inverse; give damping above 0",
}


@OPTIMIZERS.register
@dataclass(frozen=True)
class KFAC(Rule):
    r"""The natural gradient with Kronecker factors, damped and amortised.

    Every ``factors_every`` steps, of a root of the Fisher matrix that is drawn from the model (one
    more pullback), for each block

    :math:`A \leftarrow \rho A + (1-\rho) A_t`, :math:`B \leftarrow \rho B + (1-\rho) B_t` with
    :math:`\rho = \min(1 - 1/k, \text{decay})` at the ``k``-th time, and every ``inverses_every``
    steps their damped inverses, with :math:`\pi^2 = \overline{\mathrm{tr}}\,A /
    \overline{\mathrm{tr}}\,B` (mean diagonals). In each step, with the gradient's block ``G``,

    :math:`\Delta = (A + \pi \sqrt\lambda I)^{-1}\, G\, (B + \pi^{-1} \sqrt\lambda I)^{-1}`,
    :math:`\nu = \min(1, \sqrt{c / (\eta^2 \Delta^T g)})`,
    :math:`v \leftarrow \mu v + \nu \Delta`, :math:`\theta \leftarrow \theta - \eta v`.

    Parameters in no block (scales of normalisation, tables that are looked up, grouped
    convolutions, weights that are used in several places) have the diagonal ``d`` of their Fisher
    matrix instead, :math:`\Delta = g / (d + \lambda)`.

    Martens and Grosse (2015), sections 5, 6.3 and 6.6; the limit of a step, ``c``, by Ba, Grosse,
    Martens, "Distributed second-order optimization using Kronecker-factored approximations" (2017).

    Args:
        lr: the learning rate, a number or a schedule.
        momentum: of the velocity ``v``.
        damping: :math:`\lambda`, in the unit of the curvature: loss over a parameter squared.
        decay: of the averages, at most.
        clip: ``c``, the most that :math:`\eta^2 \Delta^T g`, twice the divergence in nats that the
            step makes in the model's second order, may be; None: no limit.
        factors_every: steps from one look at the curvature to the next.
        inverses_every: steps from one inversion to the next.
        sharing: ``"expand"`` or ``"reduce"``, where positions share a weight.

    Raises:
        ConfigError: in ``fit``, for a loss that has no random root of its curvature, for a map that
            couples the examples of a batch, or where a factor has no inverse.
    """

    formula: ClassVar[str] = "v ← μ v + ν (A + π√λ)⁻¹ G (B + √λ/π)⁻¹, θ ← θ - η v"

    on_device: ClassVar[bool] = False  # the blocks are described on the host

    lr: float | Schedule = 0.3
    momentum: float = 0.5
    damping: float = 0.01
    decay: float = 0.95
    clip: float | None = 0.01
    factors_every: int = 5
    inverses_every: int = 20
    sharing: str = "expand"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "momentum", self.momentum, 0.0, 1.0)
        check(self, "damping", self.damping, 0.0, None)
        check(self, "decay", self.decay, 0.0, 1.0)
        if self.clip is not None:
            check(self, "clip", self.clip, 0.0, None)
        for name in ("factors_every", "inverses_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(TEXT["every"].format(name=name, value=value))
        if self.inverses_every % self.factors_every:
            raise ConfigError(
                TEXT["multiple"].format(inverses=self.inverses_every, factors=self.factors_every)
            )
        check_sharing("KFAC", self.sharing)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the velocity and the diagonal, which is that of all parameters so far."""
        xp = library(theta)
        return {
            "v": xp.zeros_like(theta),
            "diagonal": xp.zeros_like(theta),
            "_natural": xp.empty_like(theta),
            "_rest": as_array((slice(0, len(theta)),)),
        }

    def due(self, step: int) -> bool:
        """Whether the factors are to be refreshed."""
        return step % self.factors_every == 0

    def fitted(self, evidence: Evidence) -> Slots:
        """Return room for the factors and their inverses, and what is in no block."""
        found, theta = blocks_of(evidence), evidence.p.flat
        rest = tuple(slice(entry.start, entry.stop) for entry, _ in found.rest)
        slots = {"_rest": as_array(rest)}
        for i, (block, _) in enumerate(found.blocks):
            slots[f"_{i}.block"] = block.kept()
            for side, size in zip(("left", "right"), block.sizes, strict=True):
                slots[f"{i}.{side}"] = full((size, size), 0.0, theta)
                slots[f"{i}.{side}_inverse"] = full((size, size), 0.0, theta)
        return slots

    def look(self, evidence: Evidence, slots: Slots) -> None:
        """Refresh the averages of the curvature, and the inverses in their turn."""
        ctx = evidence.ctx
        rho = min(1 - 1 / (1 + ctx.step // self.factors_every), self.decay)
        root = evidence.loss.random_root(
            evidence.found.y, evidence.target, generator(ctx.seed, "kfac", step=ctx.step)
        )
        found = blocks_of(evidence.pulled(root))
        for i, (block, pair) in enumerate(found.blocks):
            factors = factors_of(block, pair, evidence.share, self.sharing)
            for side, factor in zip(("left", "right"), factors, strict=True):
                _average(slots[f"{i}.{side}"], factor, rho)
        for entry, contraction in found.rest:
            squares = contraction.sq_sum(evidence.share).reshape(-1)
            _average(slots["diagonal"][entry.start : entry.stop], squares, rho)
        if ctx.step % self.inverses_every == 0:
            self._invert(slots)

    def _invert(self, slots: Slots) -> None:
        for i, _ in _blocks(slots):
            left, right = slots[f"{i}.left"], slots[f"{i}.right"]
            pi = _balance(left, right)
            slots[f"{i}.left_inverse"][...] = _inverse(left, pi * self.damping**0.5)
            slots[f"{i}.right_inverse"][...] = _inverse(right, self.damping**0.5 / pi)

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Multiply by the inverses, limit the step, and follow the velocity."""
        xp, natural, v = library(u), slots["_natural"], slots["v"]
        for start, stop in slots["_rest"]:
            part = natural[start:stop]
            xp.add(slots["diagonal"][start:stop], self.damping, out=part)
            xp.clip(part, xp.finfo(part.dtype).tiny, None, out=part)
            xp.divide(g[start:stop], part, out=part)
        for i, block in _blocks(slots):
            left, right = slots[f"{i}.left_inverse"], slots[f"{i}.right_inverse"]
            block.write(left @ block.matrix(g) @ right, natural)
        xp.multiply(natural, self._limit(at.lr, float(xp.dot(natural, g))), out=natural)
        xp.multiply(v, self.momentum, out=v)
        xp.add(v, natural, out=v)
        xp.multiply(v, at.lr, out=u)

    def _limit(self, lr: float, decrease: float) -> float:
        """Return what a step is multiplied by so that it is not too far."""
        size = lr * lr * decrease
        return 1.0 if self.clip is None or size <= self.clip else float((self.clip / size) ** 0.5)


def _blocks(slots: Slots) -> Iterator[tuple[int, Block]]:
    """Return the blocks, numbered."""
    i = 0
    while (kept := slots.get(f"_{i}.block")) is not None:
        yield i, Block.read(kept)
        i += 1


def _average(mean: Array, new: Any, rho: float) -> None:
    mean *= rho
    mean += (1 - rho) * new


def _balance(left: Array, right: Array) -> float:
    """Return the root of the quotient of the mean diagonals: how the damping is divided."""
    a, b = (float(library(side).trace(side)) / len(side) for side in (left, right))
    return float((a / b) ** 0.5) if a > 0 and b > 0 else 1.0


def _inverse(factor: Array, damping: float) -> Array:
    """Return the inverse of the factor and so many times the identity, worked out in float64."""
    damped = astype(factor, "float64")
    xp = namespace(damped)
    damped = damped + damping * xp.eye(len(damped), dtype=damped.dtype, device=damped.device)
    try:
        return xp.linalg.inv(damped)
    except library(factor).linalg.LinAlgError:
        raise ConfigError(TEXT["singular"]) from None
