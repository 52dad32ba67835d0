"""Schedules: the learning rate as a function of the step.

``steps`` counts updates; a number between 0 and 1 is a share of the whole run, which ``fit``
fills in through ``bind``, as it does for lengths left at None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.registry import Registry

Slots = dict[str, np.ndarray]
Length = int | float | None


class Schedule:
    """Base: ``value(step)`` is the learning rate of the update after ``step`` others."""

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        raise NotImplementedError

    def init(self) -> Slots:
        """Return what the schedule keeps: nothing, unless it depends on what it observes."""
        return {}

    def observe(self, slots: Slots, monitored: float) -> None:
        """Take the monitored loss of a finished epoch."""

    def bind(self, total_steps: int, steps_per_epoch: int) -> Any:
        """Return the schedule with its lengths in steps."""
        del total_steps, steps_per_epoch
        return self


SCHEDULES: Registry[Schedule] = Registry("schedule", endings=("Decay", "LR"))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _fail(owner: Schedule, name: str, value: object, expected: str) -> NoReturn:
    raise ConfigError(f"{type(owner).__name__}: {name}={value!r}; expected {expected}")


def _positive(owner: Schedule, **values: float) -> None:
    for name, value in values.items():
        if not _number(value) or not value > 0:
            _fail(owner, name, value, "a number above 0")


def _not_negative(owner: Schedule, **values: float) -> None:
    for name, value in values.items():
        if not _number(value) or not value >= 0:
            _fail(owner, name, value, "a number of at least 0")


def _check_length(owner: Schedule, name: str, steps: Length) -> None:
    """Raise unless ``steps`` is None, a whole number of at least 1, or a share up to 1.0."""
    whole = isinstance(steps, int)
    if steps is None or (_number(steps) and (steps >= 1 if whole else 0 < steps <= 1)):
        return
    _fail(owner, name, steps, "whole steps, at least 1, or a share of the run up to 1.0")


def _length(owner: Schedule, steps: Length) -> int:
    if not isinstance(steps, int):
        raise ConfigError(
            f"{type(owner).__name__}: its length in steps is not known; give it as a whole "
            "number, or let fit fill it in"
        )
    return steps


def _bound(steps: Length, default: int, total_steps: int) -> int:
    if steps is None:
        return default
    return max(1, round(steps * total_steps)) if isinstance(steps, float) else steps


@SCHEDULES.register
@dataclass(frozen=True)
class ConstantLR(Schedule):
    """``lr`` at every step."""

    lr: float

    def __post_init__(self) -> None:
        _not_negative(self, lr=self.lr)

    def value(self, step: int, slots: Slots) -> float:
        """Return ``lr``."""
        return self.lr


@SCHEDULES.register
@dataclass(frozen=True)
class StepDecay(Schedule):
    """``lr * factor^floor(step / every)``; ``every`` None: a third of the run."""

    lr: float
    factor: float = 0.1
    every: Length = None

    def __post_init__(self) -> None:
        _positive(self, lr=self.lr, factor=self.factor)
        _check_length(self, "every", self.every)

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        return self.lr * self.factor ** (step // _length(self, self.every))

    def bind(self, total_steps: int, steps_per_epoch: int) -> StepDecay:
        """Fill in ``every``."""
        third = max(1, math.ceil(total_steps / 3))
        return replace(self, every=_bound(self.every, third, total_steps))


@SCHEDULES.register
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """``lr * factor^(step / every)``; ``every`` None: an epoch."""

    lr: float
    factor: float = 0.9
    every: Length = None

    def __post_init__(self) -> None:
        _positive(self, lr=self.lr, factor=self.factor)
        _check_length(self, "every", self.every)

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        return self.lr * float(self.factor ** (step / _length(self, self.every)))

    def bind(self, total_steps: int, steps_per_epoch: int) -> ExponentialDecay:
        """Fill in ``every``."""
        return replace(self, every=_bound(self.every, steps_per_epoch, total_steps))


@SCHEDULES.register
@dataclass(frozen=True)
class CosineDecay(Schedule):
    """``low + (lr - low) (1 + cos(pi step / steps)) / 2``, then ``low``.

    Loshchilov and Hutter, "SGDR" (2017), equation 5, without restarts. ``steps`` None: the run.
    """

    lr: float
    low: float = 0.0
    steps: Length = None

    def __post_init__(self) -> None:
        _positive(self, lr=self.lr)
        _not_negative(self, low=self.low)
        _check_length(self, "steps", self.steps)

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        share = min(1.0, step / _length(self, self.steps))
        return self.low + (self.lr - self.low) * (1 + math.cos(math.pi * share)) / 2

    def bind(self, total_steps: int, steps_per_epoch: int) -> CosineDecay:
        """Fill in ``steps``."""
        return replace(self, steps=_bound(self.steps, total_steps, total_steps))


@SCHEDULES.register
@dataclass(frozen=True)
class WarmUp(Schedule):
    """From ``lr / steps`` linearly to ``lr`` in ``steps``, then ``then`` from its own start.

    ``then`` None: constant. ``steps`` None: 5% of the run. Goyal and others (2017), section 2.2.
    """

    lr: float
    steps: Length = None
    then: Schedule | None = None

    def __post_init__(self) -> None:
        _positive(self, lr=self.lr)
        _check_length(self, "steps", self.steps)
        if self.then is not None and not isinstance(self.then, Schedule):
            _fail(self, "then", self.then, "a schedule, or None")

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        steps = _length(self, self.steps)
        if step < steps:
            return self.lr * (step + 1) / steps
        return self.lr if self.then is None else self.then.value(step - steps, slots)

    def init(self) -> Slots:
        """Return what ``then`` keeps."""
        return {} if self.then is None else self.then.init()

    def observe(self, slots: Slots, monitored: float) -> None:
        """Pass on to ``then``."""
        if self.then is not None:
            self.then.observe(slots, monitored)

    def bind(self, total_steps: int, steps_per_epoch: int) -> WarmUp:
        """Fill in ``steps``, and what is left for ``then``."""
        steps = _bound(self.steps, max(1, round(0.05 * total_steps)), total_steps)
        left = max(1, total_steps - steps)
        then = None if self.then is None else self.then.bind(left, steps_per_epoch)
        return replace(self, steps=steps, then=then)


@SCHEDULES.register
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from ``peak / divide`` to ``peak``, then down to ``peak / divide / final_divide``.

    Both along half a cosine; the rise takes the share ``rise`` of ``steps`` (None: the run).
    Smith and Topin, "Super-convergence" (2018).
    """

    peak: float
    rise: float = 0.3
    divide: float = 25.0
    final_divide: float = 1e4
    steps: Length = None

    def __post_init__(self) -> None:
        _positive(self, peak=self.peak, divide=self.divide, final_divide=self.final_divide)
        if not _number(self.rise) or not 0 < self.rise < 1:
            _fail(self, "rise", self.rise, "a share between 0 and 1")
        _check_length(self, "steps", self.steps)

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        steps = _length(self, self.steps)
        start = self.peak / self.divide
        end = start / self.final_divide
        top = self.rise * steps - 1
        if top > 0 and step <= top:
            return _half_cosine(start, self.peak, step / top)
        return _half_cosine(self.peak, end, min(1.0, (step - top) / max(steps - 1 - top, 1e-9)))

    def bind(self, total_steps: int, steps_per_epoch: int) -> OneCycle:
        """Fill in ``steps``."""
        return replace(self, steps=_bound(self.steps, total_steps, total_steps))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@SCHEDULES.register
