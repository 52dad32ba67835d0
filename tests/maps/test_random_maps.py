"""Maps that draw: functions of (seed, step, path, position), and right on average."""

import numpy as np
import pytest

from pullback.core.context import Context
from pullback.maps import (
    Chain,
    Dropout,
    RandomAffine,
    RandomErasing,
    RandomFlip,
    RandomShift,
    ReLU,
)

CTX = Context(train=True, seed=5, step=7, path="a.b")
DRAWING = {
    "dropout": (Dropout(0.4), (13, 7)),
    "dropout with odd rows": (Dropout(0.5), (11, 3, 3)),
    "shift": (RandomShift(2), (13, 5, 5)),
    "flip": (RandomFlip(0.5, 0.5), (13, 5, 4)),
    "affine": (RandomAffine(20, 0.2), (13, 5, 4, 2)),
    "erasing": (RandomErasing(0.8), (13, 5, 4)),
    "within a chain": (Chain(ReLU(), drop=Dropout(0.3)), (9, 5)),
}
each_drawing = pytest.mark.parametrize(("net", "shape"), DRAWING.values(), ids=DRAWING.keys())


def outputs(net, x, ctx):
    return net.forward({}, x, ctx)[0]


@each_drawing
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pieces_of_a_batch_draw_what_it_draws_whole(net, shape, size, rng):
    x = rng.uniform(1, 2, shape)
    whole = outputs(net, x, CTX)
    pieces = [
        outputs(net, x[first : first + size], CTX._replace(first=first))
        for first in range(0, len(x), size)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@each_drawing
def test_the_same_circumstances_draw_the_same(net, shape, rng):
    x = rng.uniform(1, 2, shape)
    np.testing.assert_array_equal(outputs(net, x, CTX), outputs(net, x, CTX))


@each_drawing
@pytest.mark.parametrize(
    "change", [{"seed": 6}, {"step": 8}, {"path": "a.c"}, {"first": 1}], ids=str
)
def test_other_circumstances_draw_otherwise(net, shape, change, rng):
    x = rng.uniform(1, 2, shape)
    assert not np.array_equal(outputs(net, x, CTX), outputs(net, x, CTX._replace(**change)))


@each_drawing
def test_nothing_is_drawn_outside_training(net, shape, rng):
    x = rng.uniform(1, 2, shape)
    np.testing.assert_array_equal(outputs(net, x, CTX._replace(train=False)), x)


def test_children_draw_apart():
    x = np.ones((4, 50))
    both = Chain(Dropout(0.5), Dropout(0.5))
    y = outputs(both, x, CTX)
    assert 0.15 < np.mean(y == 4) < 0.35  # kept by both: a quarter, not a half


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_mean(rate):
    y = outputs(Dropout(rate), np.ones((200, 500)), CTX)
    assert set(np.unique(y)) == {0.0, 1 / (1 - rate)}
    error = np.sqrt(rate * (1 - rate) / y.size)
    assert abs(np.mean(y == 0) - rate) < 5 * error


def test_shifts_are_equally_likely():
    x = np.zeros((9000, 5, 5))
    x[:, 2, 2] = 1
    share = outputs(RandomShift(1), x, CTX).mean(axis=0)
    assert np.all(share[[0, -1]] == 0)
    assert np.all(share[:, [0, -1]] == 0)
    assert np.all(np.abs(share[1:4, 1:4] - 1 / 9) < 5 * np.sqrt(8 / 81 / 9000))


def test_a_shift_fills_with_zeros_whatever_was_there():
    x = np.full((50, 4, 4), -np.inf)
    y = outputs(RandomShift(1), x, CTX)
    assert set(np.unique(y)) == {-np.inf, 0.0}
    assert not np.signbit(y[y == 0]).any()


def test_a_shift_moves_all_channels_alike(rng):
    x = rng.standard_normal((20, 6, 6, 2))
    y = outputs(RandomShift(2), x, CTX)
    for channel in range(2):
        alone = outputs(RandomShift(2), x[..., channel], CTX)
        np.testing.assert_array_equal(y[..., channel], alone)
