"""Updates of tensors by the fused kernels of PyTorch, over the whole vector of parameters."""

from __future__ import annotations

from typing import Any

import torch

from pullback.optim import SGD, Adam, AdamW, Optimizer
from pullback.optim.base import At, Segments, Slots
from pullback.optim.schedules import Schedule


class FusedRule(Optimizer):
    """``SGD``, ``Adam`` or ``AdamW`` in one pass; it keeps what the rule keeps, but for scratch."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def schedule(self) -> Schedule:
        """Return the rule's schedule."""
        found: Schedule = self.source.schedule()
        return found

    def init(self, theta: Any, segments: Segments) -> Slots:
        """Return the rule's slots."""
        kept = self.source.init(theta, segments)
        return {k: v for k, v in kept.items() if k[0] != "_" or k == "_decayed"}

    def start(self, theta: Any, segments: Segments) -> Slots:
        """Return all slots."""
        slots = super().start(theta, segments)
        del slots["_u"]
        return slots

    def update_at(self, gradient: Any, slots: Slots, theta: Any, at: At) -> None:
        """Update ``theta`` in place at a moment that is known."""
        if type(self.source) is SGD:
            theta.sub_(gradient, alpha=at.lr)
            return
        rule = self.source
        decay = getattr(rule, "weight_decay", 0.0)
        for strength, runs in _runs(slots.get("_decayed", ()), len(theta)):
            vectors = [
                [vector[start:stop] for start, stop in runs]
                for vector in (theta, gradient, slots["m"], slots["v"])
            ]
            # the count of this update, from 1 on, for every run
            counts = [torch.tensor(at.step + 1.0, device=theta.device)] * len(runs)
            torch.ops.aten._fused_adamw_(
                *vectors, [], counts, lr=at.lr, beta1=rule.beta1, beta2=rule.beta2, eps=rule.eps,
                weight_decay=decay * strength, amsgrad=False, maximize=False,
            )  # fmt: skip


def _runs(decayed: Any, size: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return the runs of ``size`` numbers that decay, as 1, and those that do not, as 0."""
    inside = [(int(start), int(stop)) for start, stop in decayed]
    edges = [0, *(edge for run in inside for edge in run), size]
    outside = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    return [(strength, runs) for strength, runs in ((1, inside), (0, outside)) if runs]


def lower_tensor_optimizer(optimizer: Optimizer) -> Optimizer:
    """Return the form of ``optimizer`` on tensors, or ``optimizer`` where there is none."""
    return FusedRule(optimizer) if type(optimizer) in (SGD, Adam, AdamW) else optimizer
