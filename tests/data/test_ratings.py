"""Ratings as examples: columns, what both sides have rated, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb

pytest.importorskip("pyarrow", reason="tables need pyarrow")

from pullback.data.tables.ratings import Ratings, ratings

ROWS = [("ann", "x", 5), ("ann", "y", 3), ("bob", "x", 1), ("bob", "z", 4), ("cy", "y", 2)]


def written(path, rows, head="user,item,rating", separator=","):
    lines = [head.replace(",", separator)] if head else []
    lines += [separator.join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    train = written(tmp_path / "train.csv", ROWS)
    test = written(tmp_path / "test.csv", [("bob", "y", 5), ("dan", "x", 4)])
    return ratings(train, test)


def by_hand(user, item):
    """What each side has rated besides, from the rows: less the mean, over the root of how many."""
    mean = np.mean([r for _, _, r in ROWS])
    own = [(i, r - mean) for u, i, r in ROWS if u == user and i != item]
    theirs = [(u, r - mean) for u, i, r in ROWS if i == item and u != user]
    return (
        {name: r / np.sqrt(len(own)) for name, r in own},
        {name: r / np.sqrt(len(theirs)) for name, r in theirs},
    )


def test_examples_hold_what_both_have_rated_besides(table):
    kind = table.table
    users, items = (side.words for side in kind.sides)
    assert (len(users), len(items)) == (3, 3)
    x, (wide, _) = np.asarray(table.train.x), kind.widths
    assert x.shape == (5, sum(kind.widths)) == (5, 2 * (1 + 6))
    for row, (user, item, _) in zip(x, ROWS, strict=True):
        own, theirs = by_hand(user, item)
        assert users[int(row[0])] == user
        assert items[int(row[wide])] == item
        np.testing.assert_allclose(row[1:4], [own.get(name, 0) for name in items], rtol=1e-6)
        root = np.sqrt(max(1, len(own)))
        np.testing.assert_allclose(row[4:7], [(name in own) / root for name in items], rtol=1e-6)
        expected = [theirs.get(name, 0) for name in users]
        np.testing.assert_allclose(row[wide + 1 : wide + 4], expected, rtol=1e-6)


def test_the_rating_itself_is_in_no_example(tmp_path):
    changed = [("ann", "x", 1), *ROWS[1:]]
    one, two = (ratings(written(tmp_path / f"{i}.csv", rows), tmp_path / "0.csv").table
                for i, rows in enumerate((ROWS, changed)))  # fmt: skip
    shift = two.middle - one.middle
    row, other = (np.asarray(kind.pairs(np.array([0]), np.array([0])))[0] for kind in (one, two))
    users, items = one.sides
    assert (users.words[0], items.words[0]) == ("ann", "x")
    marks = np.asarray(row[4:7])
    np.testing.assert_allclose(other[1:4], row[1:4] - shift * marks, atol=1e-6)
    np.testing.assert_array_equal(other[4:7], row[4:7])


def test_somebody_unknown_has_rated_nothing(table):
    x = np.asarray(table.test.x)
    assert x[1, 0] == -1
    assert (x[1, 1 : table.table.widths[0]] == 0).all()
    assert (x[1, table.table.widths[0] + 1 :] != 0).any()


def test_parts_of_examples_are_the_rows(table):
    whole = np.asarray(table.train.x)
    np.testing.assert_array_equal(np.asarray(table.train.x[1:4]), whole[1:4])
    np.testing.assert_array_equal(table.train.x[-1], whole[-1])
    np.testing.assert_array_equal(np.asarray(table.train.x[np.array([3, 0])]), whole[[3, 0]])


def test_no_example_is_made_before_it_is_used(table, monkeypatch):
    monkeypatch.setattr(type(table.train.x), "take", None)
    assert len(pb.data.Dataset(table.train.x, table.train.y)[1:4]) == 3


def test_targets_and_units(table):
    kind = table.table
    assert kind.middle == 3.0
    np.testing.assert_array_equal(table.train.y + kind.middle, [r for *_, r in ROWS])
    np.testing.assert_array_equal(kind.in_units(np.array([[-9.0], [0.5], [9.0]])), [1, 3.5, 5])


def test_unseen_are_those_without_a_rating(table):
    kind = table.table
    found = kind.unseen(kind.user("ann"))
    assert [kind.titles[i] for i in found] == ["z"]


@pytest.mark.parametrize(
    ("head", "separator"),
    [
        ("userId,movieId,rating,timestamp", ","),
        ("user-id\titem-id\trating\ttime", "\t"),
        ("", "\t"),
    ],
)
def test_forms_of_files(tmp_path, head, separator):
    rows = [(i % 3 + 1, i % 5 + 10, i % 4 + 1, 99) for i in range(15)]
    suffix = "tsv" if separator == "\t" else "csv"
    data = ratings(written(tmp_path / f"own.{suffix}", rows, head, separator))
    assert (len(data.train), len(data.test)) == (12, 3)
    assert sorted(data.table.sides[0].words) == ["1", "2", "3"]
    again = ratings(tmp_path / f"own.{suffix}")
    np.testing.assert_array_equal(np.asarray(again.test.x), np.asarray(data.test.x))


def test_columns_in_another_order(tmp_path):
    rows = [(r, i, u) for u, i, r in ROWS]
    own = written(tmp_path / "own.csv", rows, "rating,item,user")
    data = ratings(own, own)
    assert data.table.target == "rating"
    assert set(data.table.sides[0].words) == {"ann", "bob", "cy"}


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (ROWS, "user,item,stars", "no column 'rating'; it has user, item, stars. Name the columns"),
        (ROWS, "who,item,rating", "no column 'user'; it has who"),
        ([row[:2] for row in ROWS], "", "2 columns and no header; expected user, item and rating"),
        ([*ROWS, ("cy", "x", "good")], "user,item,rating", "row 6: 'good' is no number"),
        ([*ROWS, ("cy", "x", "")], "user,item,rating", "row 6: no value, but it is the target"),
        ([*ROWS, ("cy", "", 3)], "user,item,rating", "column 'item', row 6: no value"),
        ([*ROWS, ("bob", "x", 3)], "user,item,rating", "'bob' has rated 'x' twice, in row 6"),
        ([(u, i, 4) for u, i, _ in ROWS], "user,item,rating", "all ratings are 4; there is"),
        ([("ann", "x", 4)], "user,item,rating", "all ratings are 4; there is"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("divided", [False, True])
def test_wrong_tables_are_refused_by_name(tmp_path, rows, head, message, divided):
    own = written(tmp_path / "own.csv", rows, head)
    with pytest.raises(pb.errors.DataError, match=message):
        ratings(own, None if divided else own)


def test_an_unknown_user_is_refused(table):
    with pytest.raises(pb.errors.DataError, match=r"no user 'anna' among the 3 .* 'ann'"):
        table.table.user("anna")


def test_movielens(data_dir):
    data = pb.data.load("ratings", data_dir)
    kind = data.table
    assert isinstance(kind, Ratings)
    assert (len(data.train), len(data.test)) == (80_000, 20_000)
    users, items = kind.sides
    assert (len(users.words), len(items.words)) == (943, 1682)
    assert kind.titles[0] == "Toy Story (1995)"
    # the first user is 24 and a man; the first film of 1995 and of three genres
    ages = [float(line.split("|")[1]) for line in
            (data_dir / "ratings" / "u.user").read_text().splitlines()[1:]]  # fmt: skip
    assert users.known[0][0] == pytest.approx((24 - np.mean(ages)) / np.std(ages))
    assert users.known[0][1] == 1
    assert sum(users.known[0][2:]) == 1
    assert sum(items.known[0][1:]) == 3
    assert items.known[266][0] == 0  # a film without a date
    assert data.attribution.startswith("MovieLens")


def test_movielens_that_is_missing_or_another(tmp_path):
    with pytest.raises(pb.errors.DataError, match=r"u\.user: there is no such file"):
        pb.data.load("ratings", tmp_path)
    folder = tmp_path / "ratings"
    folder.mkdir()
    (folder / "u.user").write_text("1|24|M|technician\n")
    with pytest.raises(pb.errors.DataError, match=r"u\.user: not the users"):
        pb.data.load("ratings", tmp_path)
