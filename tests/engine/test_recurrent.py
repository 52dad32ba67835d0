"""Recurrent maps by kernels, against the reference form."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.engine import lower
from pullback.engine.recurrent import LoweredRecurrent

TOLERANCES = {"float32": 1e-5, "float64": 1e-13}


def passed(net, p, x, gy, lengths):
    y, res = net.forward(p, x, Context(lengths=lengths))
    y = y.copy()
    gx, delta = net.pullback(p, res, gy)
    gradient = p.layout.view(np.full_like(p.flat, np.nan))
    write_gradient(net.grads(p, res, delta), gradient)
    return y, gx.copy(), gradient.flat


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", ["all", "last"])
@pytest.mark.parametrize("units", [16, 48])
@pytest.mark.parametrize("cls", [pb.RNN, pb.LSTM, pb.GRU])
def test_against_the_reference(cls, units, states, reverse, dtype, rng):
    net, steps, inputs, most = cls(units, states=states, reverse=reverse), 7, 5, 21
    spec = Spec((steps, inputs), dtype)
    p, _ = init(net, spec, seed=1, dtype="float64")
    p.flat[:] += 0.1 * rng.standard_normal(p.flat.shape)
    own = p.layout.view(p.flat.astype(dtype))
    wide = p.layout.view(own.flat.astype("float64"))
    fast = lower(net, spec, most, input_gradient=True)
    assert isinstance(fast, LoweredRecurrent)
    for count in (21, 1, 20):  # what is left in the buffers must not show
        x = rng.standard_normal((count, steps, inputs)).astype(dtype)
        gy = rng.standard_normal((count, *net.spec(spec).shape)).astype(dtype)
        for lengths in (None, rng.integers(0, steps + 1, count)):
            right = passed(net, wide, x.astype("float64"), gy.astype("float64"), lengths)
            for found, expected in zip(passed(fast, own, x, gy, lengths), right, strict=True):
                scale = np.abs(expected).max() + 1e-30
                assert np.abs(found - expected).max() <= TOLERANCES[dtype] * scale


def test_states_that_are_no_whole_vectors_stay_with_the_reference():
    assert lower(pb.LSTM(10), Spec((3, 4)), 2) == pb.LSTM(10)
