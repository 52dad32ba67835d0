"""Examples and their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.core.arrays import as_numpy
from pullback.core.errors import DataError
from pullback.data.images import AnyFormat
from pullback.data.rows import Rows, check_padding

MOST_CLASSES = 1_000_000
"""Whole-number targets above are hardly class numbers, and names for them would fill the memory."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples ``x (N, ...)`` with targets ``y (N, ...)`` and, optionally, weights ``(N,)``.

    With ``classes`` (the names), ``y`` holds class numbers. ``dataset[10:20]`` is a view,
    ``dataset[index]`` with an array of positions a copy. ``x`` and ``y`` may be ``Rows``, such as
    ``Pictures`` in files, which are made when they are used.

    With ``lengths (N,)`` examples ``x (N, T, ...)`` are sequences of different lengths; behind its
    end an example is padding: -1 where ``x`` are whole numbers (tokens), NaN where they are
    fractions. Batches are then made of examples of about the same length, and may be cut behind
    the longest; or, where ``sizes (N,)`` are given, of about the same size.

    Raises:
        DataError: numbers of rows that differ, class numbers out of range, numbers that are not
            finite, lengths that do not fit, weights below 0; the first bad row is named.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    name: str = ""
    lengths: np.ndarray | None = None
    sizes: np.ndarray | None = None

    def __post_init__(self) -> None:
        for field in ("x", "y", "weight", "lengths", "sizes"):
            value = getattr(self, field)
            if value is not None and not isinstance(value, Rows):
                object.__setattr__(self, field, as_numpy(value, field))
        self._check_lengths()
        if self.lengths is None:
            if not isinstance(self.x, Rows):  # which are finite, or refused when they are made
                self._check_finite("x", self.x)
        else:
            check_padding(self.x, self.lengths, self.name or "data")
        self._check_finite("y", self.y)
        self._check_classes()
        if self.weight is not None:
            self._check_weight(self.weight)

    def _fail(self, what: str) -> None:
        raise DataError(f"{self.name or 'data'}: {what}")

    def _check_lengths(self) -> None:
        if self.x.ndim < 1 or self.y.ndim < 1:
            self._fail("expected arrays with the examples on the first axis, found a single number")
        for field, value in (("x", self.x), ("y", self.y)):
            if value.dtype.kind not in "buif":
                self._fail(f"{field} holds {value.dtype} values; expected numbers")
        if len(self.x) != len(self.y):
            self._fail(
                f"{len(self.x)} examples but {len(self.y)} targets; each example needs its own"
            )
        for field in ("weight", "size"):
            each = self.weight if field == "weight" else self.sizes
            if each is not None and each.shape != (len(self.x),):
                self._fail(f"{field}s of shape {each.shape} for {len(self.x)} examples")

    def _check_finite(self, field: str, values: np.ndarray) -> None:
        if isinstance(values, Rows):  # whoever makes them answers for them
            return
        if values.dtype.kind != "f" or np.isfinite(values).all():
            return
        rows = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        first = int(np.flatnonzero(rows)[0])
        self._fail(
            f"{field} is NaN or infinite in {int(rows.sum())} of {len(values)} rows, first in row "
            f"{first}; remove or replace those values"
        )

    def _check_classes(self) -> None:
        if self.classes is None or self.y.size == 0:
            return
        if self.y.dtype.kind not in "ui" or self.y.ndim != 1:
            self._fail(f"targets of {self.y.dtype} {self.y.shape}; expected class numbers (N,)")
        bad = (self.y < 0) | (self.y >= len(self.classes))
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            self._fail(
                f"label {self.y[first]} in row {first}; expected 0..{len(self.classes) - 1}; "
                "correct the labels, or name all the classes"
            )

    def _check_weight(self, weight: np.ndarray) -> None:
        self._check_finite("weight", weight)
        if (weight < 0).any() or (len(weight) and not weight.sum() > 0):
            self._fail("weights below 0, or all 0; expected numbers of at least 0")

    @property
    def tokens(self) -> bool:
        """Whether the examples are sequences of whole numbers that mean no size."""
        of_rows = isinstance(self.x, Rows) and self.x.ndim == 2
        sequences = self.lengths is not None or self.sizes is not None or of_rows
        return self.x.dtype.kind in "ui" and sequences

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> Dataset:
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):  # also what ends a loop over the data set
                raise IndexError(f"row {rows} of {len(self)}")
            rows = slice(rows, rows + 1 or None)
        of_each = ("x", "y", "weight", "lengths", "sizes")
        given = {name: getattr(self, name) for name in of_each}
        chosen: dict[str, Any] = {n: None if a is None else a[rows] for n, a in given.items()}
        return replace(self, **chosen)

    def __repr__(self) -> str:
        kind = f", {len(self.classes)} classes" if self.classes is not None else ""
        x = f"x {self.x.shape} {self.x.dtype}"
        return f"Dataset({self.name or 'data'}: {x}, y {self.y.shape}{kind})"


@dataclass(frozen=True, eq=False)
class Data:
    """A data set with its parts: ``train``, and ``test`` where there is one.

    ``image`` says how a picture becomes an example, where examples are pictures; ``attribution``
    names the source and licence; ``skipped`` says which files were left out, and why. Where
    examples are text, ``tokenizer`` is what made tokens of it, and where they are sound, ``rate``
    are the samples a second. ``table`` is the ``Preparation`` of a table's columns.
    """

    train: Dataset
    test: Dataset | None = None
    name: str = ""
    image: AnyFormat | None = None
    attribution: str = ""
    skipped: tuple[str, ...] = ()
    tokenizer: Any = None
    rate: int | None = None
    table: Any = None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, where targets are classes."""
        return self.train.classes


def from_arrays(
    x: Any, y: Any, *, weight: Any = None, classes: Any = None, name: str = ""
) -> Dataset:
    """Return a data set of arrays (or what NumPy can make arrays of).

    Whole-number targets without ``classes`` are taken as class numbers 0..max where they are
    one for each example; targets with a fraction are for regression.

    Raises:
        DataError: see ``Dataset``.
    """
    try:
        x, y = as_numpy(x), as_numpy(y, "y")
    except ValueError as error:
        raise DataError(f"{name or 'data'}: rows that differ in length ({error})") from None
    if classes is None and y.ndim == 1 and y.dtype.kind in "ui" and y.size:
        if y.min() < 0:
            raise DataError(f"{name or 'data'}: label {y.min()}; class numbers begin at 0")
        if y.max() >= MOST_CLASSES:
            raise DataError(
                f"{name or 'data'}: label {y.max()}; expected class numbers below "
                f"{MOST_CLASSES:,}; give targets that are quantities as floating-point numbers"
            )
        classes = tuple(str(i) for i in range(int(y.max()) + 1))
    return Dataset(x, y, weight, tuple(classes) if classes is not None else None, name)
