"""Edit distance against the recursion that defines it."""

from functools import cache

import numpy as np
import pytest

from pullback.core.errors import ShapeError
from pullback.decode import edit_distance, error_rate


@cache
def by_definition(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(
        by_definition(a[1:], b) + 1,
        by_definition(a, b[1:]) + 1,
        by_definition(a[1:], b[1:]) + (a[0] != b[0]),
    )


@pytest.mark.parametrize("seed", range(5))
def test_edit_distance(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        a, b = (tuple(rng.integers(0, 3, rng.integers(0, 7)).tolist()) for _ in range(2))
        assert edit_distance(a, b) == edit_distance(b, a) == by_definition(a, b)


def test_error_rate():
    assert error_rate([[1, 2, 3], [4]], [[1, 3], [4, 5]]) == 2 / 4
    assert error_rate([], []) == 0
    assert error_rate([[1]], [[]]) == 1
    assert error_rate([[1, 2, 3]], [[1]]) == 2
    with pytest.raises(ShapeError, match="1 sequences found for 2"):
        error_rate([[1]], [[1], [2]])
