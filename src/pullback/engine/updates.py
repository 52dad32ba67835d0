"""Optimisers as jobs: the whole update in one pass over the vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.engine.lower import DTYPES
from pullback.engine.team import Job
from pullback.optim import EMA, SGD, Adam, AdamW, GradientDescent, Momentum, Nesterov, Optimizer
from pullback.optim.base import At, Chained, Rule, Segments, Slots
from pullback.optim.schedules import Schedule

WORK = 2
"""Multiply-adds that the update of one parameter is worth."""


@dataclass(frozen=True)
class Form:
    """How a rule is a kernel: its name, the slots it changes, and its numbers at a step."""

    kernel: str
    slots: tuple[str, ...]
    numbers: Callable[[Any, int, float], tuple[float, ...]]


def _adam(rule: Any, step: int, lr: float) -> tuple[float, ...]:
    t = step + 1
    corrected, scale = lr / (1 - rule.beta1**t), math.sqrt(1 - rule.beta2**t)
    decay = lr * getattr(rule, "weight_decay", 0.0)
    return corrected, scale, rule.eps, rule.beta1, rule.beta2, decay


DESCENT = Form("descent", (), lambda rule, step, lr: (lr,))
ADAM = Form("adam", ("m", "v", "_runs"), _adam)
FORMS: dict[type[Rule], Form] = {
    SGD: DESCENT,
    GradientDescent: DESCENT,
    Momentum: Form("momentum", ("v",), lambda rule, step, lr: (lr, rule.momentum)),
    Nesterov: Form("nesterov", ("v",), lambda rule, step, lr: (lr, rule.momentum)),
    Adam: ADAM,
    AdamW: ADAM,
}


class LoweredRule(Optimizer):
    """A rule whose update is a job; it keeps what the rule keeps, but for the scratch."""

    def __init__(self, source: Rule, dtype: str) -> None:
        from pullback.engine.kernels import updates

        self.source, self._form = source, FORMS[type(source)]
        kernel = getattr(updates, self._form.kernel)
        numbers = len(self._form.numbers(source, 0, 0.0))
        arrays = 2 + len(self._form.slots)
        self.job = Job(kernel, dtype, arrays, numbers=numbers, work=WORK)

    def schedule(self) -> Schedule:
        """Return the rule's schedule."""
        return self.source.schedule()

    def init(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return the rule's slots, and where decay applies if its kernel asks."""
        slots = {k: v for k, v in self.source.init(theta, segments).items() if k[0] != "_"}
        if "_runs" in self._form.slots:
            decays = type(self.source) is AdamW
            slots["_runs"] = _runs(segments if decays else (), theta.size)
        return slots

    def start(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return all slots."""
        slots = super().start(theta, segments)
        del slots["_u"]
        return slots

    def update(self, gradient: np.ndarray, slots: Slots, theta: np.ndarray, step: int) -> float:
        """Update ``theta`` in place from ``gradient``; return the learning rate used."""
        at = At(step, self.lr_at(step, slots))
        self.move(gradient, slots, theta, at)
        return float(at.lr)

    def numbers(self, at: At) -> tuple[float, ...]:
        """Return the numbers of the job at a step and a learning rate."""
        return self._form.numbers(self.source, at.step, at.lr)

    def move(self, gradient: np.ndarray, slots: Slots, theta: np.ndarray, at: At) -> None:
        """Update ``theta`` in place at a given learning rate."""
        self.job.numbers[:] = self.numbers(at)
        self.job(theta.size, theta, gradient, *[slots[name] for name in self._form.slots])


def _runs(segments: Segments, size: int) -> np.ndarray:
    """Return the number of rows, then (start, stop, whether decay applies) of each."""
    rows = [(s.start, s.stop, int(s.decay)) for s in segments] or [(0, size, 0)]
    return np.array([len(rows), *(number for row in rows for number in row)], np.int64)


class LoweredChain(Optimizer):
    """A chain whose rule is lowered; nothing after the rule changes the step."""

    def __init__(self, source: Chained, dtype: str) -> None:
        self.source, kinds = source, list(source.transforms)
        at = next(i for i, transform in enumerate(kinds) if isinstance(transform, Optimizer))
        self._rule = LoweredRule(kinds[at], dtype)  # type: ignore[arg-type]
        kinds[at] = self._rule
        self._chain = Chained(tuple(kinds))

    def schedule(self) -> Schedule:
        """Return the rule's schedule."""
        return self._rule.schedule()

    def init(self, theta: np.ndarray, segments: Segments) -> Slots:
        """Return every transform's slots."""
        return self._chain.init(theta, segments)

    def averaged(self, slots: Slots) -> np.ndarray | None:
        """Return the average that one of the transforms keeps."""
        return self._chain.averaged(slots)

    def update(self, gradient: np.ndarray, slots: Slots, theta: np.ndarray, step: int) -> float:
        """Update ``theta`` in place from ``gradient``; return the learning rate used."""
        at = At(step, self.lr_at(step, slots))
        for transform, own in self._chain.each(slots):
            if transform is self._rule:
                self._rule.move(gradient, own, theta, at)
                break
            transform.apply(gradient, slots["_u"], own, theta, at)
            gradient = slots["_u"]
        self._chain.after(slots, theta)
        return float(at.lr)


def lower_optimizer(optimizer: Optimizer, dtype: str) -> Optimizer:
    """Return the lowered form of ``optimizer`` for parameters of ``dtype``, or itself."""
    if dtype not in DTYPES:
        return optimizer
    if type(optimizer) in FORMS:
        return LoweredRule(optimizer, dtype)  # type: ignore[arg-type]
    if isinstance(optimizer, Chained):
        kinds = [type(t) for t in optimizer.transforms]
        rule = next(i for i, kind in enumerate(kinds) if issubclass(kind, Optimizer))
        if kinds[rule] in FORMS and all(kind is EMA for kind in kinds[rule + 1 :]):
            return LoweredChain(optimizer, dtype)
    return optimizer
