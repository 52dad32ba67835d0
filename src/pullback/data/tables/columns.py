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

    ``name`` is that of the table's column, ``width`` how many numbers a cell becomes, and ``shown``
    says in a few words what is done.
    """

    name: str
    width: int
    shown: str

    def numbers(self, cells: Any) -> np.ndarray:
        """Return the cells, a ``pyarrow`` column, as float64 ``(N, width)``."""
        raise NotImplementedError


def _filled(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return cells as float64, NaN where there is none, and where that is."""
    values = np.asarray(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
    return values, np.isnan(values)


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

    def numbers(self, cells: Any) -> np.ndarray:
        """Return the quantity, its pieces, and whether it was missing."""
        import pyarrow

        values, _ = _filled(cells.cast(pyarrow.float64()))
        return self.of(values)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the same of float64 values ``(N,)``, NaN where there is none."""
        missing = np.isnan(values) | np.isin(values, self.absent)
        values = np.where(missing, self.middle, values)
        scaled = (values - self.mean) / self.deviation
        found = [np.where(np.isfinite(values), np.clip(scaled, -FAR, FAR), values)]
        for low, high in zip(self.edges, self.edges[1:], strict=False):
            found.append(np.clip((values - low) / (high - low), 0, 1))
        if self.marks:
            found.append(missing.astype(np.float64))
        return np.stack(found, axis=1)


@TABLES.register
@dataclass(frozen=True)
class Dates(Column):
    """A date: days since 1970, as a quantity, and the place in the year on a circle."""

    name: str
    mean: float
    deviation: float

    width = 3
    shown = "date"

    def numbers(self, cells: Any) -> np.ndarray:
        """Return days, and the sine and cosine of the place in the year."""
        values, missing = _filled(days(cells))
        values = np.where(missing, self.mean, values)
        angle = 2 * np.pi * values / 365.2425
        return np.stack([(values - self.mean) / self.deviation, np.sin(angle), np.cos(angle)], 1)


def days(cells: Any) -> Any:
    """Return dates or times as days since 1970."""
    import pyarrow
    import pyarrow.compute as compute

    seconds = cells.cast(pyarrow.timestamp("s"), safe=False).cast(pyarrow.int64())
    return compute.divide(seconds.cast(pyarrow.float64()), 86_400.0)


@TABLES.register
@dataclass(frozen=True)
class Categories(Column):
    """One of some words: a number for each, 1 where it is that one.

    Words that were rare, or never seen, are alike (the last number); so is a missing one, which
    has the number before the last.
    """

    name: str
    words: tuple[str, ...]

    @property
    def width(self) -> int:  # type: ignore[override]
        """One for each word, one for none, one for all others."""
        return len(self.words) + 2

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        return f"{len(self.words)} categories"

    def numbers(self, cells: Any) -> np.ndarray:
        """Return rows of zeros with a one."""
        import pyarrow
        import pyarrow.compute as compute

        cells = words(cells)
        place = compute.index_in(cells, pyarrow.array(self.words, pyarrow.string()))
        other = len(self.words) + 1
        place = compute.if_else(cells.is_null(), other - 1, compute.fill_null(place, other))
        found = np.zeros((len(cells), self.width))
        found[np.arange(len(cells)), np.asarray(place.to_numpy())] = 1
        return found


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
