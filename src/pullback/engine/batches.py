"""Batches of bytes (images) gathered and normalised in one pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pullback.data.batches import Batches
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine
from pullback.engine.lower import DTYPES
from pullback.engine.team import Job


class LoweredBatches(Batches):
    """``Batches`` of a data set of bytes, normalised by one scale and one shift."""

    def __init__(self, dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str) -> None:
        from pullback.engine.kernels.batches import gather_bytes

        super().__init__(dataset, normalizer, batch_size, dtype)
        size = dataset.x[0].size
        self._gather = Job(gather_bytes, dtype, 3, (size,), numbers=2, work=size)
        self._gather.numbers[:] = normalizer.scale, normalizer.shift

    def inputs(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None
    ) -> np.ndarray:
        """Return the inputs of the rows ``index``."""
        if vary is not None or index.dtype != np.int64:
            return super().inputs(index, vary)
        x = self._x if len(index) == len(self._x) else self._x[: len(index)]
        self._gather(len(index), self.dataset.x, index, x)
        return x


def lower_batches(dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str) -> Batches:
    """Return the lowered form of ``Batches`` of these arguments, or the usual one."""
    x, numbers = dataset.x, (normalizer.scale, normalizer.shift)
    plain = x.dtype == np.uint8 and x.flags.c_contiguous and dtype in DTYPES and len(x) > 0
    if plain and not any(isinstance(number, tuple) for number in numbers):
        return LoweredBatches(dataset, normalizer, batch_size, dtype)
    return Batches(dataset, normalizer, batch_size, dtype)
