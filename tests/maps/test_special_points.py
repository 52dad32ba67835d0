"""Ties, zeros, infinities, NaN, denormals and saturation: the answers are those of the table."""

import numpy as np
import pytest
from special_points import LOSS_POINTS, ROWS, points

from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.engine import lower, lower_loss
from pullback.losses import LOSSES
from pullback.maps import GELU, LogSoftmax
from pullback.maps.elementwise import Elementwise

POINTS = points()
DENORMAL = 1e-320
"""Numbers this small have few digits left."""
ULP = float(np.finfo(np.float64).eps)


def both(net, x, gy):
    p, state = init(net, x, dtype="float64")
    ctx = Context(True, state=state)
    for form in (net, lower(net, Spec(x.shape[1:], "float64"), len(x), input_gradient=True)):
        y, res = form.forward(p, x, ctx)
        y = np.array(y)
        gx, _ = form.pullback(p, res, gy)
        still = p.layout.view(np.zeros_like(p.flat))
        yield y, np.array(gx), np.array(form.pushforward(p, res, still, gy))


def test_there_are_enough_and_every_kind():
    assert len(POINTS) + len(ROWS) + len(LOSS_POINTS) >= 150
    from pullback.core.map import MAPS

    apart = {cls for _, cls in MAPS.items() if issubclass(cls, Elementwise)}
    assert {type(point.net) for point in POINTS} == apart
    assert {type(point.loss) for point in LOSS_POINTS} == {cls for _, cls in LOSSES.items()}


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{type(p.net).__name__} {p.x} {p.source}")
def test_functions_of_one_number(point):
    x = np.array([[point.x]])
    for y, gx, dy in both(point.net, x, np.ones((1, 1))):
        # near -1, 1 + t has the digits of t only
        lost = ULP * abs(point.x) if isinstance(point.net, GELU) and np.isfinite(point.x) else 0.0
        np.testing.assert_allclose(y[0, 0], point.y, rtol=2 * ULP, atol=max(lost, DENORMAL))
        if not np.isnan(point.slope):
            # 1 - y has the digits of y: exact to what is lost beside 1
            lost = max(1.0, abs(point.x) if np.isfinite(point.x) else 1.0)
            np.testing.assert_allclose(gx[0, 0], point.slope, rtol=4 * ULP, atol=ULP * lost)
            assert gx[0, 0] == dy[0, 0]


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{type(p.net).__name__} {p.x}")
def test_in_single_precision_nothing_overflows(point):
    with np.errstate(under="ignore"):
        x = np.array([[point.x]], np.float32)
        y, res = point.net.forward({}, x, Context())
        gx, _ = point.net.pullback({}, res, np.ones_like(x))
        assert y.dtype == gx.dtype == np.float32
        size = np.float32(point.y) if abs(point.y) < 3e38 or not np.isfinite(point.y) else point.y
        np.testing.assert_allclose(y[0, 0], size, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{type(r.net).__name__} {r.x} {r.source}")
def test_rows(row):
    x, gy = np.array([row.x], np.float64), np.array([row.gy], np.float64)
    invalid = "ignore" if row.source == "IEEE" else "raise"
    with np.errstate(invalid=invalid, divide="raise", over="ignore"):
        for y, gx, dy in both(row.net, x, gy):
            np.testing.assert_allclose(y[0], row.y, rtol=2 * ULP, atol=0)
            np.testing.assert_allclose(gx[0], row.gx, rtol=4 * ULP, atol=2 * ULP)
            if not isinstance(row.net, LogSoftmax) and not np.isnan(row.gx).any():
                # a symmetric Jacobian: pushing forward gives what pulling back does
                np.testing.assert_allclose(dy[0], row.gx, rtol=4 * ULP, atol=2 * ULP)


@pytest.mark.parametrize(
    "point", LOSS_POINTS, ids=lambda p: f"{type(p.loss).__name__} {p.y} {p.target} {p.source}"
)
def test_losses(point):
    y, target = np.array([point.y], np.float64), np.array([point.target])
    if target.dtype.kind == "f":
        target = target.reshape(1, -1)
    invalid = "ignore" if point.source == "IEEE" else "raise"
    with np.errstate(invalid=invalid, divide="raise", under="ignore"):
        for loss in (point.loss, lower_loss(point.loss)):
            values, slope = loss.forward(y, target)
            np.testing.assert_allclose(values[0], point.value, rtol=2 * ULP, atol=ULP / 4)
            np.testing.assert_allclose(slope[0], point.slope, rtol=2 * ULP, atol=ULP / 4)
