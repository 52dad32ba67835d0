"""All parameters as one vector, with named views into it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pullback.core.errors import ShapeError
from pullback.core.initializers import DEFAULT, Initializer
from pullback.core.spec import Array, Param
from pullback.core.tree import Path, dotted, leaves, unflatten


@dataclass(frozen=True)
class Entry:
    """Where one named parameter lies in the vector.

    ``alias`` is True for every name of a shared parameter but the first.
    """

    path: Path
    shape: tuple[int, ...]
    start: int
    init: Initializer
    decay: bool
    alias: bool

    @property
    def stop(self) -> int:
        """One past the last place."""
        return self.start + math.prod(self.shape)

    @property
    def name(self) -> str:
        """The path with dots."""
        return dotted(self.path)


@dataclass(frozen=True)
class Layout:
    """The order, shapes and places of all parameters."""

    entries: tuple[Entry, ...]
    size: int

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Layout:
        """Lay out a tree of ``Param``; parameters with one share key get one place.

        Raises:
            ShapeError: one share key with two shapes.
        """
        entries: list[Entry] = []
        first: dict[str, Entry] = {}
        size = 0
        for path, param in leaves(declared):
            original = first.get(param.share) if param.share else None
            if original is not None and original.shape != param.shape:
                raise ShapeError(
                    f"{dotted(path)} shares {param.share!r} with {original.name}, but the shapes "
                    f"differ: {param.shape} and {original.shape}"
                )
            entry = _place(path, param, original, size)
            entries.append(entry)
            if original is None:
                size = entry.stop
                if param.share:
                    first[param.share] = entry
        return cls(tuple(entries), size)

    def view(self, flat: Array) -> Theta:
        """Return the named views of ``flat``, a vector of ``size`` numbers."""
        return Theta(self, flat)


def _place(path: Path, param: Param, original: Entry | None, size: int) -> Entry:
    if original is not None:
        return Entry(path, original.shape, original.start, original.init, original.decay, True)
    return Entry(path, param.shape, size, param.init or DEFAULT, param.decay, False)


class Theta(dict[str, Any]):
    """Nested names to views of one flat vector, ``flat``: ``p["1"]["W"]``.

    Writing into a view writes into the vector, and the other way round. Parameters and their
    gradients both have this form.
    """

    def __init__(self, layout: Layout, flat: Array) -> None:
        if tuple(flat.shape) != (layout.size,):
            raise ShapeError(
                f"expected a vector of {layout.size} parameters, found shape {tuple(flat.shape)}"
            )
        views = {
            entry.path: flat[entry.start : entry.stop].reshape(entry.shape)
            for entry in layout.entries
        }
        super().__init__(unflatten(views))
        self.layout = layout
        self.flat = flat

    def copy(self) -> Theta:
        """Return the same names over a copy of the vector."""
        flat = self.flat.clone() if hasattr(self.flat, "clone") else self.flat.copy()
        return Theta(self.layout, flat)

    def __reduce__(self) -> tuple[Any, ...]:
        return Theta, (self.layout, self.flat)


def write_gradient(
    contractions: Mapping[str, Any], gradient: Theta, accumulate: bool = False
) -> None:
    """Write the sums of the declared contractions into ``gradient``.

    A shared parameter gets the sum over its places. With ``accumulate`` everything is added to
    what is there already.
    """
    declared = dict(leaves(contractions))
    for entry in gradient.layout.entries:
        contraction = declared.pop(entry.path, None)
        if contraction is None:
            raise ShapeError(
                f"no gradient is declared for the parameter {entry.name}; "
                "its map's grads must name every parameter"
            )
        view = gradient.flat[entry.start : entry.stop].reshape(entry.shape)
        if accumulate or entry.alias:
            view += contraction.sum()
        else:
            contraction.sum(out=view)
    if declared:
        extra = dotted(next(iter(declared)))
        raise ShapeError(f"a gradient is declared for {extra}, which is not a parameter")
