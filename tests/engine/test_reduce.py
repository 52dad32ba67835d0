"""Sums over vectors, and whether all their numbers are finite."""

import math

import numpy as np
import pytest

from pullback.engine import all_finite, total
from pullback.engine.team import WORTH_SHARING as SMALL


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("size", [0, 1, 17, SMALL, SMALL + 1, 5 * SMALL + 3])
def test_what_is_not_finite_is_found_wherever_it_is(size, dtype, rng):
    values = rng.standard_normal(size).astype(dtype)
    assert all_finite(values)
    for place in {0, size // 2, size - 1} if size else ():
        for bad in (np.nan, np.inf, -np.inf):
            spoilt = values.copy()
            spoilt[place] = bad
            assert not all_finite(spoilt)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_whose_squares_are_too_large_are_finite(dtype):
    largest = np.finfo(dtype).max
    for size in (3, 2 * SMALL):
        assert all_finite(np.full(size, largest, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize("size", [0, 1, 17, SMALL - 1, SMALL, 5 * SMALL + 3])
def test_totals_are_added_up_in_float64(size, dtype, rng):
    values = (100 * rng.standard_normal(size)).astype(dtype)
    exact = math.fsum(values.tolist())
    assert total(values) == pytest.approx(exact, rel=1e-12, abs=1e-8)
    assert total(np.repeat(values, 2)[::2]) == pytest.approx(exact, rel=1e-12, abs=1e-8)
    assert math.isnan(total(np.append(values, [np.nan]).astype(float)))
