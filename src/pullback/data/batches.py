"""Batches: rows of a data set gathered, normalised, into buffers that are reused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.dataset import Dataset
from pullback.data.files import Ahead, Pictures
from pullback.data.normalize import Affine
from pullback.data.rows import sample, take

EIGHT = 8
"""Batches of sequences have a multiple of so many steps, so that there are few different ones."""


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
        cut: whether to leave out the steps that are padding in the whole batch, in eights.
    """

    def __init__(
        self, dataset: Dataset, normalizer: Affine, batch_size: int, dtype: str, cut: bool = False
    ) -> None:
        self.dataset, self.normalizer, self.batch_size = dataset, normalizer, batch_size
        self.dtype, self.cut = dtype, cut and dataset.lengths is not None
        self._raw = np.empty((batch_size, *dataset.x.shape[1:]), dataset.x.dtype)
        self._x = np.empty(self._raw.shape, dtype)
        self._raw_y = np.empty((batch_size, *dataset.y.shape[1:]), dataset.y.dtype)
        # class numbers stay whole: those of the examples, and those of an example's positions
        whole = dataset.classes is not None
        whole = whole or (dataset.y.ndim > 1 and dataset.y.dtype.kind in "ui")
        self._y = self._raw_y if whole else np.empty(self._raw_y.shape, dtype)
        self._weight = None if dataset.weight is None else np.empty(batch_size, dtype)

    @property
    def sparse(self) -> bool:
        """Whether most of the network's inputs are 0, in a few hundred examples from everywhere."""
        x = self.normalizer.apply(sample(self.dataset.x), self.dtype)
        return bool(2 * np.count_nonzero(x) < x.size)

    def ahead(self, rows: np.ndarray) -> AbstractContextManager[Any]:
        """Return a context within which ``rows`` will be asked for in this order."""
        return nullcontext()

    def gather(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return ``(x, y, weight)`` of the rows ``index``; ``vary`` changes the raw inputs."""
        count, x, y = len(index), self.inputs(index, vary), self.targets(index)
        if self.cut:
            x, y = self._shortened(index, x, y)
        if self._weight is None or self.dataset.weight is None:
            return x, y, None
        np.copyto(self._weight[:count], self.dataset.weight[index], casting="unsafe")
        return x, y, self._weight[:count]

    def _shortened(
        self, index: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a batch without the steps behind its longest example."""
        assert self.dataset.lengths is not None
        steps = -(-max(1, int(self.dataset.lengths[index].max())) // EIGHT) * EIGHT
        if steps >= x.shape[1]:
            return x, y
        of_steps = y.ndim > 1 and y.shape[1] == x.shape[1] and (y[:, steps:] < 0).all()
        shorter = np.ascontiguousarray(x[:, :steps])
        return shorter, np.ascontiguousarray(y[:, :steps]) if of_steps else y

    def inputs(
        self, index: np.ndarray, vary: Callable[[np.ndarray], np.ndarray] | None
    ) -> np.ndarray:
        """Return the inputs of the rows ``index``."""
        count = len(index)
        raw = self.raw(index, rows_of(self._raw, count))
        return self.normalizer.apply(
            raw if vary is None else vary(raw), self.dtype, rows_of(self._x, count)
        )

    def raw(self, index: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return the raw inputs of the rows ``index``, written into ``out``."""
        return take(self.dataset.x, index, out)

    def targets(self, index: np.ndarray) -> np.ndarray:
        """Return the targets of the rows ``index``."""
        count = len(index)
        y = take(self.dataset.y, index, rows_of(self._raw_y, count))
        if self._y is self._raw_y:
            return y
        np.copyto(rows_of(self._y, count), y, casting="unsafe")
        return rows_of(self._y, count)


class StreamedBatches(Batches):
    """Batches of a data set whose inputs are ``Pictures``, read ahead where the order is known.

    ``waited`` are the seconds for which pictures in order had to be waited for.
    """

    waited = 0.0
    _ahead: Ahead | None = None

    @contextmanager
    def ahead(self, rows: np.ndarray) -> Iterator[None]:
        """Return a context within which ``rows`` are read before they are asked for."""
        with Ahead(cast(Pictures, self.dataset.x), rows) as self._ahead:
            try:
                yield
            finally:
                self.waited += self._ahead.waited
                self._ahead = None

    def raw(self, index: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return the pictures of the rows ``index``, written into ``out``."""
        if self._ahead is not None and self._ahead.comes(index):
            self._ahead.take(out)
        else:
            take(self.dataset.x, index, out)
        return out


def rows_of(buffer: np.ndarray, count: int) -> np.ndarray:
    """Return the first rows of a buffer: itself for a whole batch, as an engine may notice."""
    return buffer if count == len(buffer) else buffer[:count]
