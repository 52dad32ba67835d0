"""Losses of any number of examples and of outputs, against the formulas in extended precision."""

import numpy as np
import pytest

from pullback.engine import lower_loss
from pullback.losses import (
    LOSSES,
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    HalfSquaredError,
    Huber,
    KLDivergence,
    SquaredError,
)

SIZES = sorted(
    {1, 2, 3} | {2**k + d for k in (3, 4, 6, 7, 8, 10, 12, 13, 15, 16, 17) for d in (-1, 0, 1)}
)


def log_softmax(y):
    shifted = y - y.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(y, t):
    return -(t * log_softmax(y)).sum(axis=1), np.exp(log_softmax(y)) - t


def divergence(y, t):
    value, slope = cross_entropy(y, t)
    return value + (t * np.log(t)).sum(axis=1), slope


def binary(y, t):
    slope = (1 / (1 + np.exp(-y)) - t) / y.shape[1]
    return (np.logaddexp(np.zeros_like(y), y) - t * y).mean(axis=1), slope


def huber(y, t):
    e = np.abs(y - t)
    slope = np.minimum(e, 1) * np.sign(y - t) / y.shape[1]
    return np.where(e <= 1, e * e / 2, e - 0.5).mean(axis=1), slope


def focal(y, t):
    true = t > 0.5
    z, a = np.where(true, y, -y), np.where(true, 0.25, 0.75)
    q, cost = 1 / (1 + np.exp(z)), np.logaddexp(np.zeros_like(z), -z)
    hits = np.maximum(true.sum(axis=1), 1)
    slope = -a * q**2 * (q + 2 * (1 - q) * cost) / hits[:, None]
    return (a * q**2 * cost).sum(axis=1) / hits, np.where(true, slope, -slope)


FORMULAS = {
    Focal: focal,
    CrossEntropy: cross_entropy,
    KLDivergence: divergence,
    BinaryCrossEntropy: binary,
    Huber: huber,
    HalfSquaredError: lambda y, t: (((y - t) ** 2).sum(axis=1) / 2, y - t),
    SquaredError: lambda y, t: (((y - t) ** 2).mean(axis=1), 2 * (y - t) / y.shape[1]),
    AbsoluteError: lambda y, t: (np.abs(y - t).mean(axis=1), np.sign(y - t) / y.shape[1]),
}


def test_the_table_covers_the_registry():
    of_other_shapes = {"CTC", "Contrastive", "Dice", "GIoU", "WeightedSum"}
    assert {cls.__name__ for cls in FORMULAS} == set(LOSSES) - of_other_shapes


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cls", FORMULAS, ids=lambda cls: cls.__name__)
def test_losses_of_any_size(cls, size):
    rng = np.random.default_rng(size)
    for shape in ((size, 3), (2, size)):  # many short rows, and two long ones
        y = 2 * rng.standard_normal(shape)
        t = rng.uniform(0.1, 1, shape)
        if cls in (CrossEntropy, KLDivergence):
            t /= t.sum(axis=1, keepdims=True)
        compare(cls, y, t, t)
    if cls is CrossEntropy:  # class numbers have a lowered form
        for shape in ((size, 3), (2, size)):
            y, numbers = 2 * rng.standard_normal(shape), rng.integers(0, shape[1], shape[0])
            compare(cls, y, numbers, np.arange(shape[1]) == numbers[:, None])


def compare(cls, y, target, rows):
    """Values to 1e-14 of the largest, slopes to 4 units in the last place of the largest share."""
    value, slope = FORMULAS[cls](y.astype(np.longdouble), rows.astype(np.longdouble))
    g = np.linspace(1, 2, len(y))
    for loss in (cls(), lower_loss(cls())):
        found, found_slope = loss.forward(y, target)
        assert np.abs(found - value).max() <= 1e-14 * max(1.0, float(np.abs(value).max()))
        assert np.abs(found_slope - slope).max() <= 1e-15 * max(1.0, float(np.abs(slope).max()))
        np.testing.assert_array_equal(loss.pullback(found_slope, g), found_slope * g[:, None])
        pushed = (slope * y).sum(axis=1)
        scale = np.abs(slope * y).sum(axis=1).max() + 1e-300
        assert np.abs(loss.pushforward(found_slope, y) - pushed).max() <= 1e-14 * scale
