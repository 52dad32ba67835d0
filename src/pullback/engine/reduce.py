"""Sums over a vector, in one pass."""

from __future__ import annotations

import math
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from pullback.engine.team import Job, team

_lock = Lock()
KINDS = "fd"
"""NumPy's letters for the types that there are kernels for: float32 and float64."""


@cache
def _job(kernel: str, dtype: Any) -> tuple[Job, np.ndarray]:
    """Return the job of a kernel, and where each part puts its sum."""
    from pullback.engine.kernels import reduce

    # as words, for they are float64 whatever the job's dtype
    words = np.zeros(team().threads, np.int64)
    return Job(getattr(reduce, kernel), dtype.name, 2, work=1), words


def _sum(kernel: str, values: np.ndarray) -> float:
    job, words = _job(kernel, values.dtype)
    with _lock:  # of the jobs, which all threads of Python share
        job(values.size, values, words)
        return float(sum(words[: job.parts].view(np.float64).tolist()))


def all_finite(values: np.ndarray) -> bool:
    """Return whether no number of the vector ``values`` is NaN or infinite."""
    if values.dtype.char in KINDS and math.isfinite(_sum("sum_of_squares", values)):
        return True
    # a sum of squares too large for the dtype needs a second look
    return bool(np.isfinite(values).all())


def total(values: np.ndarray) -> float:
    """Return the sum of a vector, added up in float64."""
    if values.dtype.char in KINDS and values.flags.c_contiguous:
        return _sum("sum_of_all", values)
    return float(np.add.reduce(values, dtype=np.float64))
