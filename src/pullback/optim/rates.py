"""The learning rate of an update rule, read and replaced, whatever stands around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pullback.core.errors import ConfigError
from pullback.optim.base import Chained, Optimizer, Rule
from pullback.optim.schedules import OneCycle, Schedule, WarmUp

TEXT = {
    "rule": "{rule} has no learning rate that could be replaced; expected a rule such as "
    "optim.SGD(lr=0.1), or a chain with one",
    "schedule": "{schedule} has no highest learning rate; expected a schedule such as "
    "optim.CosineDecay(0.1)",
}


def highest_lr(optimizer: Optimizer) -> float:
    """Return the learning rate that the rule's schedule is written with: the highest it reaches.

    Raises:
        ConfigError: the optimiser or its schedule has none.
    """
    lr = rule_of(optimizer).lr
    return _highest(lr) if isinstance(lr, Schedule) else float(lr)


def with_lr(optimizer: Optimizer, lr: float | Schedule) -> Optimizer:
    """Return the same optimiser at another learning rate.

    A number replaces the highest learning rate of a schedule, whose form stays; a schedule takes
    the place of what was there.

    Raises:
        ConfigError: the optimiser or its schedule has no learning rate.
    """
    rule = rule_of(optimizer)
    if isinstance(rule.lr, Schedule) and not isinstance(lr, Schedule):
        lr = _scaled(rule.lr, lr)
    changed = replace(rule, lr=lr)
    if not isinstance(optimizer, Chained):
        return changed
    return Chained(tuple(changed if t is rule else t for t in optimizer.transforms))


def rule_of(optimizer: Optimizer) -> Rule:
    """Return the rule, without what stands around it.

    Raises:
        ConfigError: there is none with a learning rate.
    """
    parts = optimizer.transforms if isinstance(optimizer, Chained) else (optimizer,)
    for part in parts:
        if isinstance(part, Rule):
            return part
    raise ConfigError(TEXT["rule"].format(rule=type(optimizer).__name__))


def _highest(schedule: Schedule) -> float:
    if isinstance(schedule, OneCycle):
        return schedule.peak
    lr = getattr(schedule, "lr", None)
    if lr is None:
        raise ConfigError(TEXT["schedule"].format(schedule=type(schedule).__name__))
    return float(lr)


def _scaled(schedule: Schedule, lr: float) -> Schedule:
    """Return the schedule with ``lr`` as its highest; what follows a warm-up goes along."""
    if isinstance(schedule, OneCycle):
        return replace(schedule, peak=lr)
    changes: dict[str, Any] = {"lr": lr}
    factor = lr / _highest(schedule)
    if isinstance(schedule, WarmUp) and schedule.then is not None:
        changes["then"] = _scaled(schedule.then, factor * _highest(schedule.then))
    if hasattr(schedule, "low"):
        changes["low"] = factor * schedule.low
    changed: Schedule = replace(schedule, **changes)  # type: ignore[type-var]
    return changed
