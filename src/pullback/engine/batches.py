"""Batches gathered and normalised by jobs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pullback.data.batches import Batches, StreamedBatches, rows_of
from pullback.data.dataset import Dataset
from pullback.data.files import Pictures
from pullback.data.normalize import Affine
from pullback.data.rows import Rows
from pullback.engine.lower import DTYPES
from pullback.engine.team import Job


class LoweredBatches(Batches):
    """``Batches`` of bytes, or of numbers of the network's type, under one scale and one shift."""

    def __init__(self, dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str) -> None:
        from pullback.engine.kernels import batches

        super().__init__(dataset, normalizer, batch_size, dtype)
        size = dataset.x[0].size
        kernel = batches.gather_bytes if dataset.x.dtype == np.uint8 else batches.gather_numbers
        self._gather_x = Job(
            kernel, dtype, 3, (size, False), numbers=2, work=size, independent=True
        )
        self._gather_x.numbers[:] = normalizer.scale, normalizer.shift
        y = dataset.y
        self.jobs_only = y.ndim == 1 and y.dtype == np.int64 == self._y.dtype
        self.jobs_only = self.jobs_only and y.flags.c_contiguous and dataset.weight is None
        self._gather_y = (
            Job(batches.gather_integers, dtype, 3, independent=True) if self.jobs_only else None
        )

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs that gather a batch; the second array of each is the rows."""
        return tuple(job for job in (self._gather_x, self._gather_y) if job is not None)

    @property
    def batch(self) -> np.ndarray:
        """The inputs of a whole batch."""
        return self._x

    def inputs(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None
    ) -> np.ndarray:
        """Return the inputs of the rows ``index``."""
        if vary is not None or index.dtype != np.int64:
            return super().inputs(index, vary)
        x = rows_of(self._x, len(index))
        self._gather_x(len(index), self.dataset.x, index, x)
        return x

    def targets(self, index: np.ndarray) -> np.ndarray:
        """Return the targets of the rows ``index``."""
        if self._gather_y is None or index.dtype != np.int64:
            return super().targets(index)
        y = rows_of(self._y, len(index))
        self._gather_y(len(index), self.dataset.y, index, y)
        return y


def lower_batches(
    dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str, cut: bool = False,
    jobs: bool = True,
) -> Batches:  # fmt: skip
    """Return the lowered form of ``Batches`` of these arguments, or the usual one.

    Without ``jobs`` it is the usual one: their threads would stand in the way of others'.
    """
    if cut and dataset.lengths is not None:
        return Batches(dataset, normalizer, batch_size, dtype, cut)
    x, numbers = dataset.x, (normalizer.scale, normalizer.shift)
    if isinstance(x, Pictures):
        return StreamedBatches(dataset, normalizer, batch_size, dtype)
    if isinstance(x, Rows) or isinstance(dataset.y, Rows):
        return Batches(dataset, normalizer, batch_size, dtype)
    plain = x.flags.c_contiguous and x.dtype in (np.uint8, dtype) and dtype in DTYPES and len(x)
    plain = plain and jobs
    if plain and not any(isinstance(number, tuple) for number in numbers):
        return LoweredBatches(dataset, normalizer, batch_size, dtype)
    return Batches(dataset, normalizer, batch_size, dtype)
