"""The kinds of columns: each turns cells into numbers for a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.registry import Registry

FAR = 20.0
"""Deviations from the mean that a quantity is at most: what is further is as far."""
TABLES: Registry[Any] = Registry("part of a table")


class Column:
    """Base of the kinds; a column keeps what it was fitted to.

    A cell becomes one value, and a value some numbers, so that a table is kept as its values.
    ``name`` is that of the table's column, ``width`` how many numbers a cell becomes, and ``shown``
    says in a few words what is done.
    """

    name: str
    width: int
    shown: str

    def values(self, cells: Any) -> np.ndarray:
        """Return the cells, a ``pyarrow`` column, as float64 ``(N,)``; NaN where there is none."""
        raise NotImplementedError

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return values ``(N,)`` as numbers ``(N, width)``."""
        raise NotImplementedError


@TABLES.register
@dataclass(frozen=True)
class Numbers(Column):
    """A quantity: less the mean, over the standard deviation.

    Between ``edges``, quantiles of the training table, it also has a number for each piece: 0 below
    the piece, 1 above it, and in between how far it has come, so that a network may treat every
    range by itself, and no outlier is far away. Gorishniy and others, "On embeddings for numerical
    features in tabular deep learning" (2022), section 3.2. What is missing is at the ``middle``,
    and with ``marks`` a last number says so. Values among ``absent`` are missing too, as in some
    tables a 0 stands for no value.
    """

    name: str
    mean: float
    deviation: float
    middle: float
    marks: bool = False
    edges: tuple[float, ...] = ()
    absent: tuple[float, ...] = ()

    @property
    def width(self) -> int:  # type: ignore[override]
        """1, one for each piece, and one for the mark."""
        return 1 + max(0, len(self.edges) - 1) + self.marks

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        return "number" + (f", in {len(self.edges) - 1} pieces too" if self.edges else "")

    def values(self, cells: Any) -> np.ndarray:
        """Return the quantity."""
        return quantities(cells)

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the quantity in deviations, its pieces, and whether it was missing."""
        missing = np.isnan(values)
        if self.absent:
            missing |= np.isin(values, self.absent)
        values = np.where(missing, self.middle, values)
        found = np.empty((len(values), self.width))
        found[:, 0] = ((values - self.mean) / self.deviation).clip(-FAR, FAR)
        if self.edges:
            edges = np.array(self.edges)
            pieces = found[:, 1 : len(edges)]
            np.subtract(values[:, None], edges[:-1], out=pieces)
            pieces /= np.diff(edges)
            pieces.clip(0, 1, out=pieces)
        if self.marks:
            found[:, -1] = missing
        return found


@TABLES.register
@dataclass(frozen=True)
class Dates(Column):
    """A date: days since 1970, as a quantity, and the place in the year on a circle."""

    name: str
    mean: float
    deviation: float

    width = 3
    shown = "date"

    def values(self, cells: Any) -> np.ndarray:
        """Return days since 1970."""
        return quantities(days(cells))

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return days in deviations, and the sine and cosine of the place in the year."""
        values = np.where(np.isnan(values), self.mean, values)
        angle = 2 * np.pi * values / 365.2425
        return np.stack([(values - self.mean) / self.deviation, np.sin(angle), np.cos(angle)], 1)


def quantities(cells: Any) -> np.ndarray:
    """Return cells as float64, NaN where there is none."""
    import pyarrow

    found = cells.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(found, np.float64)


def days(cells: Any) -> Any:
    """Return dates or times as days since 1970."""
    import pyarrow
    import pyarrow.compute as compute

    seconds = cells.cast(pyarrow.timestamp("s"), safe=False).cast(pyarrow.int64())
    return compute.divide(seconds.cast(pyarrow.float64()), 86_400.0)


class Worded(Column):
    """Base of what becomes of words: a value is the place of the cell's word among ``words``.

    Words that were rare, or never seen, are alike (the last place); so is a missing one, which
    has the place before the last.
    """

    words: tuple[str, ...]

    @property
    def places(self) -> int:
        """One for each word, one for none, one for all others."""
        return len(self.words) + 2

    def values(self, cells: Any) -> np.ndarray:
        """Return the place of each word."""
        import pyarrow
        import pyarrow.compute as compute

        cells = words(cells)
        place = compute.index_in(cells, pyarrow.array(self.words, pyarrow.string()))
        other = len(self.words) + 1
        place = compute.if_else(cells.is_null(), other - 1, compute.fill_null(place, other))
        return np.asarray(place.to_numpy(), np.float64)


@TABLES.register
@dataclass(frozen=True)
class Categories(Worded):
    """One of some words: a number for each place, 1 where it is that one."""

    name: str
    words: tuple[str, ...]

    @property
    def width(self) -> int:  # type: ignore[override]
        """The places."""
        return self.places

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        return f"{len(self.words)} categories"

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return rows of zeros with a one."""
        found = np.zeros((len(values), self.width))
        found[np.arange(len(values)), values.astype(np.int64)] = 1
        return found


@TABLES.register
@dataclass(frozen=True)
class Embedded(Worded):
    """One of many words: its place, for which the network has a vector."""

    name: str
    words: tuple[str, ...]

    width = 1

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        return f"{len(self.words)} words, a vector each"

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the places."""
        return values[:, None]


def words(cells: Any) -> Any:
    """Return cells as words without spaces at their ends; those that mean nothing are missing."""
    import pyarrow
    import pyarrow.compute as compute

    from pullback.data.tables.reading import MISSING

    if not pyarrow.types.is_string(cells.type):
        cells = cells.cast(pyarrow.string())
    cells = compute.utf8_trim_whitespace(cells)
    none = compute.is_in(cells, pyarrow.array(MISSING, pyarrow.string()))
    return compute.if_else(none, pyarrow.scalar(None, pyarrow.string()), cells)
