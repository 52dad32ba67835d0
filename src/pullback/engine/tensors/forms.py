"""Lowering to tensors: maps that one kernel of PyTorch's does at once take the place of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

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


class TensorForm(Lowered):
    """Base of the forms that keep memory from step to step.

    What lies there lives until the next forward pass.
    """

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._rooms: dict[str, Any] = {}

    def room(self, name: str, shape: tuple[int, ...], like: Any) -> Any:
        """Return a tensor of ``shape`` for ``name``: the same one as the last time, if it fits."""
        found = self._rooms.get(name)
        if found is None or found.shape != shape or found.dtype != like.dtype:
            found = self._rooms[name] = like.new_empty(shape)
        return found

    def product(self, name: str, x: Any, w: Any, b: Any = None) -> Any:
        """Return ``x w + b`` of ``x (..., k)`` and ``w (k, m)``, in the memory for ``name``."""
        rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
        y = self.room(name, (len(rows), w.shape[1]), x)
        if b is None:
            torch.mm(rows, w, out=y)
        else:
            torch.addmm(b, rows, w, out=y)
        return y.view(*x.shape[:-1], w.shape[1])


def lower_tensors(net: Map, x: Specs, batch_size: int, input_gradient: bool = False) -> Map:
    """Return ``net`` for tensors; the arguments are those of ``lower``."""

    def form(source: Map, plan: Plan, built: Map | None = None) -> Map:
        if built is not None:
            return built
        found = FORMS.get(type(source))
        return found(source, plan) if found and found.fits(source, plan) else source

    return lower_children(net, Plan(x, batch_size, input_gradient), form)
