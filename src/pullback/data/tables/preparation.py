"""What becomes of a table's columns: fitted once, kept in the model, done to every new table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.core.errors import DataError
from pullback.data.rows import Rows
from pullback.data.tables.columns import TABLES, Column, Embedded, Worded, quantities, words
from pullback.data.tables.reading import Frame

AT_ONCE = 256 << 20
"""Bytes of examples up to which they are made at once."""
MADE = 4096
"""Rows that are made at a time, so that what is needed beside them stays small."""
TEXT = {
    "column": "{table}: there is no column {name!r}, which the model needs; it has {names}",
    "width": "{table}: {found} columns and no header, expected the {wanted} of the training table, "
    "or those without {target!r}",
    "kind": "{table}: column {name!r}, row {row}: {value!r} is no {kind}",
    "finite": "{table}: column {name!r}, row {row}: {value} is not finite",
    "class": "{table}: column {name!r}, row {row}: {value!r} is none of the classes {classes}",
    "no target": "{table}: column {name!r}, row {row}: no value, but it is the target",
}


@TABLES.register
@dataclass(frozen=True)
class Preparation:
    """How a row becomes an example, and its target.

    ``columns`` are those that are used, the ``Embedded`` ones last, ``names`` all of the training
    table in their order, ``target`` is the one to say, and ``classes`` its words, or None where it
    is a quantity. Quantities are learned less ``middle``, over ``deviation``. ``header`` says
    whether the names were the table's own. ``notes`` say what was left out, and what looks odd.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None
    header: bool
    notes: tuple[str, ...] = ()
    middle: float = 0.0
    deviation: float = 1.0

    @property
    def words(self) -> list[str]:
        """The columns whose cells are words, also where those of a new table look like numbers."""
        return [column.name for column in self.columns if isinstance(column, Worded)]

    @property
    def embedded(self) -> tuple[int, ...]:
        """How many symbols each of an example's last numbers is one of, where some are symbols."""
        return tuple(column.places for column in self.columns if isinstance(column, Embedded))

    @property
    def width(self) -> int:
        """Numbers of an example."""
        return sum(column.width for column in self.columns)

    def named(self, frame: Frame) -> Frame:
        """Return the table with the names of the training table.

        Columns go by their names where both tables have some, else by their places; without the
        target's, the others move up.

        Raises:
            DataError: a column is missing.
        """
        if frame.header and self.header:
            for column in self.columns:
                if column.name not in frame.names:
                    raise DataError(
                        TEXT["column"].format(
                            table=frame.name, name=column.name, names=_some(frame.names)
                        )
                    )
            return frame
        others = [name for name in self.names if name != self.target]
        for names in (list(self.names), others):
            if len(names) == len(frame.names):
                return Frame(frame.cells.rename_columns(names), self.header, frame.name)
        raise DataError(
            TEXT["width"].format(
                table=frame.name, found=len(frame.names), wanted=len(self.names),
                target=self.target,
            )
        )  # fmt: skip

    def examples(self, frame: Frame) -> Any:
        """Return the examples ``(N, width)`` of a named table, float32.

        Those of a large table are ``Rows``, which are made when they are used.

        Raises:
            DataError: a cell cannot be what its column was in training; the row is named.
        """
        values = np.empty((len(frame), len(self.columns)))
        for place, column in enumerate(self.columns):
            values[:, place] = self._values(frame, column, frame.column(column.name))
        rows = TableRows(self, values, np.arange(len(frame)))
        return rows if 4 * len(rows) * self.width > AT_ONCE else np.asarray(rows)

    def numbers(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return values ``(N, columns)`` as examples ``(N, width)``, written into ``out``."""
        found = np.empty((len(values), self.width), np.float32) if out is None else out
        start = 0
        for column, each in zip(self.columns, values.T, strict=True):
            found[:, start : start + column.width] = column.numbers(each)
            start += column.width
        return found

    def _values(self, frame: Frame, column: Column, cells: Any) -> np.ndarray:
        import pyarrow

        try:
            values = column.values(cells)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            row, value = _first_odd(cells)
            kind = column.shown.partition(",")[0]
            raise DataError(
                TEXT["kind"].format(
                    table=frame.name, name=column.name, row=row, value=value, kind=kind
                )
            ) from None
        odd = np.flatnonzero(np.isinf(values))
        if len(odd):
            row = int(odd[0])
            raise DataError(
                TEXT["finite"].format(
                    table=frame.name, name=column.name, row=row + 1, value=cells[row].as_py()
                )
            )
        return values

    def targets(self, frame: Frame) -> np.ndarray:
        """Return class numbers, or quantities, of a named table.

        Raises:
            DataError: one is missing, or none of the classes.
        """
        if self.target not in frame.names:
            raise DataError(
                TEXT["column"].format(table=frame.name, name=self.target, names=_some(frame.names))
            )
        cells = frame.column(self.target)
        if self.classes is None:
            return self._quantities(frame, cells)
        found = words(cells).to_pylist()
        numbers = {name: i for i, name in enumerate(self.classes)}
        # the words of some test files end in a full stop that those of training do not have
        numbers = {f"{name}.": i for name, i in numbers.items()} | numbers
        for row, word in enumerate(found, start=1):
            if word is None:
                self._refuse("no target", frame, row)
            if word not in numbers:
                self._refuse("class", frame, row, value=word, classes=_some(self.classes))
        return np.array([numbers[word] for word in found], np.int64)

    def _quantities(self, frame: Frame, cells: Any) -> np.ndarray:
        import pyarrow

        try:
            values = quantities(cells)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            row, value = _first_odd(cells)
            self._refuse("kind", frame, row, value=value, kind="number")
        odd = np.flatnonzero(~np.isfinite(values))
        if len(odd):
            row = int(odd[0])
            if cells[row].as_py() is None:
                self._refuse("no target", frame, row + 1)
            self._refuse("finite", frame, row + 1, value=cells[row].as_py())
        return (values - self.middle) / self.deviation

    def _refuse(self, what: str, frame: Frame, row: int, **more: Any) -> None:
        raise DataError(TEXT[what].format(table=frame.name, name=self.target, row=row, **more))

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs ``(N, 1)`` of a network as quantities ``(N,)`` of the target."""
        found: np.ndarray = outputs.reshape(len(outputs)) * self.deviation + self.middle
        return found

    def lines(self) -> list[str]:
        """Return what is done with each column, a line each, and the notes."""
        kind = "a quantity" if self.classes is None else f"{len(self.classes)} classes"
        width = max(len(name) for name in self.names)
        used = [f"{column.name:{width}}  {column.shown}" for column in self.columns]
        return [f"{self.target:{width}}  the target: {kind}", *used, *self.notes]


@dataclass(frozen=True, eq=False)
class TableRows(Rows):
    """Examples ``(N, width)`` that are made of a table's values when they are used.

    Args:
        preparation: what is done with a row.
        table: ``(M, columns)``, a value for each cell.
        rows: ``(N,)`` which of its rows, and in which order.
    """

    preparation: Preparation
    table: np.ndarray
    rows: np.ndarray

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, width)``."""
        return len(self.rows), self.preparation.width

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return np.asarray(self[[rows]])[0]
        return replace(self, rows=self.rows[rows])

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Make the rows ``index``, a part at a time, in ``out``."""
        for start in range(0, len(index), MADE):
            rows = self.rows[index[start : start + MADE]]
            self.preparation.numbers(self.table[rows], out[start : start + MADE])


def _first_odd(cells: Any) -> tuple[int, Any]:
    """Return the first row whose cell is no number, counted from 1, and the cell."""
    for row, value in enumerate(cells.to_pylist(), start=1):
        try:
            float(value if value is not None else 0)
        except (TypeError, ValueError):
            return row, value
    return 1, cells[0].as_py()


def _some(names: Any, most: int = 8) -> str:
    shown = ", ".join(map(str, list(names)[:most]))
    return shown + (", ..." if len(names) > most else "")
