"""Random streams: fixed for ever, apart from one another, and independent of how rows are cut."""

import itertools

import numpy as np
import pytest

from pullback.core.context import Context
from pullback.core.random import generator, stream_key, uniform_rows

# These numbers may never change: saved runs are resumed and replayed with them.
KEYS = {
    (0,): 0x9734AAC54E97FEC8A116B3E0929C14AE,
    (7, "1.W", "init"): 0x4558816DB179E59FDE20A3BF725DB5A9,
}
ROWS = [
    [0.15284363831189862, 0.7284859873124117, 0.3841611207296728],
    [0.43851678589040344, 0.814639757348216, 0.8645411325409715],
]
NORMAL = [-1.3316119830803195, 1.8583216785608885, -0.6560795448753377, 1.2365457960614568]
AT_STEP_3 = [0.5999016823729242, 0.5903894690018804, 0.11690853068164753]


def rows(first: int, count: int, row: tuple[int, ...], seed: int = 1, step: int = 2):
    return uniform_rows(seed, "a", "dropout", step=step, first=first, shape=(count, *row))


@pytest.mark.parametrize(("names", "key"), KEYS.items(), ids=str)
def test_keys_are_fixed(names, key):
    assert stream_key(*names) == key


def test_draws_are_fixed():
    assert rows(3, 2, (3,)).tolist() == ROWS
    assert generator(0, "1.W", "init").standard_normal(4).tolist() == NORMAL
    assert generator(0, "1.W", "init", step=3).random(3).tolist() == AT_STEP_3


def test_a_context_draws_from_its_seed_path_step_and_position():
    ctx = Context(seed=1, step=2, first=3, path="a")
    assert ctx.uniform((2, 3), "dropout").tolist() == ROWS
    child = Context(seed=1, step=2, first=3).child("a")
    assert child.uniform((2, 3), "dropout").tolist() == ROWS


def test_keys_differ_between_lists_of_names():
    lists = [
        (0,),
        (1,),
        (0, ""),
        (0, "", ""),
        (0, "a"),
        (0, "b"),
        (0, "ab"),
        (0, "a", "b"),
        (0, "b", "a"),
        (0, "a.b"),
        (0, "a", "b", ""),
        (10, "a"),
        (1, "0a"),
        (-1,),
        (2**64,),
    ]
    keys = [stream_key(*names) for names in lists]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**128 for key in keys)


@pytest.mark.parametrize("row", [(), (1,), (2,), (3,), (4,), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("cuts", [(1,), (2, 3), (3, 4, 10), tuple(range(1, 11)), (4, 8)], ids=str)
def test_rows_do_not_depend_on_the_cut(row, cuts):
    whole = rows(0, 11, row)
    edges = (0, *cuts, 11)
    pieces = [rows(start, stop - start, row) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("first", [0, 1, 2, 3, 5, 1_000_003])
def test_rows_start_anywhere(first):
    np.testing.assert_array_equal(rows(first + 1, 3, (3,)), rows(first, 4, (3,))[1:])


@pytest.mark.parametrize("change", [{"seed": 2}, {"step": 3}], ids=str)
def test_other_seeds_and_steps_draw_otherwise(change):
    assert not np.any(rows(0, 20, (5,)) == rows(0, 20, (5,), **change))


def test_steps_do_not_overlap():
    drawn = np.concatenate([rows(0, 500, (4,), step=step).reshape(-1) for step in range(5)])
    assert len(np.unique(drawn)) == drawn.size


def test_draws_are_uniform():
    drawn = rows(0, 20_000, (5,))
    assert drawn.dtype == np.float64
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert 50 < chi_squared < 160  # 99 degrees of freedom
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 5 / np.sqrt(20_000)


def test_no_rows_are_an_empty_array():
    assert rows(5, 0, (3,)).shape == (0, 3)
    assert rows(5, 2, (0,)).shape == (2, 0)
