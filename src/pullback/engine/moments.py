"""How large the examples' gradients are, and their mean: added up step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.core.theta import Layout
from pullback.engine.lower import DTYPES
from pullback.engine.sq_norms import SqNorms
from pullback.engine.team import Job, team

KEPT = 4
"""Sums: of the examples' squared norms, of the mean's, of the effective examples, of the steps."""


class MomentTally:
    r"""Adds the moments of gradients to ``sums``; ``write`` takes the place of ``write_gradient``.

    Of a batch whose examples count ``w`` it adds :math:`\sum_n w_n \|g_n\|^2`,
    :math:`\|\bar g\|^2`, :math:`1 / \sum_n w_n^2` and 1.

    Args:
        sums: ``(4,)`` float64.
        layout: of the parameters.
        examples: of every batch.
        dtype: of the gradient.
        part: which of them are worked out here; None: all.
    """

    def __init__(
        self, sums: np.ndarray, layout: Layout, examples: int, dtype: str, part: slice | None = None
    ) -> None:
        from pullback.engine.kernels import reduce

        self.examples, self._sums = examples, sums
        self._part = part or slice(0, examples)
        self.write = SqNorms(layout, self._part.stop - self._part.start, dtype)
        self.terms = np.zeros(examples, dtype) if part else self.write.found
        """The squared norms of the whole batch's terms."""
        self._jobs: tuple[Job, Job] | None = None
        if dtype in DTYPES:
            threads = team().threads
            # as words, for they are float64 whatever the jobs' dtype
            self._parts, self._words = np.zeros(threads, np.int64), sums.view(np.int64)
            squares = Job(reduce.sum_of_squares, dtype, 2, work=1)
            self._jobs = squares, Job(reduce.add_moments, dtype, 3, (threads,))

    def collect(self, add: Callable[[np.ndarray], None], any_here: bool) -> None:
        """Put the terms of all parts together; ``add`` replaces an array by its sum over them."""
        self.terms[...] = 0
        if any_here:
            self.terms[self._part] = self.write.found
        add(self.terms)

    def add(self, gradient: np.ndarray, share: np.ndarray, alike: bool) -> None:
        """Add a batch whose gradient ``write`` has written, and whose parts are together.

        ``share (N,)`` is what the examples count; ``alike`` says that it is 1/N.
        """
        terms = self.terms
        if alike and self._jobs is not None:
            squares, add = self._jobs
            squares(gradient.size, gradient, self._parts)
            add(len(terms), terms, self._parts, self._words)
            return
        counted = share > 0
        mean = float((terms[counted] / share[counted]).sum())
        effective = 1 / float((share * share).sum())
        self._sums += mean, float(gradient @ gradient), effective, 1


def averages(sums: np.ndarray) -> dict[str, Any]:
    """Return the mean of each, by the names of ``pullback.extend.Moments``."""
    norms, mean, effective = (sums[:3] / sums[3]).tolist()
    return {"mean_sq_norm": norms, "sq_norm": mean, "effective_examples": effective}
