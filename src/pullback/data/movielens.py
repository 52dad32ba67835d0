"""MovieLens 100K: ratings of films, with what is known of the users and of the films."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import DataError
from pullback.data.dataset import Data
from pullback.data.tables.ratings import Side, data_of, prepare_ratings
from pullback.data.tables.reading import Frame, read_table

TRAIN, TEST, USERS, ITEMS = "u1.base", "u1.test", "u.user", "u.item"
GENRES = 19
"""Columns of a film at its end, 1 where it is of the genre."""
NAMES = ("user", "item", "rating", "time")
ATTRIBUTION = (
    "MovieLens 100K: F. M. Harper, J. A. Konstan, The MovieLens Datasets: History and Context, "
    "ACM TiiS 5:4 (2015), doi 10.1145/2827872; for research, not for sale, and not to be passed on"
)
TEXT = {
    "no file": "{path}: there is no such file",
    "odd": "{path}: not the users, films or ratings of this data set",
}


def movielens(folder: Path) -> Data:
    """Return 80,000 ratings to train on and 20,000 to test on: the first split, ``u1``.

    Known of a user are the age, the sex and the occupation, of a film the year and the genres.

    Raises:
        DataError: a file is missing or another one.
    """
    users, films = (_rows(folder / name, cells) for name, cells in ((USERS, 5), (ITEMS, 24)))
    try:
        sides = Side("user", *_of_users(users)), Side("item", *_of_films(films))
    except ValueError:
        raise DataError(TEXT["odd"].format(path=folder)) from None
    train, test = (_ratings(folder / name) for name in (TRAIN, TEST))
    found = prepare_ratings(train, sides, tuple(film[1] for film in films))
    return replace(data_of(found, train, test, "ratings"), attribution=ATTRIBUTION)


def _rows(path: Path, cells: int) -> list[list[str]]:
    """Return the cells of a file with a bar between them, without its header."""
    try:
        lines = path.read_text("latin-1").splitlines()
    except FileNotFoundError:
        raise DataError(TEXT["no file"].format(path=path)) from None
    rows = [line.split("|") for line in lines if line]
    if rows and not rows[0][0].isdigit():
        del rows[0]
    if not rows or any(len(row) != cells for row in rows):
        raise DataError(TEXT["odd"].format(path=path))
    return rows


def _of_users(rows: list[list[str]]) -> tuple[Any, Any]:
    """Return the users' names, and of each the age, the sex and the occupation as numbers."""
    jobs = sorted({row[3] for row in rows})
    ages = _scaled([float(row[1]) for row in rows])
    return tuple(row[0] for row in rows), tuple(
        (age, float(row[2] == "M"), *(float(row[3] == job) for job in jobs))
        for age, row in zip(ages, rows, strict=True)
    )


def _of_films(rows: list[list[str]]) -> tuple[Any, Any]:
    """Return the films' numbers, and of each the year and the genres as numbers."""
    years = _scaled([float(row[2][-4:]) if row[2] else np.nan for row in rows])
    return tuple(row[0] for row in rows), tuple(
        (year, *map(float, row[-GENRES:])) for year, row in zip(years, rows, strict=True)
    )


def _scaled(values: list[float]) -> list[float]:
    """Return values less their mean, over their deviation; 0 for those that are not known."""
    scaled = (np.array(values) - np.nanmean(values)) / np.nanstd(values)
    return np.nan_to_num(scaled).tolist()  # type: ignore[no-any-return]


def _ratings(path: Path) -> Frame:
    frame = read_table(path, header=False, words=("column 1", "column 2"))
    if len(frame.names) != len(NAMES):
        raise DataError(TEXT["odd"].format(path=path))
    return Frame(frame.cells.rename_columns(NAMES), False, frame.name)
