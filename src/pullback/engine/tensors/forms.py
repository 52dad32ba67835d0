"""Lowering to tensors: maps that one kernel of PyTorch's does at once take the place of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pullback.core.map import Map
from pullback.core.spec import Specs
from pullback.engine.lower import Lowered, Plan, lower_children

FORMS: dict[type[Map], type[Lowered]] = {}
"""Reference map to its form on tensors."""

L = TypeVar("L", bound=type[Lowered])


def on_tensors(source: type[Map]) -> Callable[[L], L]:
    """Class decorator: the class is the form of ``source`` on tensors."""

    def enrol(cls: L) -> L:
        FORMS[source] = cls
        return cls

    return enrol


def lower_tensors(net: Map, x: Specs, batch_size: int, input_gradient: bool = False) -> Map:
    """Return ``net`` for tensors; the arguments are those of ``lower``."""

    def form(source: Map, plan: Plan, built: Map | None = None) -> Map:
        if built is not None:
            return built
        found = FORMS.get(type(source))
        return found(source, plan) if found and found.fits(source, plan) else source

    return lower_children(net, Plan(x, batch_size, input_gradient), form)
