"""Target encoding: of many words, the mean of the target in the rows that have each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.data.tables.columns import TABLES, Column, Embedded, Worded
from pullback.data.tables.preparation import Preparation
from pullback.data.tables.reading import Frame

FOLDS = 5
"""Parts of the training table; a row's means are those of the other parts."""
TINY = 1e-9
"""Rows of a word that has none, so that its means are those of all."""


@TABLES.register
@dataclass(frozen=True)
class Means(Worded):
    r"""The target's mean in the rows with a word, drawn to that of all rows where there are few.

    .. math:: e_w = \frac{\sum_{i: w_i = w} t_i}{n_w + m}, \qquad m = \sigma^2 / \tau^2

    with targets ``t`` less their mean over their deviation, their variance :math:`\sigma^2` in the
    rows of one word, and that of the words' own means :math:`\tau^2`; both by the analysis of
    variance, and 0 for all words where none of the variance is theirs. Of classes, ``t`` is 1 in
    the rows that have one, for each class but the first. Micci-Barreca, "A preprocessing scheme for
    high-cardinality categorical attributes" (2001), section 3; Searle, Casella and McCulloch,
    "Variance components" (1992), section 3.6.

    ``means`` are those of each place, one after the other, ``width`` at a time.
    """

    name: str
    words: tuple[str, ...]
    means: tuple[float, ...]

    @property
    def width(self) -> int:  # type: ignore[override]
        """One for a quantity, one for each class but the first."""
        return len(self.means) // self.places

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        return f"mean of the target for each of {len(self.words)} words"

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the means of the places."""
        table = np.array(self.means).reshape(-1, self.width)
        found: np.ndarray = table[values.astype(np.int64)]
        return found


@dataclass(frozen=True, eq=False)
class CrossedMeans(Worded):
    """``Means`` for the rows that they are fitted to: each gets those of the other ``FOLDS``.

    A row's own target is not in what the row is told, or a network would learn to read it there.
    A value is the place of a word and, in steps of ``places``, the part that its row is in.
    """

    name: str
    words: tuple[str, ...]
    table: np.ndarray

    @property
    def width(self) -> int:  # type: ignore[override]
        """That of the means."""
        return int(self.table.shape[1])

    def values(self, cells: Any) -> np.ndarray:
        """Return the places, and the parts."""
        found: np.ndarray = super().values(cells) + self.places * _parts(len(cells))
        return found

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the means of the places in the other parts."""
        found: np.ndarray = self.table[values.astype(np.int64)]
        return found


def with_means(preparation: Preparation, frame: Frame) -> Preparation:
    """Return a preparation that also has the ``Means`` of its ``Embedded`` columns."""
    found: list[Column] = []
    for column in _embedded(preparation):
        counts, sums = _tally(column, preparation, frame)
        counts, sums = counts.sum(0), sums.sum(0)
        means = sums / (np.maximum(counts, TINY) + _smoothing(counts, sums))
        found.append(Means(column.name, column.words, tuple(map(float, means.ravel()))))
    plain = [column for column in preparation.columns if not isinstance(column, Embedded)]
    return replace(preparation, columns=(*plain, *found, *_embedded(preparation)))


def crossed(preparation: Preparation, frame: Frame) -> Preparation:
    """Return the preparation for the rows that it was fitted to."""
    columns = list(preparation.columns)
    for at, column in enumerate(columns):
        if isinstance(column, Means):
            counts, sums = _tally(column, preparation, frame)
            least = _smoothing(counts.sum(0), sums.sum(0))
            means = (sums.sum(0) - sums) / (np.maximum(counts.sum(0) - counts, TINY) + least)
            columns[at] = CrossedMeans(column.name, column.words, means.reshape(-1, column.width))
    return replace(preparation, columns=tuple(columns))


def _smoothing(counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return ``m`` of each target, of rows ``(places, 1)`` and sums ``(places, width)``."""
    rows, kinds = counts.sum(), np.count_nonzero(counts)
    explained = (sums**2 / np.maximum(counts, 1)).sum(0)  # of rows, as targets have variance 1
    within = (rows - explained) / max(rows - kinds, 1)
    between = (explained - (kinds - 1) * within) / (rows - (counts**2).sum() / rows)
    return np.where(between > 0, within / np.maximum(between, 1e-300), np.inf)


def _embedded(preparation: Preparation) -> list[Embedded]:
    return [column for column in preparation.columns if isinstance(column, Embedded)]


def _parts(rows: int) -> np.ndarray:
    return np.arange(rows) % FOLDS


def _tally(column: Worded, preparation: Preparation, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return rows ``(FOLDS, places, 1)`` and sums of targets ``(FOLDS, places, width)``."""
    targets = preparation.targets(frame)
    if preparation.classes is None:
        t = targets[:, None]
    else:
        t = (targets[:, None] == np.arange(1, len(preparation.classes))).astype(float)
        t = (t - t.mean(0)) / t.std(0)
    places = column.places
    keys = Worded.values(column, frame.column(column.name)).astype(np.int64)
    keys += places * _parts(len(frame))
    counts = np.bincount(keys, minlength=FOLDS * places)
    sums = [np.bincount(keys, each, minlength=FOLDS * places) for each in t.T]
    return counts.reshape(FOLDS, places, 1), np.stack(sums, 1).reshape(FOLDS, places, -1)
