r"""What all update rules share.

An update works on flat vectors. Transforms make of the gradient a direction ``u``, one after
another, and the gradient itself is left as it is for those who want to look at it; then
:math:`\theta \leftarrow \theta - u`. What a transform keeps from step to step are named
arrays, its slots; those whose name begins with ``_`` are scratch and not worth saving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import library
from pullback.core.errors import ConfigError
from pullback.core.registry import Registry
from pullback.core.spec import Array
from pullback.optim.schedules import ConstantLR, Schedule

Slots = dict[str, Array]


@dataclass(frozen=True)
class Segment:
    """One parameter's place in the vector, and whether weight decay applies to it."""

    name: str
    start: int
    stop: int
    decay: bool


Segments = tuple[Segment, ...]


@dataclass(frozen=True)
class At:
    """The moment of an update: the count of updates before it, and the learning rate.

    Numbers, or tensors of one number on a device.
    """

    step: Any
    lr: Any


def root(number: Any) -> Any:
    """Return the square root of a number, or of a tensor of one."""
    return math.sqrt(number) if isinstance(number, float) else number.sqrt()


class Transform:
    """Base of everything that changes an update; subclasses are frozen dataclasses."""

    formula: ClassVar[str] = ""
    """What it does to the gradient ``g`` or the parameters ``θ``, for people."""

    full_batch: ClassVar[bool] = False
    """True for a rule that means the gradient of all examples."""

    on_device: ClassVar[bool] = True
    """Whether all that changes from step to step is in arrays of ``theta``'s kind and in ``At``."""

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return the slots for parameters ``theta`` laid out in ``segments``."""
        del theta, segments
        return {}

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Write into ``u`` what the transform makes of ``g``; both may be the same array."""
        if g is not u:
            u[...] = g

    def after(self, slots: Slots, theta: Array) -> None:
        """Look at the parameters after the update."""

    def averaged(self, slots: Slots) -> Array | None:
        """Return the averaged parameters, where the transform keeps any."""
        del slots
        return None

    def schedule(self) -> Schedule | None:
        """Return the learning rate's schedule, where the transform has one."""
        return None

    def bind(self, total_steps: int, steps_per_epoch: int) -> Any:
        """Return the same transform with lengths that depend on the run filled in."""
        del total_steps, steps_per_epoch
        return self


class Optimizer(Transform):
    """Base of what can make a whole update: the rules, and chains that contain one."""

    def start(self, theta: Array, segments: Segments) -> Slots:
        """Return all slots for training ``theta``: the rule's, the schedule's, and scratch."""
        xp = library(theta)
        slots = self.init(theta, segments)
        slots["_u"] = xp.empty_like(theta)
        slots |= {f"lr.{name}": value for name, value in self._lr().init().items()}
        return slots

    def _lr(self) -> Schedule:
        schedule = self.schedule()
        if schedule is None:
            raise ConfigError(f"{type(self).__name__} has no learning rate; add a rule such as SGD")
        return schedule

    def lr_at(self, step: int, slots: Slots) -> float:
        """Return the learning rate of the update after ``step`` others."""
        return self._lr().value(step, _part(slots, "lr"))

    def update(self, gradient: Array, slots: Slots, theta: Array, step: int) -> float:
        """Update ``theta`` in place from ``gradient``, which is not changed.

        Args:
            gradient: of the loss, of ``theta``'s shape.
            slots: what ``start`` returned.
            theta: the parameters.
            step: how many updates came before.

        Returns:
            The learning rate used.
        """
        at = At(step, self.lr_at(step, slots))
        self.update_at(gradient, slots, theta, at)
        return float(at.lr)

    def update_at(self, gradient: Array, slots: Slots, theta: Array, at: At) -> None:
        """Update ``theta`` in place at a moment that is known."""
        xp, u = library(theta), slots["_u"]
        self.apply(gradient, u, slots, theta, at)
        # In two passes: writing over theta as a plain copy is twice as fast as in one pass,
        # where another processor's cache has read it since (matrix products on two threads).
        xp.subtract(theta, u, out=u)
        theta[...] = u
        self.after(slots, theta)

    def due(self, step: int) -> bool:
        """Whether the update after ``step`` others is to ``look`` at its batch first.

        A rule that ever looks does so at step 0.
        """
        del step
        return False

    def fitted(self, evidence: Any) -> Slots:
        """Return the slots whose sizes only the network tells, from any ``Evidence`` of it.

        They are added to those of ``start``, and may replace some.
        """
        del evidence
        return {}

    def look(self, evidence: Any, slots: Slots) -> None:
        """Keep what the update needs of a batch beside the gradient.

        ``evidence`` is the ``pullback.extend.Evidence`` of the batch in reference form, at the
        parameters before the update; its context names the step.
        """

    def observe(self, slots: Slots, monitored: float) -> None:
        """Tell the schedule the monitored loss of a finished epoch."""
        self._lr().observe(_part(slots, "lr"), monitored)


OPTIMIZERS: Registry[Optimizer] = Registry("optimiser")
TRANSFORMS: Registry[Transform] = Registry("transform")


def _part(slots: Slots, name: str) -> Slots:
    """Return the slots under ``name.``, the same arrays."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in slots.items() if k.startswith(prefix)}


def _placed(i: int, slots: Slots) -> Slots:
    """Return the slots of a chain's transform ``i`` under its place."""
    return {
        f"{'_' if name.startswith('_') else ''}{i}.{name}": value for name, value in slots.items()
    }


