"""Windows over a stream of tokens as examples of a language model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.core.random import generator
from pullback.data.dataset import Dataset
from pullback.data.rows import Rows


@dataclass(frozen=True, eq=False)
class Windows(Rows):
    """An array ``(N, length)`` whose row ``n`` is ``ids[starts[n] : starts[n] + length]``.

    Nothing is copied until a row is asked for; ``ids`` may be a file that is mapped to memory.

    Args:
        ids: the stream, ``(n,)`` whole numbers.
        length: of a window.
        starts: ``(N,)`` where the windows begin.
    """

    ids: np.ndarray
    length: int
    starts: np.ndarray

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """That of the stream."""
        return self.ids.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, length)``."""
        return (len(self.starts), self.length)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            start = int(self.starts[rows])
            return self.ids[start : start + self.length]
        return replace(self, starts=self.starts[rows])

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Write the windows ``index`` into ``out``."""
        every = np.lib.stride_tricks.sliding_window_view(self.ids, self.length)
        out[...] = every[self.starts[index]]


def windows(ids: np.ndarray, length: int, stride: int = 1, name: str = "text") -> Dataset:
    """Return windows of a stream as examples, each with the same one token later as target.

    ``x[n] = ids[i : i + length]`` and ``y[n] = ids[i + 1 : i + length + 1]`` with ``i = n stride``.
    With a stride of 1 there is a window at every token; training goes through them in an order that
    seed and epoch decide on, so that a step is one of random windows, and can be repeated.

    Args:
        ids: ``(n,)`` tokens.
        length: of a window.
        stride: from one window to the next.
        name: what messages call the data.

    Raises:
        ConfigError: a length or stride that is not a whole number of at least 1.
        DataError: the stream is no row of whole numbers, or too short for one window.
    """
    for what, value in (("length", length), ("stride", stride)):
        if type(value) is not int or value < 1:
            raise ConfigError(f"windows: {what}={value!r}; expected a whole number of at least 1")
    if ids.ndim != 1 or ids.dtype.kind not in "ui":
        raise DataError(f"{name}: tokens {ids.dtype} {ids.shape}; expected whole numbers (n,)")
    if len(ids) <= length:
        raise DataError(f"{name}: {len(ids):,} tokens; expected more than the {length} of a window")
    starts = np.arange(0, len(ids) - length, stride)
    x, y = Windows(ids, length, starts), Windows(ids, length, starts + 1)
    return Dataset(x, y, name=name)  # type: ignore[arg-type]


def random_windows(
    ids: np.ndarray, length: int, count: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(x, y)``, each ``(count, length)``: windows drawn with replacement for a step.

    A function of the seed and the step alone, for loops of one's own.
    """
    starts = generator(seed, "data", "windows", step=step).integers(len(ids) - length, size=count)
    places = starts[:, None] + np.arange(length)
    return ids[places], ids[places + 1]
