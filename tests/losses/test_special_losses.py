"""Losses at ties, zeros, masked classes, infinities and NaN: the answers are those of the table."""

from collections import Counter

import numpy as np
import pytest
from special_losses import LOSS_POINTS, LossPoint

from pullback.engine import lower_loss
from pullback.losses import CTC, LOSSES, CrossEntropy, Dice, KLDivergence


def survives(point: LossPoint) -> bool:
    """Whether single precision holds the numbers of the point as they are."""
    given = np.concatenate([np.ravel(point.y), np.ravel(point.target)]).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        same = given.astype(np.float32).astype(np.float64)
    small = abs(point.value) < 3e38 or not np.isfinite(point.value)
    return small and np.array_equal(same, given, equal_nan=True)


FOUND = {
    f"{dtype} {p.loss} {p.y} {p.target} {p.source}": (p, dtype)
    for dtype in ("float64", "float32")
    for p in LOSS_POINTS
    if dtype == "float64" or survives(p)
}


def test_there_are_enough_of_every_kind():
    counts = Counter((type(point.loss).__name__, dtype) for point, dtype in FOUND.values())
    assert {name for name, _ in counts} == set(LOSSES)
    assert min(counts.values()) >= 3
    assert len(FOUND) >= 150


@pytest.mark.parametrize(("point", "dtype"), FOUND.values(), ids=FOUND.keys())
def test_losses(point, dtype):
    """To 2 units in the last place; shares, and the logarithm of their sum, to those of 1."""
    target = np.array([point.target])
    if target.dtype.kind == "f":
        target = target.reshape(1, -1).astype(dtype)
    y, ulp = np.array([point.y], dtype), float(np.finfo(dtype).eps)
    value, slope = np.array(point.value, dtype), np.array(point.slope, dtype)
    beside = ulp if isinstance(point.loss, CrossEntropy | KLDivergence | Dice | CTC) else 0.0
    invalid = "ignore" if point.source == "IEEE" else "raise"
    with np.errstate(invalid=invalid, divide="raise", under="ignore"):
        for loss in (point.loss, lower_loss(point.loss)):
            found, found_slope = loss.forward(y, target)
            assert found.dtype == found_slope.dtype == dtype
            np.testing.assert_allclose(found[0], value, rtol=2 * ulp, atol=beside)
            np.testing.assert_allclose(found_slope[0], slope, rtol=2 * ulp, atol=beside)
