"""Normalisers: fitted on the training part, applied to all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError
from pullback.data import ImageFormat, from_arrays, load
from pullback.data.normalize import Affine, fit_normalizer


def table(x):
    return from_arrays(x, np.zeros(len(x)))


def test_columns_get_mean_0_and_deviation_1(rng):
    x = rng.normal(size=(500, 4)) * [1.0, 10.0, 0.1, 1e4] + [0.0, 3.0, -7.0, 1e5]
    out = fit_normalizer("standard", table(x)).apply(x, "float64")
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(out.std(axis=0), 1.0, rtol=1e-10)


def test_pictures_get_one_mean_and_deviation(rng):
    x = rng.normal(2.0, 5.0, size=(50, 6, 6))
    affine = fit_normalizer("standard", table(x))
    assert isinstance(affine.scale, float)
    out = affine.apply(x, "float64")
    assert out.mean() == pytest.approx(0.0, abs=1e-12)
    assert out.std() == pytest.approx(1.0)
    assert abs(out[:, 0, 0].mean()) > 1e-6


def test_only_the_training_part_counts():
    data = load("digits")
    affine = fit_normalizer("standard", data.train, data.image)
    assert affine.apply(data.train.x, "float64").mean() == pytest.approx(0.0, abs=1e-12)
    test = affine.apply(data.test.x, "float64")
    assert abs(test.mean()) > 1e-4
    expected = (data.test.x - data.train.x.mean()) / data.train.x.std()
    np.testing.assert_allclose(test, expected, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("value", [0, 0.1, 7, 0.3])
def test_constant_columns_are_only_shifted(dtype, value):
    x = np.random.default_rng(0).integers(0, 9, (1000, 3)).astype(dtype)
    x[:, 1] = value
    affine = fit_normalizer("standard", table(x))
    assert affine.scale[1] == 1.0
    out = affine.apply(x, "float32")
    assert np.abs(out[:, 1]).max() < 1e-6
    assert out[:, 0].std() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("value", [0, 0.1, 7])
def test_constant_pictures_are_only_shifted(dtype, value):
    affine = fit_normalizer("standard", table(np.full((1000, 3, 3), value, dtype)))
    assert affine.scale == 1.0
    assert np.abs(affine.apply(np.full((2, 3, 3), value, dtype), "float32")).max() < 1e-6


def test_bytes_by_histogram_are_bytes_by_values(rng):
    x = rng.integers(0, 256, (200, 7, 7), np.uint8)
    found = fit_normalizer("standard", table(x))
    expected = fit_normalizer("standard", table(x.astype(np.float64)))
    assert found.scale == pytest.approx(expected.scale, rel=1e-12)
    assert found.shift == pytest.approx(expected.shift, rel=1e-12)
    assert found.scale == pytest.approx(1 / x.std(dtype=np.float64), rel=1e-12)


SCALES = {
    "uint8": (np.array([[0, 7]], np.uint8), None, 255),
    "int16": (np.array([[0, 7]], np.int16), None, 32767),
    "the image's peak": (np.full((1, 8, 8), 4, np.uint8), ImageFormat(8, 32, 32, 16.0, "box"), 16),
    "largest found": (np.array([[-8.0, 4.0]]), None, 8),
    "int64": (np.array([[-8, 4]]), None, 8),
    "all 0": (np.zeros((3, 2)), None, 1),
}


@pytest.mark.parametrize("name", SCALES)
def test_scale(name):
    x, image, largest = SCALES[name]
    affine = fit_normalizer("scale", table(x), image)
    np.testing.assert_allclose(affine.apply(x, "float64"), x / largest, rtol=1e-15)


def test_none_leaves_the_values(rng):
    x = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(fit_normalizer("none", table(x)).apply(x, "float64"), x)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="standard, scale, none"):
        fit_normalizer("minmax", table(np.zeros((2, 2))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_apply_writes_where_it_is_told_and_leaves_the_input(rng, dtype):
    x = rng.integers(0, 256, (5, 3), np.uint8)
    given = x.copy()
    affine = Affine((1.0, 2.0, 3.0), (0.0, -1.0, 0.5))
    out = np.full((5, 3), math.nan, dtype)
    assert affine.apply(x, dtype, out) is out
    np.testing.assert_array_equal(x, given)
    np.testing.assert_allclose(out, x * [1.0, 2.0, 3.0] + [0.0, -1.0, 0.5], rtol=1e-6)
    fresh = affine.apply(x, dtype)
    assert fresh.dtype == dtype
    np.testing.assert_array_equal(fresh, out)


def test_configuration_round_trip():
    for affine in (Affine(), Affine(0.5, -1.0), Affine((1.0, 2.0), (0.0, 3.0))):
        assert from_config(to_config(affine)) == affine
