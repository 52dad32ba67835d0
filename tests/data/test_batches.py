"""Batches: the rows asked for, normalised, in buffers that are used again."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.data import from_arrays
from pullback.data.batches import Batches, check_batch_size
from pullback.data.normalize import Affine

AFFINE = Affine(0.5, -1.0)


def pictures(weight=None):
    x = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2)
    return from_arrays(x, np.arange(10) % 3, weight=weight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_gathered_and_normalised(dtype):
    data = pictures()
    index = np.array([7, 0, 3])
    x, y, weight = Batches(data, AFFINE, 4, dtype).gather(index)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x, data.x[index] * 0.5 - 1.0)
    np.testing.assert_array_equal(y, data.y[index])
    assert y.dtype == data.y.dtype
    assert weight is None


def test_weights_come_along():
    weight = np.linspace(0.5, 5, 10)
    index = np.array([9, 9, 1])
    found = Batches(pictures(weight), AFFINE, 3, "float32").gather(index)[2]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, weight[index], rtol=1e-7)


def test_targets_that_are_quantities_get_the_networks_dtype():
    y = np.linspace(0, 1, 20).reshape(10, 2)
    data = from_arrays(np.zeros((10, 3)), y)
    found = Batches(data, AFFINE, 4, "float32").gather(np.array([1, 2]))[1]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, y[1:3], rtol=1e-6)


def test_buffers_are_used_again_and_the_data_stay():
    data = pictures()
    before = data.x.copy(), data.y.copy()
    batches = Batches(data, AFFINE, 4, "float32")
    first, y, _ = batches.gather(np.arange(4))
    first[:] = -99
    y[:] = -99
    second, _, _ = batches.gather(np.arange(4, 8))
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(second, data.x[4:8] * 0.5 - 1.0)
    np.testing.assert_array_equal(data.x, before[0])
    np.testing.assert_array_equal(data.y, before[1])


def test_a_last_batch_may_be_smaller():
    batches = Batches(pictures(np.ones(10)), AFFINE, 4, "float32")
    batches.gather(np.arange(4))
    assert [len(part) for part in batches.gather(np.array([8, 9]))] == [2, 2, 2]


def test_pictures_can_be_varied_before_they_are_normalised():
    data = pictures()
    seen = []

    def vary(raw):
        seen.append(raw.copy())
        return raw[:, ::-1]

    x, _, _ = Batches(data, AFFINE, 4, "float64").gather(np.array([2, 5]), vary)
    assert seen[0].dtype == np.uint8
    np.testing.assert_array_equal(seen[0], data.x[[2, 5]])
    np.testing.assert_array_equal(x, data.x[[2, 5]][:, ::-1] * 0.5 - 1.0)


def test_gathering_allocates_nothing_large():
    data = from_arrays(np.zeros((1000, 784), np.uint8), np.zeros(1000, np.int64))
    batches = Batches(data, AFFINE, 500, "float32")
    index = np.arange(500)
    batches.gather(index)
    tracemalloc.start()
    try:
        batches.gather(index)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


def test_a_batch_larger_than_the_data_is_refused():
    check_batch_size(10, 10)
    with pytest.raises(ConfigError, match="larger than the 10 training examples"):
        check_batch_size(11, 10)
