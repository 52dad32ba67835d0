"""Splits and orders: functions of the seed alone, the same everywhere."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.data import from_arrays, split, train_validation_test
from pullback.data.split import HOLDOUTS, order

COUNT = 1000


def numbered(count: int = COUNT, classes: int = 4):
    """Return examples that carry their own position, with classes of unlike sizes."""
    y = np.minimum(np.random.default_rng(0).geometric(0.4, count) - 1, classes - 1)
    return from_arrays(np.arange(count)[:, None], y, weight=np.arange(count) + 1.0)


def positions(part) -> np.ndarray:
    return part.x[:, 0]


@pytest.mark.parametrize("holdout", HOLDOUTS)
@pytest.mark.parametrize("fraction", [0.001, 0.1, 1 / 3, 0.5, 0.999])
def test_the_parts_are_disjoint_and_complete(fraction, holdout):
    data = numbered()
    rest, held = split(data, fraction, 0, holdout)
    assert len(held) == round(fraction * COUNT)
    assert sorted([*positions(rest), *positions(held)]) == list(range(COUNT))
    for part in (rest, held):
        assert (np.diff(positions(part)) > 0).all()  # the order is kept
        np.testing.assert_array_equal(part.y, data.y[positions(part)])
        np.testing.assert_array_equal(part.weight, positions(part) + 1)
        assert part.classes == data.classes


@pytest.mark.parametrize("holdout", ["random", "stratified"])
def test_the_seed_decides(holdout):
    data = numbered()
    first, again, other = (positions(split(data, 0.3, s, holdout)[1]) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 0.5 * len(first)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 1 / 3, 0.77])
def test_every_class_gives_its_share(fraction):
    data = numbered()
    members = np.bincount(data.y)
    for seed in range(3):
        taken = np.bincount(split(data, fraction, seed, "stratified")[1].y, minlength=4)
        assert np.abs(taken - fraction * members).max() < 1
        assert taken.sum() == round(fraction * COUNT)


def test_at_random_classes_vary():
    shares = {tuple(np.bincount(split(numbered(), 0.2, s)[1].y, minlength=4)) for s in range(5)}
    assert len(shares) > 1


def test_a_class_with_one_example_stays_on_one_side():
    data = from_arrays(np.arange(21)[:, None], np.array([0] * 20 + [1]))
    rest, held = split(data, 0.25, 0, "stratified")
    assert len(rest) == 16
    assert len(held) == 5


def test_the_last_examples_are_the_same_for_every_seed():
    for seed in range(3):
        rest, held = split(numbered(), 0.1, seed, "last")
        np.testing.assert_array_equal(positions(rest), np.arange(900))
        np.testing.assert_array_equal(positions(held), np.arange(900, COUNT))


def test_another_way_of_holding_out_is_refused():
    with pytest.raises(ConfigError, match="random, stratified, last"):
        split(numbered(), 0.1, 0, "first")


def test_three_parts():
    parts = train_validation_test(numbered(), 0.15, 0.2, 0, "stratified")
    assert [len(part) for part in parts] == [650, 150, 200]
    assert sorted(np.concatenate([positions(p) for p in parts])) == list(range(COUNT))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 0.0001, 0.9999, math.nan, math.inf])
def test_a_share_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(ConfigError, match="leaves a part empty"):
        split(numbered(), fraction, 0)


def test_shares_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ConfigError, match="leaves a part empty"):
        train_validation_test(numbered(), 0.5, 0.5, 0)


def test_stratifying_needs_classes():
    data = from_arrays(np.arange(10)[:, None], np.linspace(0, 1, 10))
    with pytest.raises(ConfigError, match="class targets"):
        split(data, 0.5, 0, "stratified")
    assert len(split(data, 0.5, 0)[0]) == 5


def test_an_order_is_a_permutation_of_its_own():
    orders = [order(COUNT, seed, epoch) for seed in range(3) for epoch in range(3)]
    for i, found in enumerate(orders):
        assert sorted(found) == list(range(COUNT))
        for other in orders[:i]:
            assert (found == other).mean() < 0.05
    np.testing.assert_array_equal(order(COUNT, 2, 1), orders[7])


def test_an_order_does_not_use_the_global_generator():
    state = np.random.get_state()[1].copy()
    order(COUNT, 0, 0)
    split(numbered(), 0.5, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def digest() -> str:
    found = hashlib.sha256()
    for epoch in range(3):
        found.update(order(COUNT, 42, epoch).astype("<i8").tobytes())
    x = np.arange(COUNT)
    data = from_arrays(x[:, None], x % 7)
    for holdout in ("random", "stratified"):
        for part in split(data, 0.3, 42, holdout):
            found.update(part.x.astype("<i8").tobytes())
    return found.hexdigest()[:32]


# A change here means that runs are no longer repeatable from one version to the next.
PINNED = "a64853c3e68f4dcfdc728de453893c2b"


def test_splits_and_orders_have_not_changed():
    assert digest() == PINNED


def test_another_process_finds_the_same():
    program = (
        "import importlib.util as u; s = u.spec_from_file_location('t', __import__('sys').argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, __file__],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == PINNED
