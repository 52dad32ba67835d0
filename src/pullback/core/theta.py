"""All parameters as one vector, with named views into it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from pullback.core.arrays import copy, empty
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

    @cached_property
    def aliases(self) -> frozenset[Path]:
        """The paths of the further places of shared parameters."""
        return frozenset(entry.path for entry in self.entries if entry.alias)

    def zeros(self, dtype: str) -> Theta:
        """Return the named views of a new vector of zeros."""
        flat = empty((self.size,), dtype)
        flat[...] = 0
        return Theta(self, flat)

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
        return Theta(self.layout, copy(self.flat))

    def __reduce__(self) -> tuple[Any, ...]:
        return Theta, (self.layout, self.flat)


def write_gradient(
    contractions: Mapping[str, Any], gradient: Theta, accumulate: bool = False
) -> None:
    """Write the sums of the declared contractions into ``gradient``.

    A shared parameter gets the sum over its places. With ``accumulate`` everything is added to
    what is there already.
    """
    if not _write(contractions, gradient, gradient.layout.aliases, accumulate, ()):
        _explain_misfit(contractions, gradient.layout)


def _write(
    declared: Mapping[str, Any],
    views: Mapping[str, Any],
    aliases: frozenset[Path],
    accumulate: bool,
    path: Path,
) -> bool:
    """Write one level of the tree and those below it; tell whether the names agreed."""
    if len(declared) != len(views):
        return False
    for name, view in views.items():
        found = declared.get(name)
        # `dict`, not `Mapping`: this runs for every parameter of every step, and takes a tenth
        inside = isinstance(view, dict)
        if found is None or isinstance(found, dict) != inside:
            return False
        if inside:
            if not _write(found, view, aliases, accumulate, (*path, name)):
                return False
        elif accumulate or (aliases and (*path, name) in aliases):
            found.add_to(view)
        else:
            found.sum(out=view)
    return True


def _explain_misfit(contractions: Mapping[str, Any], layout: Layout) -> NoReturn:
    declared = {path for path, _ in leaves(contractions)}
    for entry in layout.entries:
        if entry.path not in declared:
            raise ShapeError(
                f"no gradient is declared for the parameter {entry.name}; "
                "its map's grads must name every parameter"
            )
    extra = next(iter(declared - {entry.path for entry in layout.entries}), ())
    raise ShapeError(f"a gradient is declared for {dotted(extra)}, which is not a parameter")
