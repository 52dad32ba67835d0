"""The squared norms of the examples' gradients, found while the gradient is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        if accumulate or self._clear is None or contractions.keys() != views.keys():
            not_replayable()
            write_gradient(declared, gradient, accumulate)
            for contraction in self._each_parameter(contractions):
                found += contraction.sq_norms()
            return
        for entry in self._alone:
            contractions[entry.path].sum_and_sq_norms(views[entry.path], found)
        for first, *others in self._shared:
            not_replayable()
            view = contractions[first.path].sum(out=views[first.path])
            for entry in others:
                view += contractions[entry.path].sum()
            found += Together.of([contractions[e.path] for e in (first, *others)]).sq_norms()

    def _each_parameter(self, declared: Mapping[Any, Contraction]) -> Iterator[Contraction]:
        for entries in [[entry] for entry in self._alone] + self._shared:
            yield Together.of([declared[entry.path] for entry in entries])
