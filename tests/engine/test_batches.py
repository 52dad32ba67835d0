"""Batches of bytes gathered by a kernel, against NumPy's."""

import numpy as np
import pytest

from pullback.data import from_arrays
from pullback.data.batches import Batches
from pullback.data.normalize import Affine
from pullback.engine import lower_batches
from pullback.engine.batches import LoweredBatches

AFFINE = [Affine(), Affine(1 / 255), Affine(0.02, -1.5)]


def images(rng, shape, dtype=np.uint8):
    x = rng.integers(0, 256, (60, *shape)).astype(dtype)
    return from_arrays(x, rng.integers(0, 10, 60))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalizer", AFFINE, ids=repr)
@pytest.mark.parametrize("shape", [(28, 28), (3,), (1, 1), (5, 7, 3), (40, 40)], ids=str)
@pytest.mark.parametrize("numbers", [False, True])
def test_against_numpy(numbers, shape, normalizer, dtype, rng):
    data = images(rng, shape, dtype if numbers else np.uint8)
    fast = lower_batches(data, normalizer, 16, dtype)
    slow = Batches(data, normalizer, 16, dtype)
    assert isinstance(fast, LoweredBatches)
    for count in (16, 5, 16, 1, 0):
        index = rng.permutation(60)[:count]
        for found, right in zip(fast.gather(index), slow.gather(index), strict=True):
            if right is not None:
                assert found.dtype == right.dtype
                np.testing.assert_allclose(found, right, rtol=1e-6 if dtype == "float32" else 1e-15)


def test_a_whole_batch_comes_in_the_same_arrays(rng):
    fast = lower_batches(images(rng, (4, 4)), Affine(), 8, "float32")
    first, second = fast.gather(np.arange(8)), fast.gather(np.arange(8, 16))
    assert first[0] is second[0]
    assert first[1] is second[1]


def test_varied_images_are_normalised_as_they_have_become(rng):
    data = images(rng, (4, 4))
    fast = lower_batches(data, Affine(0.5), 8, "float32")
    x, _, _ = fast.gather(np.arange(8), lambda raw: 255 - raw)
    np.testing.assert_array_equal(x, (255 - data.x[:8]) * np.float32(0.5))


def test_other_data_is_gathered_by_numpy(rng):
    columns = Affine((1.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    wrong_order = from_arrays(
        np.asfortranarray(rng.integers(0, 9, (60, 3)).astype(np.uint8)), np.zeros(60)
    )
    for data, normalizer in (
        (images(rng, (3,), np.float64), Affine()), (images(rng, (3,), np.int64), Affine()),
        (images(rng, (3,)), columns), (wrong_order, Affine()),
    ):  # fmt: skip
        assert type(lower_batches(data, normalizer, 16, "float32")) is Batches
