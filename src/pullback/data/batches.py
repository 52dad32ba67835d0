"""Batches: rows of a data set gathered, normalised, into buffers that are reused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine


def check_batch_size(batch_size: int, examples: int) -> None:
    """Raise ``ConfigError`` where a batch would not fit into the data."""
    if batch_size > examples:
        raise ConfigError(
            f"batch_size={batch_size} is larger than the {examples} training examples; "
            f"choose at most {examples}"
        )


class Batches:
    """Gathers rows of ``dataset``; what is returned lives until the next call.

    Args:
        dataset: the raw examples.
        normalizer: raw values to network input.
        batch_size: the most rows a batch will have.
        dtype: of the network's input, and of targets that are not class numbers.
    """

    def __init__(self, dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str) -> None:
        self.dataset, self.normalizer, self.batch_size = dataset, normalizer, batch_size
        self.dtype = dtype
        self._raw = np.empty((batch_size, *dataset.x.shape[1:]), dataset.x.dtype)
        self._x = np.empty(self._raw.shape, dtype)
        self._raw_y = np.empty((batch_size, *dataset.y.shape[1:]), dataset.y.dtype)
        whole = dataset.classes is not None
        self._y = self._raw_y if whole else np.empty(self._raw_y.shape, dtype)
        self._weight = None if dataset.weight is None else np.empty(batch_size, dtype)

    @property
    def sparse(self) -> bool:
        """Whether most of the network's inputs are 0, in up to 256 examples from everywhere."""
        few = self.dataset.x[:: max(1, len(self.dataset) // 256)]
        x = self.normalizer.apply(few, self.dtype)
        return bool(2 * np.count_nonzero(x) < x.size)

    def gather(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return ``(x, y, weight)`` of the rows ``index``; ``vary`` changes the raw inputs."""
        count, x, y = len(index), self.inputs(index, vary), self.targets(index)
        if self._weight is None or self.dataset.weight is None:
            return x, y, None
        np.copyto(self._weight[:count], self.dataset.weight[index], casting="unsafe")
        return x, y, self._weight[:count]

    def inputs(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None
    ) -> np.ndarray:
        """Return the inputs of the rows ``index``."""
        count = len(index)
        raw = self.dataset.x.take(index, axis=0, out=rows_of(self._raw, count), mode="clip")
        return self.normalizer.apply(
            raw if vary is None else vary(raw), self.dtype, rows_of(self._x, count)
        )

    def targets(self, index: np.ndarray) -> np.ndarray:
        """Return the targets of the rows ``index``."""
        count = len(index)
        # "clip" spares take a buffer of its own; the positions are known to be good
        y = self.dataset.y.take(index, axis=0, out=rows_of(self._raw_y, count), mode="clip")
        if self._y is self._raw_y:
            return y
        np.copyto(rows_of(self._y, count), y, casting="unsafe")
        return rows_of(self._y, count)


def rows_of(buffer: np.ndarray, count: int) -> np.ndarray:
    """Return the first rows of a buffer: itself for a whole batch, as an engine may notice."""
    return buffer if count == len(buffer) else buffer[:count]
