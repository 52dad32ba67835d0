"""Ties, zeros, infinities, NaN, denormals and saturation: the answers are those of the table."""

from collections import Counter

import numpy as np
import pytest
from special_points import ROWS, Point, Row, points

from pullback.core.context import Context
from pullback.core.map import MAPS, init
from pullback.core.spec import Spec
from pullback.engine import lower
from pullback.maps import BatchNorm, LayerNorm, LogSoftmax, RMSNorm, Softmax, Tanh
from pullback.maps.elementwise import Elementwise

POINTS = points()
ULP = {dtype: float(np.finfo(dtype).eps) for dtype in ("float64", "float32")}
LEAST = {dtype: float(np.finfo(dtype).smallest_subnormal) for dtype in ULP}


def of(point: Point | Row) -> str:
    return f"{type(point.net).__name__} {point.x} {point.source}"


def forms(net, x, gy):
    """Value, cotangent and pushforward: those of the reference form, and of the lowered one."""
    p, state = init(net, x, dtype=str(x.dtype))
    ctx, spec = Context(True, state=state), Spec(x.shape[1:], str(x.dtype))
    for form in (net, lower(net, spec, len(x), input_gradient=True)):
        y, res = form.forward(p, x, ctx)
        y = np.array(y)
        gx, _ = form.pullback(p, res, gy)
        still = p.layout.view(np.zeros_like(p.flat))
        found = y, np.array(gx), np.array(form.pushforward(p, res, still, gy))
        assert {each.dtype for each in found} == {x.dtype}
        yield found


def test_there_are_enough_and_every_kind():
    counts = Counter(type(point.net) for point in [*POINTS, *ROWS])
    apart = {cls for _, cls in MAPS.items() if issubclass(cls, Elementwise)}
    assert set(counts) == apart | {Softmax, LogSoftmax, LayerNorm, BatchNorm, RMSNorm}
    assert len(POINTS) + len(ROWS) >= 150
    assert min(counts.values()) >= 5


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p.dtype} {of(p)}")
def test_functions_of_one_number(point):
    """To 2 units in the last place, of the value and of the slope."""
    x = np.array([[point.x]], point.dtype)
    ulp = ULP[point.dtype] * (1 + point.steep)
    # a factor that is a denormal number has few digits, and the other may be as large as x
    least = 2 * LEAST[point.dtype] * (max(1.0, abs(point.x)) if abs(point.x) < 1e6 else 1.0)
    with np.errstate(over="ignore"):
        value, slope = np.array([point.y, point.slope]).astype(point.dtype)
    # the slope is taken from y, and exact beside 1
    beside = ULP[point.dtype] if isinstance(point.net, Tanh) else least
    for y, gx, dy in forms(point.net, x, np.ones_like(x)):
        np.testing.assert_allclose(y[0, 0], value, rtol=2 * ulp, atol=least)
        np.testing.assert_allclose(gx[0, 0], slope, rtol=2 * ulp, atol=beside)
        np.testing.assert_array_equal(gx, dy)


@pytest.mark.parametrize("row", ROWS, ids=of)
def test_rows(row):
    """The value to 2 units in the last place; differences of shares to those of 1."""
    x, gy = np.array([row.x], np.float64), np.array([row.gy], np.float64)
    turned = isinstance(row.net, BatchNorm)
    invalid = "ignore" if row.source == "IEEE" else "raise"
    with np.errstate(invalid=invalid, divide="raise", over="ignore"):
        found = list(forms(row.net, *((x.T, gy.T) if turned else (x, gy))))
    ulp = ULP["float64"]
    # the logarithm of a sum of which one term is 1 is exact beside 1
    beside = ulp if isinstance(row.net, LogSoftmax) else 0.0
    for y, gx, dy in found:
        np.testing.assert_allclose(y.reshape(-1), row.y, rtol=2 * ulp, atol=beside)
        np.testing.assert_allclose(gx.reshape(-1), row.gx, rtol=2 * ulp, atol=2 * ulp)
        if not isinstance(row.net, LogSoftmax):
            # a symmetric Jacobian: pushing forward gives what pulling back does
            np.testing.assert_allclose(dy.reshape(-1), row.gx, rtol=2 * ulp, atol=2 * ulp)
