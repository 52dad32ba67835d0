"""Arrays whose rows are made when they are asked for, and rows of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.core.errors import DataError

SAMPLE = 512
PADDING = -1
"""What stands behind the end of a row of whole numbers; behind one of fractions it is NaN."""


class Rows:
    """Base of what stands for an array ``(N, ...)`` in a data set without being one.

    ``rows[3]`` is made; ``rows[10:20]`` and ``rows[index]`` are again of this class and make
    nothing. ``np.asarray`` makes all of it.
    """

    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, ...)``."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        raise NotImplementedError

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Write the rows ``index`` into ``out``."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = np.empty(self.shape, self.dtype)
        self.take(np.arange(len(self)), out=out)
        return out if dtype is None else out.astype(dtype, copy=False)

    @property
    def sample(self) -> np.ndarray:
        """Some rows at even distances: what stands for all where need be."""
        return np.asarray(self[spread(len(self))])


def spread(count: int, most: int = SAMPLE) -> np.ndarray:
    """Return up to ``most``, and up to 512, of ``count`` positions, at even distances."""
    few = min(count, most, SAMPLE)
    return np.arange(few) * count // max(1, few)


def sample(x: Any) -> np.ndarray:
    """Return a fixed sample of the rows of ``x``: at least 256 of an array, where it has them."""
    if isinstance(x, Rows):
        return x.sample
    few: np.ndarray = x[:: max(1, len(x) // 256)]
    return few


def take(x: Any, index: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return the rows ``index`` of an array or of ``Rows``, written into ``out``."""
    if isinstance(x, Rows):
        x.take(index, out)
    else:
        # "clip" spares take a buffer of its own; the positions are known to be good
        x.take(index, axis=0, out=out, mode="clip")
    return out


def padded(rows: Sequence[np.ndarray], length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of different lengths as one array ``(N, length, ...)``, and their lengths.

    Behind its end a row of whole numbers is filled with -1, one of fractions with NaN. Unsigned
    numbers become signed ones that can hold -1.

    Args:
        rows: arrays that differ in their first axis only.
        length: of the result; by default that of the longest. Longer rows lose their end.
    """
    lengths = np.array([len(row) for row in rows], np.int64)
    if length is None:
        length = int(lengths.max(initial=0))
    lengths = np.minimum(lengths, length)
    first = rows[0] if len(rows) else np.empty(0, np.int64)
    whole = first.dtype.kind in "ui"
    dtype = np.result_type(first.dtype, np.int8) if whole else first.dtype
    found = np.full((len(rows), length, *first.shape[1:]), PADDING if whole else np.nan, dtype)
    for i, row in enumerate(rows):
        found[i, : lengths[i]] = row[: lengths[i]]
    return found, lengths


def within(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return ``(N, T)`` whether a position of ``x (N, T, ...)`` is before the end of its row."""
    inside: np.ndarray = np.arange(x.shape[1]) < lengths[:, None]
    return inside


def check_padding(x: np.ndarray, lengths: np.ndarray, name: str) -> None:
    """Raise ``DataError`` unless ``x (N, T, ...)`` ends where ``lengths (N,)`` say.

    Whole numbers are below 0 behind the end, fractions NaN; before it they are neither. Of several
    whole numbers of a position, such as those of two sequences side by side, one is enough.
    """
    if x.ndim < 2 or lengths.shape != (len(x),) or lengths.dtype.kind not in "ui":
        raise DataError(
            f"{name}: lengths {lengths.dtype} {lengths.shape} for x {x.shape}; expected a whole "
            "number for each example, and examples with an axis of positions"
        )
    if len(x) and (lengths.min() < 0 or lengths.max() > x.shape[1]):
        raise DataError(
            f"{name}: lengths from {lengths.min()} to {lengths.max()}; expected 0..{x.shape[1]}"
        )
    flat = x.reshape(*x.shape[:2], -1)
    whole = x.dtype.kind in "ui"
    there = (flat >= 0).any(axis=2) if whole else np.isfinite(flat).all(axis=2)
    gone = ((flat < 0) if whole else np.isnan(flat)).all(axis=2)
    wrong = ~np.where(within(x, lengths), there, gone).all(axis=1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{name}: row {first} does not end at its length, {lengths[first]}; expected "
            f"{'numbers below 0' if whole else 'NaN'} behind it, and none before"
        )
