"""Rows of different lengths: padding, checks, batches of about the same length."""

import numpy as np
import pytest

from pullback.core.errors import DataError
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine, fit_normalizer
from pullback.data.rows import padded
from pullback.data.split import epoch_order, order


def sequences(rng, count=50, most=20):
    return [rng.standard_normal((n, 2)) for n in rng.integers(1, most + 1, count)]


def dataset(rng, **options):
    rows = sequences(rng, **options)
    x, lengths = padded(rows)
    return Dataset(x, np.arange(len(x)) % 3, lengths=lengths)


def test_padding(rng):
    rows = sequences(rng)
    x, lengths = padded(rows)
    assert x.shape == (50, lengths.max(), 2)
    for row, length, own in zip(x, lengths, rows, strict=True):
        np.testing.assert_array_equal(row[:length], own)
        assert np.all(np.isnan(row[length:]))
    x, lengths = padded([np.array([7, 8, 9], np.uint8), np.array([], np.uint8)], 2)
    assert x.dtype == np.int16
    np.testing.assert_array_equal(x, [[7, 8], [-1, -1]])
    np.testing.assert_array_equal(lengths, [2, 0])


def test_parts_keep_their_lengths(rng):
    data = dataset(rng)
    part = data[np.array([3, 1])]
    np.testing.assert_array_equal(part.lengths, data.lengths[[3, 1]])
    assert len(data[4].lengths) == 1


def test_lengths_that_are_not_those_of_the_examples(rng):
    data = dataset(rng)
    for change, message in (
        (lambda n: n + 1, "lengths from"),
        (lambda n: np.maximum(n - 1, 0), "row 0 does not end at its length"),
        (lambda n: n[:3], "expected a whole number for each example"),
        (lambda n: n.astype(float), "expected a whole number for each example"),
    ):
        with pytest.raises(DataError, match=message):
            Dataset(data.x, data.y, lengths=change(data.lengths))
    x = data.x.copy()
    x[2, 0] = np.nan
    with pytest.raises(DataError, match="row 2 does not end at its length"):
        Dataset(x, data.y, lengths=data.lengths)
    with pytest.raises(DataError, match="x is NaN or infinite"):
        Dataset(x, data.y)
    with pytest.raises(DataError, match=r"row 1 .*expected numbers below 0 behind it"):
        Dataset(np.array([[1, -1], [2, 3]]), np.zeros(2), lengths=np.array([1, 1]))


def test_normalisation_is_that_of_what_is_there(rng):
    data = dataset(rng)
    inside = data.x[~np.isnan(data.x)]
    found = fit_normalizer("standard", data)
    np.testing.assert_allclose(found.scale, 1 / inside.std())
    np.testing.assert_allclose(found.shift, -inside.mean() / inside.std())
    np.testing.assert_allclose(fit_normalizer("scale", data).scale, 1 / np.abs(inside).max())
    ids, lengths = padded([np.array([3, 4]), np.array([5])])
    assert fit_normalizer("standard", Dataset(ids, np.zeros(2), lengths=lengths)) == Affine()


@pytest.mark.parametrize("count", [64, 103])
def test_batches_are_of_about_the_same_length(rng, count):
    data = dataset(rng, count=count, most=100)
    orders = [epoch_order(data, 8, 0, epoch) for epoch in range(3)]
    spans = []
    for rows in orders:
        assert sorted(rows) == list(range(count))
        for start in range(0, count, 8):
            lengths = data.lengths[rows[start : start + 8]]
            spans.append(lengths.max() - lengths.min())
    assert np.mean(spans) < 25
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[1], epoch_order(data, 8, 0, 1))
    plain = Dataset(np.zeros((count, 1)), np.zeros(count))
    np.testing.assert_array_equal(epoch_order(plain, 8, 0, 1), order(count, 0, 1))
    sized = Dataset(np.zeros((count, 1)), np.zeros(count), sizes=data.lengths)
    np.testing.assert_array_equal(epoch_order(sized, 8, 0, 1), orders[1])


def test_every_epoch_has_its_own_order_of_batches():
    data = Dataset(np.zeros((160, 1)), np.zeros(160), sizes=np.repeat(np.arange(20), 8))
    sizes = [data.sizes[epoch_order(data, 8, 0, epoch)].reshape(20, 8) for epoch in (0, 1)]
    assert all(np.all(each == each[:, :1]) for each in sizes)
    assert not np.array_equal(*sizes)


def test_short_and_long_batches_come_in_any_order(rng):
    data = dataset(rng, count=800, most=100)
    means = data.lengths[epoch_order(data, 8, 0, 0)].reshape(100, 8).mean(axis=1)
    assert abs(np.corrcoef(np.arange(100), means)[0, 1]) < 0.4
