"""Ratings: who rated what, as examples that hold what both sides have rated besides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import DataError, suggestion
from pullback.core.random import generator
from pullback.data.dataset import Data, Dataset
from pullback.data.rows import Rows
from pullback.data.tables.columns import TABLES, Column, words
from pullback.data.tables.preparation import Preparation
from pullback.data.tables.reading import Frame, read_table

MOST_RATINGS = 3_000_000
"""Ratings that a model file can keep."""
MOST_SHOWN = 2000
"""Users, and items, whose ratings are numbers of an example: those with most of them."""
TEST_SHARE, SPLIT_SEED = 0.2, 0
NAMES = {
    "user": ("user", "userid"),
    "item": ("item", "itemid", "movie", "movieid", "film", "filmid"),
    "rating": ("rating",),
}
"""What the columns may be called, whatever the case and the marks between letters."""
TEXT = {
    "column": "{table}: there is no column {name!r}; it has {names}. Name the columns user, item "
    "and rating, or give none of them a name, in this order",
    "narrow": "{table}: {found} columns and no header; expected user, item and rating, in this "
    "order",
    "empty cell": "{table}: column {name!r}, row {row}: no value",
    "twice": "{table}: user {user!r} has rated {item!r} twice, in row {row} again; keep one",
    "many": "{table}: {found:,} ratings; expected at most {most:,}, which a model file can keep",
    "same": "{table}: all ratings are {value:g}; there is nothing to learn",
    "unknown": "there is no user {user!r} among the {count:,} of this model.{known}",
}


@TABLES.register
@dataclass(frozen=True)
class Side(Column):
    """The users, or the items: ``words`` are their names, ``known (count, k)`` what is known.

    A cell becomes the place of its name among them; -1 where it is none of them.
    """

    name: str
    words: tuple[str, ...]
    known: tuple[tuple[float, ...], ...] = ()

    width = 1

    @property
    def shown(self) -> str:  # type: ignore[override]
        """What it is."""
        more = f", {len(self.known[0])} numbers known of each" if self.known else ""
        return f"{len(self.words)} different ones{more}"

    def numbers(self, cells: Any) -> np.ndarray:
        """Return the places ``(N, 1)``."""
        return self.places(cells)[:, None].astype(np.float64)

    def places(self, cells: Any) -> np.ndarray:
        """Return the places ``(N,)``, -1 for names that are none."""
        import pyarrow
        import pyarrow.compute as compute

        found = compute.index_in(words(cells), pyarrow.array(self.words, pyarrow.string()))
        return np.asarray(compute.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


@TABLES.register
@dataclass(frozen=True)
class Ratings(Preparation):
    """How a pair of a user and an item becomes an example, and its rating a target.

    ``columns`` are the two sides. ``users``, ``items`` and ``values`` are the ratings of the
    training part; ``titles`` are what items are called when they are recommended. With ``bare``,
    an example is no more than the places of its user and its item.
    """

    users: tuple[int, ...] = ()
    items: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    titles: tuple[str, ...] = ()
    bare: bool = False

    @property
    def words(self) -> list[str]:
        """The two columns: names, also where they look like numbers."""
        return [side.name for side in self.sides]

    @property
    def sides(self) -> tuple[Side, Side]:
        """The users and the items."""
        one, other = self.columns
        assert isinstance(one, Side)
        assert isinstance(other, Side)
        return one, other

    @cached_property
    def histories(self) -> tuple[History, History]:
        """What each user has rated, and by whom each item was."""
        u, i = np.array(self.users, np.int64), np.array(self.items, np.int64)
        r = np.array(self.values, np.float32) - np.float32(self.middle)
        users, items = self.sides
        if self.bare:
            users, items, most = replace(users, known=()), replace(items, known=()), 0
        else:
            most = MOST_SHOWN
        return (History.of(u, i, r, users, len(items.words), most),
                History.of(i, u, r, items, len(users.words), most))  # fmt: skip

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers of an example that belong to the user, and to the item."""
        one, other = self.histories
        return one.width, other.width

    def examples(self, frame: Frame) -> Any:
        """Return the examples ``(N, width)`` of a named table, made when they are used."""
        u, i = (side.places(frame.cells[side.name].combine_chunks()) for side in self.sides)
        return Pairs(*self.histories, u, i)

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs ``(N, 1)`` as ratings ``(N,)``, within those that there are."""
        low, high = min(self.values), max(self.values)
        found: np.ndarray = np.clip(super().in_units(outputs), low, high)
        return found

    def user(self, name: str) -> int:
        """Return the place of a user.

        Raises:
            DataError: there is no such user.
        """
        names = self.sides[0].words
        if name not in names:
            known = suggestion(name, names)
            raise DataError(TEXT["unknown"].format(user=name, count=len(names), known=known))
        return names.index(name)

    def unseen(self, user: int) -> np.ndarray:
        """Return the places of the items that a user did not rate in training."""
        rated = np.array(self.items, np.int64)[np.array(self.users, np.int64) == user]
        return np.setdiff1d(np.arange(len(self.sides[1].words)), rated)

    def pairs(self, u: np.ndarray, i: np.ndarray) -> Pairs:
        """Return the examples of users and items by their places."""
        return Pairs(*self.histories, u, i)


@dataclass(frozen=True, eq=False)
class History:
    r"""What is known of the users (or of the items), and which of the other side they rated how.

    ``rated (count, 2 m)``: for the ``m`` of the other side that have most ratings, the rating less
    the mean, 0 where there is none, and whether there is one. ``place (others,)`` says which of
    those numbers one of the other side has, -1 for none; ``ratings (count,)`` how many there are;
    ``known (count, k)``. The last row of all is that of somebody unknown.
    """

    known: np.ndarray
    rated: np.ndarray
    ratings: np.ndarray
    place: np.ndarray

    @classmethod
    def of(
        cls, own: np.ndarray, other: np.ndarray, values: np.ndarray, side: Side, others: int,
        most: int,
    ) -> History:  # fmt: skip
        """Return that of ratings ``values`` of ``own`` for ``other``, all ``(n,)``."""
        count, often = len(side.words) + 1, np.bincount(other, minlength=others)
        shown = np.sort(np.argsort(-often, kind="stable")[:most])
        place = np.full(others + 1, -1, np.int64)
        place[shown] = np.arange(len(shown))
        known = np.zeros((count, len(side.known[0]) if side.known else 0), np.float32)
        known[:-1] = np.array(side.known, np.float32).reshape(count - 1, -1)
        rated = np.zeros((count, 2 * len(shown)), np.float32)
        there = place[other] >= 0
        own, column = own[there], place[other][there]
        rated[own, column] = values[there]
        rated[own, len(shown) + column] = 1
        return cls(known, rated, rated[:, len(shown) :].sum(axis=1), place)

    @property
    def width(self) -> int:
        """The place of the one itself, what is known, and its ratings."""
        return int(1 + self.known.shape[1] + self.rated.shape[1])

    def write(self, own: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
        """Write the numbers of ``own (N,)`` into ``out (N, width)``, without that for ``other``."""
        size, rows = self.rated.shape[1] // 2, np.arange(len(own))
        out[:, 0] = own
        out[:, 1 : 1 + self.known.shape[1]] = self.known[own]
        rated = out[:, 1 + self.known.shape[1] :]
        rated[...] = self.rated[own]
        column = self.place[other]
        there = column >= 0
        at = rows[there], column[there]
        count = self.ratings[own]
        count[there] -= rated[at[0], size + at[1]]
        rated[at], rated[at[0], size + at[1]] = 0, 0
        rated /= np.sqrt(np.maximum(count, 1))[:, None]


@dataclass(frozen=True, eq=False)
class Pairs(Rows):
    r"""Examples ``(N, width)``: a user's numbers, then an item's.

    Those of a side are its place, what is known of it, and its ratings, each over the root of how
    many these are. The rating of the pair itself, which is to be said, is not among them: so an
    example of training looks like one of later.
    """

    of_user: History
    of_item: History
    users: np.ndarray
    items: np.ndarray

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, width)``."""
        return (len(self.users), self.of_user.width + self.of_item.width)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return np.asarray(self[int(rows) : int(rows) + 1 or None])[0]
        return replace(self, users=self.users[rows], items=self.items[rows])

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Write the rows ``index`` into ``out``."""
        u, i, cut = self.users[index], self.items[index], self.of_user.width
        self.of_user.write(u, i, out[:, :cut])
        self.of_item.write(i, u, out[:, cut:])


def columns_of(frame: Frame) -> tuple[str, str, str]:
    """Return the names of the columns of users, items and ratings.

    Raises:
        DataError: one is missing.
    """
    if not frame.header:
        if len(frame.names) < len(NAMES):
            raise DataError(TEXT["narrow"].format(table=frame.name, found=len(frame.names)))
        return frame.names[0], frame.names[1], frame.names[2]
    plain = {"".join(c for c in name.lower() if c.isalnum()): name for name in frame.names}
    found = []
    for name, forms in NAMES.items():
        own = [plain[form] for form in forms if form in plain]
        if not own:
            raise DataError(
                TEXT["column"].format(table=frame.name, name=name, names=", ".join(frame.names))
            )
        found.append(own[0])
    return found[0], found[1], found[2]


def prepare_ratings(
    frame: Frame, sides: tuple[Side, Side] | None = None, titles: tuple[str, ...] = ()
) -> Ratings:
    """Return the preparation of a table of ratings; the sides are made of it unless given.

    Raises:
        DataError: columns or cells are missing, a rating is no number, a pair is there twice, or
            all ratings are the same.
    """
    names = columns_of(frame)
    if len(frame) > MOST_RATINGS:
        raise DataError(TEXT["many"].format(table=frame.name, found=len(frame), most=MOST_RATINGS))
    sides = sides or (side_of(frame, names[0]), side_of(frame, names[1]))
    found = Ratings(sides, tuple(frame.names), names[2], None, frame.header)
    places = places_of(found, frame)
    values = found.targets(frame)
    if values.min() == values.max():
        raise DataError(TEXT["same"].format(table=frame.name, value=values[0]))
    return replace(
        found, middle=float(values.mean()), users=tuple(places[0].tolist()),
        items=tuple(places[1].tolist()), values=tuple(values.tolist()),
        titles=titles or found.sides[1].words,
    )  # fmt: skip


def side_of(frame: Frame, name: str) -> Side:
    """Return the names in a column, the most frequent first."""
    found = words(frame.cells[name].combine_chunks()).to_pylist()
    often = Counter(word for word in found if word is not None)
    return Side(name, tuple(word for word, _ in often.most_common()))


def places_of(found: Ratings, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of both sides of a table to train on, checked.

    Raises:
        DataError: a cell has no name, or a user has rated an item twice.
    """
    places = []
    for side in found.sides:
        own = side.places(frame.cells[side.name].combine_chunks())
        if (own < 0).any():
            row = int(np.flatnonzero(own < 0)[0]) + 1
            raise DataError(TEXT["empty cell"].format(table=frame.name, name=side.name, row=row))
        places.append(own)
    users, items = found.sides
    pair = places[0] * len(items.words) + places[1]
    again = np.setdiff1d(np.arange(len(pair)), np.unique(pair, return_index=True)[1])
    if len(again):
        row = int(again[0])
        raise DataError(
            TEXT["twice"].format(
                table=frame.name, user=users.words[places[0][row]],
                item=items.words[places[1][row]], row=row + 1,
            )
        )  # fmt: skip
    return places[0], places[1]


