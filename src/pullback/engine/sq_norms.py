"""The squared norms of the examples' gradients, found while the gradient is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.contraction import Contraction
from pullback.core.theta import Layout, Theta, write_gradient
from pullback.core.together import Together
from pullback.core.tree import leaves
from pullback.engine.lower import DTYPES
from pullback.engine.team import Job, not_replayable


class SqNorms:
    """In place of ``write_gradient``: writes the gradient, and keeps the norms in ``found``.

    Args:
        layout: of the parameters.
        examples: of every batch.
        dtype: of the gradient.
    """

    def __init__(self, layout: Layout, examples: int, dtype: str) -> None:
        from pullback.engine.kernels import each

        self.found = np.zeros(examples, dtype)
        self._clear = Job(each.clear, dtype, 1) if dtype in DTYPES else None
        places: dict[int, list[Any]] = {}
        for entry in layout.entries:
            places.setdefault(entry.start, []).append(entry)
        self._alone = [first for first, *others in places.values() if not others]
        self._shared = [entries for entries in places.values() if len(entries) > 1]

    def __call__(
        self, declared: Mapping[str, Any], gradient: Theta, accumulate: bool = False
    ) -> None:
        """Write the sums; ``found (N,)`` becomes the squared norms of the examples' terms."""
        found = self.found
        if self._clear is None:
            found[...] = 0
        else:
            self._clear(len(found), found)
        contractions, views = dict(leaves(declared)), dict(leaves(gradient))
        plain = not (accumulate or self._shared) and self._clear is not None
        if plain and contractions.keys() == views.keys():
            for path, contraction in contractions.items():
                contraction.sum_and_sq_norms(views[path], found)
        else:
            not_replayable()
            write_gradient(declared, gradient, accumulate)
            self._add_norms(contractions)

    def _add_norms(self, declared: Mapping[Any, Contraction]) -> None:
        for entry in self._alone:
            self.found[...] += declared[entry.path].sq_norms()
        for entries in self._shared:
            together = Together.of([declared[entry.path] for entry in entries])
            self.found[...] += together.sq_norms()
