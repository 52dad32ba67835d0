"""What becomes of a table's columns: fitted once, kept in the model, done to every new table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.errors import DataError
from pullback.data.tables.columns import TABLES, Categories, Column, words
from pullback.data.tables.reading import Frame

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

    ``columns`` are those that are used, ``names`` all of the training table in their order,
    ``target`` is the one to say, and ``classes`` its words, or None where it is a quantity.
    Quantities are learned less ``middle``, over ``deviation``. ``header`` says whether the names
    were the table's own. ``notes`` say what was left out, and what looks odd.
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
        return [column.name for column in self.columns if isinstance(column, Categories)]

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

    def examples(self, frame: Frame) -> np.ndarray:
        """Return the examples ``(N, width)`` of a named table, float32.

        Raises:
            DataError: a cell cannot be what its column was in training; the row is named.
        """
        found = np.empty((len(frame), self.width), np.float32)
        start = 0
        for column in self.columns:
            cells = frame.cells[column.name].combine_chunks()
            found[:, start : start + column.width] = self._numbers(frame, column, cells)
            start += column.width
        return found

    def _numbers(self, frame: Frame, column: Column, cells: Any) -> np.ndarray:
        import pyarrow

        try:
            numbers = column.numbers(cells)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            row, value = _first_odd(cells)
            kind = column.shown.partition(",")[0]
            raise DataError(
                TEXT["kind"].format(
                    table=frame.name, name=column.name, row=row, value=value, kind=kind
                )
            ) from None
        odd = ~np.isfinite(numbers).all(axis=1)
        if odd.any():
            row = int(np.flatnonzero(odd)[0])
            raise DataError(
                TEXT["finite"].format(
                    table=frame.name, name=column.name, row=row + 1, value=cells[row].as_py()
                )
            )
        return numbers

    def targets(self, frame: Frame) -> np.ndarray:
        """Return class numbers, or quantities, of a named table.

        Raises:
            DataError: one is missing, or none of the classes.
        """
        if self.target not in frame.names:
            raise DataError(
                TEXT["column"].format(table=frame.name, name=self.target, names=_some(frame.names))
            )
        cells = frame.cells[self.target].combine_chunks()
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
            values = np.asarray(
                cells.cast(pyarrow.float64()).to_numpy(zero_copy_only=False), np.float64
            )
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
