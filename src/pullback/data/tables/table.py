"""From a table to training and test examples: what each column is, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError, suggestion
from pullback.data.dataset import Data, Dataset
from pullback.data.tables.columns import (
    Categories,
    Column,
    Dates,
    Embedded,
    Numbers,
    days,
    quantities,
    words,
)
from pullback.data.tables.means import crossed, with_means
from pullback.data.tables.preparation import Preparation
from pullback.data.tables.reading import Frame, read_table

MOST_CLASSES = 20
"""Different whole numbers up to which they are classes, as a target."""
MOST_WORDS = 100
"""Words of a column that have a number of their own; where more are frequent, each has a vector."""
MOST_VECTORS = 10_000
"""Words of a column that have a vector of their own: the most frequent."""
MOST_PIECES, ROWS_A_PIECE = 32, 100
"""Pieces of a quantity, at most, and rows that there are for each of them, at least."""
SEEN = 0.02
"""Share of the rows that a class counts as at least."""
ALIKE = 0.999
"""Correlation from which two quantities are taken for the same."""
THOUSANDS = r"^[-+]?\d{1,3}([,.' ]\d{3})+$"
RARE = 10
"""Times that a word must be there to have a number of its own, in large tables."""
TEXT = {
    "target": "{table}: there is no column {name!r} for the target.{known}",
    "place": "{table}: there is no column {place} for the target; it has {count}",
    "one class": "{table}: the target {name!r} is always {value!r}; there is nothing to learn",
    "no value": "{table}: the target {name!r} has no value in any row",
    "dropped": "note: {count} rows without a target were left out",
    "nothing": "note: {name} is left out: it has no values",
    "constant": "note: {name} is left out: it is always {value!r}",
    "number of a row": "note: {name} is left out: it counts the rows",
    "text": "note: {name} is left out: it is text, {count} different ones",
    "thousands": "note: {name} is taken for words: its numbers have separators of thousands, as "
    "{value!r}; write them without",
    "leak": "note: {name} alone tells the target almost always; is it known beforehand?",
    "rare": "note: {name!r} is {share:.2%} of the rows: each weighs as {weight:.3g}, so that it is "
    "learned; what is said of how probable it is, is too high",
    "split": "{table}: the column {name!r} says 'test' of all rows or of none; expected of some",
    "odd kind": "note: {name} is left out: its cells are {kind}",
    "none": "{table}: no column is left to learn from",
}


def table(
    source: Any,
    target: str | int = -1,
    *,
    header: bool | None = None,
    test: Any = None,
    split: str | None = None,
) -> Data:
    """Return a table as data to train on: numbers, words and dates made numbers.

    Args:
        source: the path of a CSV, TSV or Parquet file, or a dataframe.
        target: the column to say, by its name or its place; -1 is the last one.
        header: whether the first row has the names; None: as it looks.
        test: another table with the same columns, to test on.
        split: a column that says which rows are for testing: those that have ``test`` there.

    Words and whole numbers of few kinds are classes, other numbers quantities. Rows of classes that
    are rare are weighed, so that each class counts as 2% of the rows at least. The ``Preparation``
    is in ``data.table``; nothing in it was fitted to the rows for testing.

    Raises:
        DataError: it cannot be read, or there is nothing to learn; file, row and column are named.
        ConfigError: there is no such column.
    """
    frame = read_table(source, header)
    held = None
    if split is not None:
        frame, held = _split(frame, split)
    name = _target(frame, target)
    frame, dropped = _with_target(frame, name)
    preparation = prepare(frame, name)
    if dropped:
        note = TEXT["dropped"].format(count=dropped)
        preparation = replace(preparation, notes=(*preparation.notes, note))
    if test is not None:
        held = read_table(test, frame.header if header is None else header, preparation.words)
    title = Path(source).stem if isinstance(source, str | Path) else "table"
    preparation, weight = _weighed(preparation, frame)
    train = replace(_dataset(crossed(preparation, frame), frame, title), weight=weight)
    tested = None if held is None else _dataset(preparation, preparation.named(held), title)
    return Data(train, tested, title, table=preparation)


def _dataset(preparation: Preparation, frame: Frame, name: str) -> Dataset:
    x, y = preparation.examples(frame), preparation.targets(frame)
    return Dataset(x, y, classes=preparation.classes, name=name)


def _weighed(preparation: Preparation, frame: Frame) -> tuple[Preparation, np.ndarray | None]:
    """Return weights by which rare classes count as much as ``SEEN``, where there are such."""
    if preparation.classes is None:
        return preparation, None
    y = preparation.targets(frame)
    shares = np.bincount(y, minlength=len(preparation.classes)) / len(y)
    weights = np.maximum(1.0, SEEN / shares)
    rare = np.flatnonzero(weights > 1)
    if not len(rare):
        return preparation, None
    notes = [
        TEXT["rare"].format(name=preparation.classes[i], share=shares[i], weight=weights[i])
        for i in rare
    ]
    return replace(preparation, notes=(*preparation.notes, *notes)), weights[y]


def _target(frame: Frame, target: str | int) -> str:
    text = str(target)
    if text in frame.names:
        return text
    if text.lstrip("-").isdigit():
        place = int(text)
        if not -len(frame.names) <= place < len(frame.names):
            raise ConfigError(
                TEXT["place"].format(table=frame.name, place=place, count=len(frame.names))
            )
        return frame.names[place]
    known = suggestion(text, frame.names)
    raise ConfigError(TEXT["target"].format(table=frame.name, name=text, known=known))


def _split(frame: Frame, column: str) -> tuple[Frame, Frame]:
    import pyarrow.compute as compute

    name = _target(frame, column)
    held = compute.fill_null(
        compute.equal(compute.utf8_lower(words(frame.column(name))), "test"), False
    )
    rest = frame.cells.drop_columns([name])
    parts = rest.filter(compute.invert(held)), rest.filter(held)
    if not (len(parts[0]) and len(parts[1])):
        raise DataError(TEXT["split"].format(table=frame.name, name=name))
    return Frame(parts[0], frame.header, frame.name), Frame(parts[1], frame.header, frame.name)


def _with_target(frame: Frame, name: str) -> tuple[Frame, int]:
    """Return the rows that have a target, and how many have none."""
    import pyarrow.compute as compute

    there = compute.is_valid(_plain(frame.column(name)))
    if compute.all(there).as_py():  # a copy of a large table is not made for nothing
        return frame, 0
    kept = frame.cells.filter(there)
    if not kept.num_rows:
        raise DataError(TEXT["no value"].format(table=frame.name, name=name))
    return Frame(kept, frame.header, frame.name), len(frame) - kept.num_rows


def _plain(cells: Any) -> Any:
    """Return words without what means nothing; other cells as they are."""
    import pyarrow

    types = pyarrow.types
    if types.is_null(cells.type):
        return cells
    if types.is_string(cells.type) or types.is_large_string(cells.type):
        return words(cells.cast(pyarrow.string()))
    return cells


def prepare(frame: Frame, target: str) -> Preparation:
    """Return the preparation of a table's columns, fitted to its rows.

    Raises:
        DataError: the target is always the same, or no column is left.
    """
    classes = _classes(frame, target)
    columns: list[Column] = []
    notes: list[str] = []
    aims = _plain(frame.column(target))
    for name in frame.names:
        if name == target:
            continue
        cells = _plain(frame.column(name))
        column, note = _column(name, cells)
        if column is not None:
            columns.append(column)
            if _tells(cells, aims, classes):
                notes.append(TEXT["leak"].format(name=name))
        if note:
            notes.append(note)
    if not columns:
        raise DataError(TEXT["none"].format(table=frame.name))
    columns.sort(key=lambda column: isinstance(column, Embedded))
    found = Preparation(
        tuple(columns), tuple(frame.names), target, classes, frame.header, tuple(notes)
    )
    if classes is None:
        values = found.targets(frame)
        found = replace(found, middle=float(values.mean()), deviation=_deviation(values))
    return with_means(found, frame)


def _classes(frame: Frame, target: str) -> tuple[str, ...] | None:
    """Return the words of the target, or None where it is a quantity."""
    import pyarrow
    import pyarrow.compute as compute

    cells = _plain(frame.column(target))
    kinds = compute.unique(cells)
    if len(kinds) == 1:
        value = kinds[0].as_py()
        raise DataError(TEXT["one class"].format(table=frame.name, name=target, value=value))
    types = pyarrow.types
    whole = types.is_integer(cells.type) and len(kinds) <= MOST_CLASSES
    if not (whole or types.is_string(cells.type) or types.is_boolean(cells.type)):
        return None
    found = kinds.cast(pyarrow.int64()).to_pylist() if whole else words(kinds).to_pylist()
    return tuple(map(str, sorted(found)))


def _column(name: str, cells: Any) -> tuple[Column | None, str]:
    """Return what a column becomes, or why it is left out."""
    import pyarrow
    import pyarrow.compute as compute

    types = pyarrow.types
    if types.is_nested(cells.type) or types.is_binary(cells.type):
        return None, TEXT["odd kind"].format(name=name, kind=cells.type)
    there = cells.drop_null()
    if not len(there):
        return None, TEXT["nothing"].format(name=name)
    kinds = compute.count_distinct(there).as_py()
    if kinds == 1 and len(there) == len(cells):
        return None, TEXT["constant"].format(name=name, value=there[0].as_py())
    if types.is_string(cells.type):
        return _of_words(name, cells, there, kinds)
    if types.is_temporal(cells.type):
        values = quantities(days(there))
        return Dates(name, float(values.mean()), _deviation(values)), ""
    if types.is_integer(cells.type) and kinds == len(cells) > RARE and _counts_up(there):
        return None, TEXT["number of a row"].format(name=name)
    return _of_numbers(name, cells, there), ""


def _of_words(name: str, cells: Any, there: Any, kinds: int) -> tuple[Column | None, str]:
    import pyarrow.compute as compute

    with_separators = compute.match_substring_regex(there, THOUSANDS)
    note = ""
    if compute.mean(with_separators).as_py() > 0.5:
        value = there.filter(with_separators)[0].as_py()
        note = TEXT["thousands"].format(name=name, value=value)
    elif kinds > MOST_WORDS and kinds > len(there) / 2:
        return None, TEXT["text"].format(name=name, count=kinds)
    least = min(RARE, max(1, len(there) // 200))
    counted = sorted((-entry["counts"], entry["values"]) for entry in _counts(there))
    frequent = [word for count, word in counted if -count >= least]
    kind = Categories if len(frequent) <= MOST_WORDS else Embedded
    return kind(name, tuple(sorted(frequent[:MOST_VECTORS]))), note


def _counts(cells: Any) -> list[dict[str, Any]]:
    import pyarrow.compute as compute

    found: list[dict[str, Any]] = compute.value_counts(cells).to_pylist()
    return found


def _of_numbers(name: str, cells: Any, there: Any) -> Numbers:
    values = quantities(there)
    values = values[np.isfinite(values)]
    middle, marks = float(np.median(values)), len(there) < len(cells)
    pieces = min(MOST_PIECES, len(values) // ROWS_A_PIECE)
    found = np.unique(np.quantile(values, np.linspace(0, 1, max(1, pieces) + 1)))
    edges = tuple(map(float, found)) if len(found) > 2 else ()
    return Numbers(name, float(values.mean()), _deviation(values), middle, marks, edges)


def _deviation(values: np.ndarray) -> float:
    found = float(values.std())
    return found if found > 0 else 1.0


def _counts_up(cells: Any) -> bool:
    values = np.asarray(cells.to_numpy(zero_copy_only=False))
    steps = np.diff(values)
    return bool(len(steps) and (steps == steps[0]).all())


def _tells(cells: Any, aims: Any, classes: tuple[str, ...] | None) -> bool:
    """Whether a column alone says the target, nearly always.

    Of a class: the most frequent one of each word, or of each of a quantity's pieces, is wrong in
    less than a twentieth of the rows in which always saying the most frequent class is. Of a
    quantity: one is as good as a line of the other, or of its rank.
    """
    import pyarrow

    types = pyarrow.types
    if types.is_string(cells.type):
        keys = cells.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    elif types.is_temporal(cells.type):
        return False
    else:
        values = quantities(cells)
        if classes is None:
            return _goes_with(values, quantities(aims))
        keys = _pieces(values)
    if classes is None:
        return False
    codes = aims.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    counts = np.zeros((int(keys.max()) + 2, len(classes)), np.int64)
    if len(counts) > len(keys) / 10:
        return False
    np.add.at(counts, (keys, codes), 1)
    wrong = len(keys) - counts.max(axis=1).sum()
    return bool(wrong < (len(keys) - counts.sum(axis=0).max()) / 20)


def _pieces(values: np.ndarray) -> np.ndarray:
    """Return which piece between quantiles each value is in, or -1 where there is none."""
    there = np.isfinite(values)
    kinds = np.unique(values[there])
    most = min(MOST_WORDS, len(values) // 20)
    if len(kinds) > most:
        kinds = np.unique(np.quantile(values[there], np.linspace(0, 1, most)))
    found: np.ndarray = np.where(there, np.searchsorted(kinds, values), -1)
    return found


def _goes_with(values: np.ndarray, aims: np.ndarray) -> bool:
    """Whether two quantities, or their ranks, lie on a line."""
    there = np.isfinite(values) & np.isfinite(aims)
    if there.sum() < RARE or there.mean() < 0.5:
        return False
    pair = np.stack([values[there], aims[there]])
    ranks = np.stack([np.unique(each, return_inverse=True)[1] for each in pair])
    return any(
        bool((each.std(axis=1) > 0).all()) and abs(float(np.corrcoef(*each)[0, 1])) > ALIKE
        for each in (pair, ranks)
    )
