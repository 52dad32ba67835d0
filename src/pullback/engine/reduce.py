"""Sums over a vector, in one pass."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from pullback.core.arrays import namespace
from pullback.engine.team import Job, Team, team

_lock = Lock()
KINDS = "fd"
"""NumPy's letters for the types that there are kernels for: float32 and float64."""


@cache
def _guard(members: Team, dtype: Any) -> tuple[Job, np.ndarray]:
    """Return the job that looks for what is not finite, and the word in which it says so."""
    from pullback.engine.kernels import reduce

    return Job(reduce.guard, dtype.name, 2, work=1), np.zeros(1, np.int64)


@cache
def _adder(members: Team, dtype: Any) -> tuple[Job, np.ndarray]:
    """Return the job that adds up, and where each part puts its sum."""
    from pullback.engine.kernels import reduce

    # as words, for they are float64 whatever the job's dtype
    return Job(reduce.sum_of_all, dtype.name, 2, work=1), np.zeros(members.threads, np.int64)


def guard(dtype: Any) -> Job:
    """Return the job that looks for what is not finite; its last array is where it says so."""
    return _guard(team(), dtype)[0]


def all_finite(values: Any) -> bool:
    """Return whether no number of the vector ``values`` is NaN or infinite."""
    if not isinstance(values, np.ndarray):
        xp = namespace(values)
        # finite numbers may have a sum that is not
        return bool(xp.isfinite(xp.sum(values))) or bool(xp.all(xp.isfinite(values)))
    if values.dtype.char in KINDS:
        with _lock:  # of the job, which all threads of Python share
            job, halt = _guard(team(), values.dtype)
            job(values.size, values, halt)
            if not halt[0]:
                return True
            halt[0] = 0
    # a sum of squares too large for the dtype needs a second look
    return bool(np.isfinite(values).all())


def total(values: np.ndarray) -> float:
    """Return the sum of a vector, added up in float64."""
    if values.dtype.char not in KINDS or not values.flags.c_contiguous:
        return float(np.add.reduce(values, dtype=np.float64))
    with _lock:
        job, sums = _adder(team(), values.dtype)
        job(values.size, values, sums)
        return float(sum(sums[: job.parts].view(np.float64).tolist()))
