"""Convolutions in Winograd's tiles, against the reference form."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.engine import conv, lower
from pullback.engine.kernels import winograd

TOLERANCES = {"float32": 1e-5, "float64": 1e-13}
PADDINGS = ("valid", "same", 2, ((2, 0), (0, 1)), ((0, 1), (2, 2)))


def passed(net, p, x, gy):
    y, res = net.forward(p, x, Context())
    y = y.copy()
    gx, delta = net.pullback(p, res, gy)
    gradient = p.layout.view(np.full_like(p.flat, np.nan))
    write_gradient(net.grads(p, res, delta), gradient)
    return y, gx.copy(), gradient.flat


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("size", [(6, 8), (7, 5), (3, 4), (16, 3)], ids=str)
@pytest.mark.parametrize(("inside", "outside"), [(16, 16), (32, 48), (48, 16)])
def test_against_the_reference(inside, outside, size, padding, dtype, rng, monkeypatch):
    monkeypatch.setattr(conv, "TILED", 1)  # a row of tiles at a time, or all of them
    net = pb.Chain(
        pb.Conv2d(inside, 1), pb.ReLU(), pb.Conv2d(outside, 3, padding=padding), pb.ReLU(),
        pb.Conv2d(3, 1),
    )  # fmt: skip
    spec = Spec((*size, 2), dtype)
    p, _ = init(net, spec, seed=1, dtype="float64")
    p.flat[:] += 0.1 * rng.standard_normal(p.flat.shape)
    own = p.layout.view(p.flat.astype(dtype))
    wide = p.layout.view(own.flat.astype("float64"))
    fast = lower(net, spec, 5, input_gradient=True)
    monkeypatch.undo()
    whole = lower(net, spec, 5, input_gradient=True)
    for form in (fast, whole):
        middle = form.maps[2]
        assert middle._forward.kernel is winograd.winograd_forward
        assert middle._pull.kernel is winograd.winograd_pullback
        assert middle._outer.kernel is winograd.winograd_outer
        for count in (5, 1, 4):  # what is left in the memory must not show
            x = rng.standard_normal((count, *size, 2)).astype(dtype)
            gy = rng.standard_normal((count, *net.spec(spec).shape)).astype(dtype)
            right = passed(net, wide, x.astype("float64"), gy.astype("float64"))
            for found, expected in zip(passed(form, own, x, gy), right, strict=True):
                scale = np.abs(expected).max() + 1e-30
                assert np.abs(found - expected).max() <= TOLERANCES[dtype] * scale


@pytest.mark.parametrize(
    "other",
    [
        pb.Conv2d(16, 3, stride=2), pb.Conv2d(16, 3, dilation=2), pb.Conv2d(16, 3, groups=2),
        pb.Conv2d(16, 5), pb.Conv2d(12, 3), pb.Conv2d(16, 3, padding=3),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_tiles_are_not_for(other):
    lowered = lower(other, Spec((7, 7, 16)), 2, input_gradient=True)
    kernels = {lowered._forward.kernel, lowered._pull.kernel, lowered._outer.kernel}
    assert not kernels & {
        winograd.winograd_forward, winograd.winograd_pullback, winograd.winograd_outer
    }  # fmt: skip


def test_infinite_and_missing_numbers_stay_visible():
    """Sums of inputs take the place of single ones: none of them may hide."""
    net = pb.Conv2d(16, 3)
    spec = Spec((6, 6, 16))
    p, _ = init(net, spec, seed=1)
    for bad in (np.inf, np.nan):
        x = np.ones((1, 6, 6, 16), np.float32)
        x[0, 2, 3, 4] = bad
        expected, _ = net.forward(p, x, Context())
        found, _ = lower(net, spec, 1).forward(p, x, Context())
        assert not np.isfinite(found[~np.isfinite(expected)]).any()
