"""Single against double precision, on every case, by reference and lowered form.

The bound is ``8 eps sqrt(n)``, relative to the norm of the right result: ``n`` is the number of
numbers of the largest array that goes into one (input, cotangent or parameters), as the rounding
errors of a sum of ``n`` terms grow with its square root.
"""

import numpy as np
import pytest
from arrays import each_part, parts
from contract_cases import Case, all_cases, setting
from loss_cases import LossCase, all_loss_cases

from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import map_leaves
from pullback.engine import lower, lower_loss

EPS = float(np.finfo(np.float32).eps)
CASES = all_cases()
LOSSES = all_loss_cases()


def results(net, s, p, x, gy, ctx):
    y, res = net.forward(p, x, ctx)
    y = np.array(y)
    gx, delta = net.pullback(p, res, gy)
    gradient = Theta(s.p.layout, np.zeros_like(p.flat))
    write_gradient(net.grads(p, res, delta), gradient)
    return y, *map(np.array, parts(gx)), gradient.flat


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_maps(case: Case, seed):
    s = setting(case, "float32", seed)
    wide_p = Theta(s.p.layout, s.p.flat.astype(np.float64))
    state = map_leaves(lambda a: a.astype(np.float64), s.ctx.state)
    wide = (
        each_part(lambda a: a.astype(np.float64), s.x),
        s.gy.astype(np.float64),
        s.ctx._replace(state=state),
    )
    right = results(s.net, s, wide_p, *wide)
    most = max(a.size for a in (*parts(s.x), s.gy, s.p.flat))
    bound = 8 * EPS * most**0.5
    fast = lower(s.net, case.spec(), len(s.gy), input_gradient=True)
    for form in (s.net, fast):
        for a, b in zip(results(form, s, s.p, s.x, s.gy, s.ctx), right, strict=True):
            assert a.dtype == np.float32
            assert np.linalg.norm(a - b) <= bound * np.linalg.norm(b)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_losses(case: LossCase, seed):
    y, target = case.arrays(seed)
    y = y.astype(np.float32)
    if target.dtype.kind == "f":
        target = target.astype(np.float32)
    bound = 8 * EPS * y.size**0.5
    exact = target.astype(np.float64) if target.dtype.kind == "f" else target
    right = case.loss.forward(y.astype(np.float64), exact)
    for loss in (case.loss, lower_loss(case.loss)):
        for a, b in zip(loss.forward(y, target), right, strict=True):
            assert a.dtype == np.float32
            assert np.linalg.norm(a - b) <= bound * np.linalg.norm(b)