@dataclass(frozen=True)
class Rule(Optimizer):
    """Base of the rules with a learning rate: ``lr`` is a number or a schedule."""

    lr: float | Schedule = 0.01

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Schedule):
            check(self, "lr", self.lr, 0.0, None)

    def schedule(self) -> Schedule:
        """Return the learning rate as a schedule."""
        return self.lr if isinstance(self.lr, Schedule) else ConstantLR(float(self.lr))

    def bind(self, total_steps: int, steps_per_epoch: int) -> Any:
        """Return the rule with its schedule's lengths filled in."""
        if not isinstance(self.lr, Schedule):
            return self
        return replace(self, lr=self.lr.bind(total_steps, steps_per_epoch))


@OPTIMIZERS.register
@dataclass(frozen=True)
class Chained(Optimizer):
    """Transforms one after another, exactly one of which is a rule; see ``chain``."""

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise ConfigError(
                    f"chain: {transform!r} is no transform; expected one such as SGD() or L2(1e-4)"
                )
        rules = [t for t in self.transforms if isinstance(t, Optimizer)]
        if len(rules) != 1:
            names = ", ".join(type(t).__name__ for t in self.transforms) or "nothing"
            raise ConfigError(f"chain needs exactly one rule such as SGD or Adam, found {names}")

    @property
    def full_batch(self) -> bool:  # type: ignore[override]
        """Whether the rule means all examples."""
        return any(t.full_batch for t in self.transforms)

    @property
    def on_device(self) -> bool:  # type: ignore[override]
        """Whether that is so for all of them."""
        return all(t.on_device for t in self.transforms)

    def init(self, theta: Array, segments: Segments) -> Slots:
        """Return every transform's slots, under its position."""
        found: Slots = {}
        for i, transform in enumerate(self.transforms):
            found |= _placed(i, transform.init(theta, segments))
        return found

    def each(self, slots: Slots) -> list[tuple[Transform, Slots]]:
        """Return the transforms, each with its own slots."""
        parts: list[Slots] = [{} for _ in self.transforms]
        for name, value in slots.items():
            position, dot, own = name.removeprefix("_").partition(".")
            if dot and position.isdigit():
                parts[int(position)][own] = value
        return list(zip(self.transforms, parts, strict=True))

    def apply(self, g: Array, u: Array, slots: Slots, theta: Array, at: At) -> None:
        """Apply the transforms in order."""
        for transform, own in self.each(slots):
            transform.apply(g, u, own, theta, at)
            g = u

    def after(self, slots: Slots, theta: Array) -> None:
        """Let every transform look."""
        for transform, own in self.each(slots):
            transform.after(own, theta)

    @property
    def _rule(self) -> Optimizer:
        return next(t for t in self.transforms if isinstance(t, Optimizer))

    def due(self, step: int) -> bool:
        """Whether the rule is to look at its batch."""
        return self._rule.due(step)

    def fitted(self, evidence: Any) -> Slots:
        """Return the rule's slots whose sizes only the network tells."""
        return _placed(self.transforms.index(self._rule), self._rule.fitted(evidence))

    def look(self, evidence: Any, slots: Slots) -> None:
        """Let the rule look at the batch."""
        self._rule.look(evidence, self.each(slots)[self.transforms.index(self._rule)][1])

    def averaged(self, slots: Slots) -> Array | None:
        """Return the average that one of the transforms keeps."""
        found = [transform.averaged(own) for transform, own in self.each(slots)]
        return next((average for average in found if average is not None), None)

    def schedule(self) -> Schedule | None:
        """Return the rule's schedule."""
        return next(s for s in (t.schedule() for t in self.transforms) if s is not None)

    def bind(self, total_steps: int, steps_per_epoch: int) -> Chained:
        """Bind every transform."""
        return Chained(tuple(t.bind(total_steps, steps_per_epoch) for t in self.transforms))


def chain(*transforms: Transform) -> Chained:
    """Compose transforms, applied in order: ``chain(ClipGlobalNorm(1.0), Adam(), EMA(0.999))``.

    Raises:
        ConfigError: not exactly one of them is a rule with a learning rate.
    """
    return Chained(transforms)


def check(owner: Any, name: str, value: Any, low: float, high: float | None) -> None:
    """Raise ``ConfigError`` unless ``value`` is a number in ``[low, high)``."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value < (math.inf if high is None else high):
        span = (
            f"from {low:g} up to, not with, {high:g}"
            if high is not None
            else f"of at least {low:g}"
        )
        raise ConfigError(f"{type(owner).__name__}: {name}={value!r}; expected a number {span}")


def decayed_slices(segments: Segments) -> tuple[slice, ...]:
    """Return the slices of theta that decay applies to, neighbours merged."""
    merged: list[slice] = []
    for segment in segments:
        if not segment.decay:
            continue
        if merged and merged[-1].stop == segment.start:
            merged[-1] = slice(merged[-1].start, segment.stop)
        else:
            merged.append(slice(segment.start, segment.stop))
    return tuple(merged)


def as_array(slices: tuple[slice, ...]) -> Array:
    """Return slices as rows of (start, stop), to be kept among the slots."""
    return np.array([(s.start, s.stop) for s in slices], dtype=np.int64).reshape(-1, 2)
