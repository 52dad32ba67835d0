"""Everything a map's forward needs that is not differentiated."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from pullback.core import random

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Context(NamedTuple):
    """The circumstances of one forward pass.

    ``train``: dropout drops, batch normalisation uses the batch. ``seed``, ``step`` and the
    map's ``path`` name its random streams. ``first`` is the position, in the whole batch, of the
    first example at hand: a batch cut into pieces draws what it would draw whole. ``state`` is
    the state of the map at ``path``. ``lengths``, whole numbers ``(N,)``, say how many steps of a
    sequence ``(N, T, ...)`` are its own, those after them being padding; None: all of them. Where
    the input is a tuple, so are they.

    Of a sequence that comes piece by piece, ``done`` steps came before, and ``past`` is what the
    map at ``path`` kept of them (``Map.keep``).
    """

    train: bool = False
    seed: int = 0
    step: int = 0
    first: int = 0
    path: str = ""
    state: Mapping[str, Any] = NOTHING
    lengths: Any = None
    done: int = 0
    past: Mapping[str, Any] | None = None

    def child(self, name: str) -> Context:
        """Return the context of the child ``name``: its path and its state."""
        path = f"{self.path}.{name}" if self.path else name
        state = self.state.get(name, NOTHING)
        past = self.past.get(name) if self.past else None
        return Context(
            self.train, self.seed, self.step, self.first, path, state, self.lengths, self.done, past
        )

    def uniform(self, shape: tuple[int, ...], purpose: str) -> np.ndarray:
        """Return float64 numbers in [0, 1) of ``shape`` (examples first) for this step and path."""
        return random.uniform_rows(
            self.seed, self.path, purpose, step=self.step, first=self.first, shape=shape
        )
