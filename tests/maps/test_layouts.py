"""Arrays that lie oddly in memory, as input and as cotangent, give what a plain copy gives."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import each_part, largest_gradient_error, parts
from contract_cases import Setting, all_cases, setting
from layouts import EXPANDED, LAYOUTS
from loss_cases import all_loss_cases

from pullback.core.errors import PullbackError
from pullback.core.spec import spec_of
from pullback.core.theta import write_gradient
from pullback.core.tree import leaves
from pullback.engine import lower, lower_loss
from pullback.losses import CTC

FOUND = all_cases()
LOSSES = all_loss_cases()
ODD = {**LAYOUTS, **EXPANDED}
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())
every_layout = pytest.mark.parametrize("layout", ODD.values(), ids=ODD.keys())
forms = pytest.mark.parametrize("lowered", [False, True], ids=["reference", "lowered"])


def results(s: Setting, lowered: bool, dx):
    net = s.net
    if lowered:
        net = lower(net, spec_of(s.x), max(1, len(s.gy)), input_gradient=True)
    y, res = net.forward(s.p, s.x, s.ctx)
    y = np.array(y)
    gx, delta = net.pullback(s.p, res, s.gy)
    declared = net.grads(s.p, res, delta)
    gradient = s.p.layout.view(np.full_like(s.p.flat, np.nan))
    write_gradient(declared, gradient)
    single = [array for _, c in leaves(declared) for array in (c.each(), c.sq_norms())]
    dy = net.pushforward(s.p, res, s.p, dx)
    return [y, *map(np.array, parts(gx)), np.array(dy), *map(np.array, single)], gradient


def agree(found, right):
    (arrays, gradient), (plain, plain_gradient) = found, right
    for a, b in zip(arrays, plain, strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= 1e-14 * max(1.0, float(np.linalg.norm(b)))
    assert largest_gradient_error(gradient, plain_gradient) < 1e-13


@every_case
@every_layout
@forms
def test_odd_layouts_change_nothing(case, layout, lowered):
    s = setting(case)
    rng = np.random.default_rng(1)
    dx = each_part(lambda a: rng.standard_normal(a.shape), s.x)
    for odd in ("x", "gy", "all"):
        x = each_part(layout, s.x) if odd != "gy" else s.x
        gy = layout(s.gy) if odd != "x" else s.gy
        change = each_part(layout, dx) if odd == "all" else dx
        found = results(replace(s, x=x, gy=gy), lowered, change)
        plain = replace(s, x=each_part(np.copy, x), gy=gy.copy())
        right = results(plain, lowered, each_part(np.copy, change))
        agree(found, right)


@every_case
@forms
def test_no_examples(case, lowered):
    """A batch of nothing gives nothing, and a gradient of zero; or a plain error."""
    s = setting(case)
    no_x = each_part(lambda a: a[:0], s.x)
    nothing = replace(s, x=no_x, gy=s.gy[:0])
    if case.train and case.net.couples_batch:
        with pytest.raises(PullbackError, match="larger batch"):
            results(nothing, lowered, no_x)
        return
    arrays, gradient = results(nothing, lowered, no_x)
    assert all(len(array) == 0 for array in arrays)
    assert not gradient.flat.any()


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())
@every_layout
def test_losses(case, layout):
    y, target = case.arrays()
    g = np.random.default_rng(1).standard_normal(len(y))
    one_axis = layout if layout not in (LAYOUTS["permuted"],) else np.copy
    for loss in (case.loss, lower_loss(case.loss)):
        for odd in (layout(y), y):
            t = layout(target) if target.ndim == y.ndim else one_axis(target)
            if isinstance(case.loss, CTC) and layout is EXPANDED["one number"]:
                t = target  # its first column and the others mean different things
            values, slope = loss.forward(odd, t)
            plain = loss.forward(odd.copy(), t.copy())
            np.testing.assert_allclose(values, plain[0], rtol=1e-14, atol=1e-15)
            np.testing.assert_allclose(slope, plain[1], rtol=1e-14, atol=1e-15)
            gy = loss.pullback(slope, one_axis(g))
            np.testing.assert_allclose(gy, loss.pullback(plain[1], one_axis(g).copy()), rtol=1e-13)
            dy = layout(y)
            pushed = loss.pushforward(slope, dy)
            np.testing.assert_allclose(
                pushed, loss.pushforward(plain[1], dy.copy()), rtol=1e-12, atol=1e-14
            )


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())
def test_losses_of_no_examples(case):
    y, target = case.arrays()
    for loss in (case.loss, lower_loss(case.loss)):
        values, slope = loss.forward(y[:0], target[:0])
        assert values.shape == (0,)
        assert slope.shape == y[:0].shape
        assert loss.pullback(slope, values).shape == y[:0].shape
        assert loss.pushforward(slope, y[:0]).shape == (0,)


def test_the_layouts_are_odd():
    a = np.random.default_rng(0).standard_normal((4, 3, 2))
    for name, layout in LAYOUTS.items():
        b = layout(a)
        np.testing.assert_array_equal(a, b)
        plain = b.flags.c_contiguous and b.flags.writeable and b.flags.aligned
        assert not plain, name
    for layout in EXPANDED.values():
        assert 0 in layout(a).strides
