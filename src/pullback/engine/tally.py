"""The loss and the hits of a batch, added up by a job."""

from __future__ import annotations

import numpy as np

from pullback.engine.lower import DTYPES
from pullback.engine.team import Job


class ClassTally:
    """Adds batches of class numbers to sums of the loss and of the right answers.

    Args:
        losses: the total of the values and of the weights, float64.
        hits: the number of right answers and the total of the weights, float64.
        dtype: of values and outputs.
        classes: outputs of the network.
    """

    def __init__(self, losses: np.ndarray, hits: np.ndarray, dtype: str, classes: int) -> None:
        from pullback.engine.kernels.losses import count_classes

        self._job = Job(count_classes, dtype, 5, (classes,))
        # as words, for they are float64 whatever the job's dtype
        self._sums = losses.view(np.int64), hits.view(np.int64)
        self._classes = classes

    def fits(self, values: np.ndarray, y: np.ndarray, target: np.ndarray) -> bool:
        """Whether a batch is one of rows with class numbers."""
        return (
            target.dtype == np.int64
            and target.ndim == 1
            and y.shape == (len(target), self._classes)
            and y.dtype == values.dtype == self._job.dtype
        )

    def add(self, values: np.ndarray, y: np.ndarray, target: np.ndarray) -> None:
        """Add a batch."""
        self._job(len(target), values, y, target, *self._sums)


def class_tally(
    losses: np.ndarray, hits: np.ndarray, dtype: str, classes: int
) -> ClassTally | None:
    """Return the tally of these sums, or None where there is no kernel for it."""
    return ClassTally(losses, hits, dtype, classes) if dtype in DTYPES and classes > 1 else None