def ratings(source: Any, test: Any = None) -> Data:
    """Return a table of ratings, with the columns user, item and rating, as data to train on.

    Args:
        source: the path of a CSV, TSV or Parquet file, or a dataframe. Without a header, the first
            three columns are these; more columns, such as the time, are not used.
        test: another such table to test on; None: a fifth of the ratings, always the same.

    Raises:
        DataError: see ``prepare_ratings``, and ``read_table``.
    """
    names = columns_of(read_table(source))
    frame = read_table(source, words=names[:2])
    found = prepare_ratings(frame)  # of all, so that what is wrong is named by its row
    if test is None:
        rows = generator(SPLIT_SEED, "data", "ratings").permutation(len(frame))
        cut = max(1, round(TEST_SHARE * len(frame)))
        held, frame = (replace(frame, cells=frame.cells.take(np.sort(part)))
                       for part in (rows[:cut], rows[cut:]))  # fmt: skip
        found = prepare_ratings(frame)
    else:
        held = found.named(read_table(test, found.header, found.words))
    return data_of(found, frame, held, Path(source).stem if isinstance(source, str | Path) else "")


def data_of(found: Ratings, frame: Frame, held: Frame, name: str) -> Data:
    """Return the ratings of two tables as the parts of a data set."""
    train, test = (
        Dataset(found.examples(part), found.targets(part), name=name or "ratings")
        for part in (frame, held)
    )
    return Data(train, test, name or "ratings", table=found)