@dataclass(frozen=True)
class OnPlateau(Schedule):
    """``lr``, times ``factor`` after more than ``patience`` epochs without a better loss.

    Better means below the best so far by the share ``threshold``.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4

    def __post_init__(self) -> None:
        _positive(self, lr=self.lr, factor=self.factor)
        _not_negative(self, patience=self.patience, threshold=self.threshold)
        if self.factor >= 1:
            _fail(self, "factor", self.factor, "a number below 1")
        if self.threshold >= 1:
            _fail(self, "threshold", self.threshold, "a share below 1")

    def init(self) -> Slots:
        """Return the multiplier, the best loss, and the epochs since."""
        return {"scale": np.ones(1), "best": np.full(1, np.inf), "bad": np.zeros(1)}

    def value(self, step: int, slots: Slots) -> float:
        """Return the learning rate."""
        return self.lr * float(slots["scale"][0])

    def observe(self, slots: Slots, monitored: float) -> None:
        """Count the epoch as better or not, and lower the rate when it is time."""
        if monitored < slots["best"][0] * (1 - self.threshold):
            slots["best"][0], slots["bad"][0] = monitored, 0
            return
        slots["bad"][0] += 1
        if slots["bad"][0] > self.patience:
            slots["scale"][0] *= self.factor
            slots["bad"][0] = 0
