"""Attention by blocks, against the reference form."""

from __future__ import annotations

import numpy as np
import pytest
from engine.test_recurrent import TOLERANCES, passed

import pullback as pb
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.engine import attention, lower
from pullback.engine.attention import LoweredAttention


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 40])
@pytest.mark.parametrize(("heads", "width"), [(1, 16), (3, 48)])
def test_against_the_reference(heads, width, steps, rotary, causal, dtype, rng, monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", 16)  # so that there are several, and parts of one
    net, most = pb.Attention(heads, causal=causal, rotary=rotary), 5
    spec = Spec((steps, width), dtype)
    p, _ = init(net, spec, seed=1, dtype="float64")
    p.flat[:] += 0.3 * rng.standard_normal(p.flat.shape)
    own = p.layout.view(p.flat.astype(dtype))
    wide = p.layout.view(own.flat.astype("float64"))
    fast = lower(net, spec, most, input_gradient=True)
    assert isinstance(fast, LoweredAttention)
    for count in (5, 1, 4):  # what is left in the buffers must not show
        x = rng.standard_normal((count, steps, width)).astype(dtype)
        gy = rng.standard_normal((count, steps, width)).astype(dtype)
        for lengths in (None, rng.integers(0, steps + 1, count)):
            right = passed(net, wide, x.astype("float64"), gy.astype("float64"), lengths)
            for found, expected in zip(passed(fast, own, x, gy, lengths), right, strict=True):
                scale = np.abs(expected).max() + 1e-30
                assert np.abs(found - expected).max() <= 4 * TOLERANCES[dtype] * scale


def test_heads_that_are_no_whole_vectors_stay_with_the_reference():
    assert lower(pb.Attention(2), Spec((3, 8)), 2) == pb.Attention(2)
