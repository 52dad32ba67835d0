"""Pictures in files as one array that is read when it is used, ahead of whoever uses it."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.data.images import PictureFormat
from pullback.data.rows import Rows, spread

if TYPE_CHECKING:  # it takes a while to load
    from concurrent.futures import Future, ThreadPoolExecutor

PIECE = 16
"""Pictures that a thread reads at a time."""
AHEAD, AHEAD_BYTES = 4096, 64 << 20
"""How many are read ahead, at most (but a piece for each thread, whatever its size)."""
SAMPLE_BYTES = 64 << 20


def reading_threads() -> int:
    """Return how many threads read pictures."""
    return min(os.cpu_count() or 1, 8)


def reading_pool() -> ThreadPoolExecutor:
    """Return as many new threads for reading pictures."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(reading_threads(), "pullback-read")


@dataclass(frozen=True, eq=False)
class Pictures(Rows):
    """An array ``(N, H, W)`` or ``(N, H, W, 3)`` of bytes whose rows are pictures in files.

    ``pictures[3]`` is read; ``pictures[10:20]`` and ``pictures[index]`` are again of this class
    and read nothing, so that parts of a data set cost nothing. ``np.asarray`` reads all of it.

    Args:
        root: the folder that the names begin from.
        names: of the files.
        image: what each picture is brought to.
        rows: ``(N,)`` which of the names, and in which order.
    """

    root: Path
    names: tuple[str, ...]
    image: PictureFormat
    rows: np.ndarray

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W)`` or ``(N, H, W, 3)``."""
        return (len(self.rows), *self.image.shape)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.read(int(rows))
        return replace(self, rows=self.rows[rows])

    def path(self, row: int) -> str:
        """Return the path of a picture."""
        return os.path.join(self.root, self.names[self.rows[row]])  # noqa: PTH118 (it is faster)

    def read(self, row: int) -> np.ndarray:
        """Return a picture.

        Raises:
            DataError: it cannot be read.
        """
        return self.image.read(self.path(row))

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Read the rows ``index`` into ``out``."""
        with Ahead(self, index) as ahead:
            ahead.take(out)

    @cached_property
    def sample(self) -> np.ndarray:
        """Up to 512 pictures, and 64 MB, at even distances: what stands for all where need be.

        What normalises the data is fitted on it, and a run that is resumed knows its data by it.
        """
        return np.asarray(self[spread(len(self), max(1, SAMPLE_BYTES // self.image.size))])


class Ahead:
    """Reads rows in worker threads, in the order in which they will be asked for.

    Only so many wait to be asked for, so that memory stays the same however many rows there are.
    Leaving the context ends the threads. ``waited`` are the seconds that ``take`` had to wait.

    Args:
        pictures: what is read.
        rows: the order.
    """

    def __init__(self, pictures: Pictures, rows: np.ndarray) -> None:
        self._pictures, self._rows = pictures, rows
        self._pool = reading_pool()
        self._coming: deque[Future[np.ndarray]] = deque()
        self._piece = np.empty((0, *pictures.image.shape), np.uint8)
        self._asked = self.taken = 0
        self.waited = 0.0

    def __enter__(self) -> Ahead:
        self._ask()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what has not been asked for."""
        self._pool.shutdown(cancel_futures=True)
        self._coming.clear()

    def _ask(self) -> None:
        few = min(AHEAD, AHEAD_BYTES // self._pictures.image.size)
        most = max(reading_threads(), few // PIECE)
        while self._asked < len(self._rows) and len(self._coming) < most:
            rows = self._rows[self._asked : self._asked + PIECE]
            self._coming.append(self._pool.submit(self._read, rows))
            self._asked += len(rows)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        piece = np.empty((len(rows), *self._pictures.image.shape), np.uint8)
        for place, row in enumerate(rows):
            piece[place] = self._pictures.read(row)
        return piece

    def comes(self, index: np.ndarray) -> bool:
        """Whether ``index`` are the next rows."""
        return np.array_equal(self._rows[self.taken : self.taken + len(index)], index)

    def take(self, out: np.ndarray) -> None:
        """Write the next rows into ``out``.

        Raises:
            DataError: one of them cannot be read.
        """
        place = 0
        while place < len(out):
            if not len(self._piece):
                began = time.perf_counter()
                self._piece = self._coming.popleft().result()
                self.waited += time.perf_counter() - began
                self._ask()
            count = min(len(out) - place, len(self._piece))
            out[place : place + count] = self._piece[:count]
            self._piece = self._piece[count:]
            place += count
        self.taken += place
