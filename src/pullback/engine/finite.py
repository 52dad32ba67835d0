"""Whether all numbers of a vector are finite, in one pass."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from pullback.engine.lower import DTYPES
from pullback.engine.team import Job, team

SMALL = 10_000
"""Numbers below which BLAS's product takes no second thread, and is faster than a job."""


@cache
def _job(dtype: str) -> tuple[Job, np.ndarray]:
    from pullback.engine.kernels.updates import UNIT, sum_of_squares

    return Job(sum_of_squares, dtype, 2, work=1), np.zeros(UNIT * team().threads, dtype)


def all_finite(values: np.ndarray) -> bool:
    """Return whether no number of the vector ``values`` is NaN or infinite."""
    if values.size <= SMALL or values.dtype.name not in DTYPES:
        squares = np.dot(values, values)
    else:
        job, sums = _job(values.dtype.name)
        sums[:] = 0  # a job that is not shared leaves the others' places alone
        job(values.size, values, sums)
        squares = sums.sum()
    # Only a sum of squares too large for the dtype needs a second look.
    return math.isfinite(squares) or bool(np.isfinite(values).all())
