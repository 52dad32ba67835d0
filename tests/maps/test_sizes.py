"""Sizes across thresholds of vectors, blocks and pieces; and single against double precision."""

import numpy as np
import pytest
from arrays import relative_error
from contract_cases import all_cases, setting
from loss_cases import all_loss_cases

from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import Theta, write_gradient
from pullback.engine import lower, lower_loss
from pullback.losses import CrossEntropy, HalfSquaredError
from pullback.maps import (
    ELU,
    GELU,
    BatchNorm,
    Dropout,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

SIZES = sorted(
    {1, 2, 3} | {2**k + d for k in (3, 4, 6, 7, 8, 10, 12, 13, 15, 16, 17) for d in (-1, 0, 1)}
)
APART = (ReLU(), LeakyReLU(), ELU(), GELU(), SiLU(), Softplus(), Sigmoid(), Tanh())
ROWS = (Softmax(), LogSoftmax(), LayerNorm())
every_size = pytest.mark.parametrize("size", SIZES)


def passed(net, x, gy, train=False):
    spec = Spec(x.shape[1:], str(x.dtype))
    p, state = init(net, spec, 0, str(x.dtype))
    ctx = Context(train, 0, 1, state=state)
    found = []
    for form in (net, lower(net, spec, len(x), input_gradient=True)):
        y, res = form.forward(p, x, ctx)
        y = np.array(y)
        gx, delta = form.pullback(p, res, gy)
        gradient = p.layout.view(np.zeros_like(p.flat))
        write_gradient(form.grads(p, res, delta), gradient)
        found.append((y, np.array(gx), gradient.flat))
    return found


def drawn(size, rows=1):
    rng = np.random.default_rng(size)
    return 3 * rng.standard_normal((rows, size)), rng.standard_normal((rows, size))


@every_size
def test_each_number_is_on_its_own(size):
    """A long row is what its halves are, put together."""
    x, gy = drawn(size)
    half = size // 2
    for net in APART:
        pieces = [
            passed(net, x[:, part], gy[:, part])[0] for part in (slice(half), slice(half, None))
        ]
        for y, gx, _ in passed(net, x, gy):
            np.testing.assert_allclose(
                y, np.hstack([q[0] for q in pieces]), rtol=1e-15, atol=1e-300
            )
            np.testing.assert_allclose(
                gx, np.hstack([q[1] for q in pieces]), rtol=4e-15, atol=1e-300
            )


def long_double(net, x, gy):
    """The formulas in extended precision."""
    x, gy = x.astype(np.longdouble), gy.astype(np.longdouble)
    if isinstance(net, LayerNorm):
        centred = x - x.mean(axis=-1, keepdims=True)
        sigma = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + net.eps)
        h = centred / sigma
        rest = gy.mean(axis=-1, keepdims=True) + h * (gy * h).mean(axis=-1, keepdims=True)
        return h, (gy - rest) / sigma
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    s = e / e.sum(axis=-1, keepdims=True)
    if isinstance(net, LogSoftmax):
        return np.log(s), gy - s * gy.sum(axis=-1, keepdims=True)
    return s, s * (gy - (s * gy).sum(axis=-1, keepdims=True))


@every_size
@pytest.mark.parametrize("net", ROWS, ids=lambda net: type(net).__name__)
def test_rows_of_any_length(net, size):
    for x, gy in (drawn(size), drawn(min(size, 64), max(1, size // 64))):
        right_y, right_gx = long_double(net, x, gy)
        for y, gx, _ in passed(net, x, gy):
            assert relative_error(y.astype(np.longdouble), right_y) < 1e-14
            gap = np.linalg.norm((gx - right_gx).astype(float))
            assert gap < 1e-13 * max(1.0, float(np.linalg.norm(gy)))


@every_size
def test_batches_of_any_size(size):
    """The gradient is the sum over the examples, however many; and over the positions."""
    rng = np.random.default_rng(size)
    x, gy = rng.standard_normal((size, 3)), rng.standard_normal((size, 2))
    for y, gx, flat in passed(Linear(2), x, gy):
        p, _ = init(Linear(2), x, 0, "float64")
        wide = x.astype(np.longdouble), gy.astype(np.longdouble)
        right = np.concatenate([(wide[0].T @ wide[1]).reshape(-1), wide[1].sum(axis=0)])
        assert relative_error(flat.astype(np.longdouble), right) < 1e-13
        assert relative_error(y, x @ p["W"]) < 1e-15
        assert relative_error(gx, gy @ p["W"].T) < 1e-15
    if size > 1:
        (reference, _, _), (fast, _, _) = passed(BatchNorm(), x, np.ones_like(x), train=True)
        centred = x.astype(np.longdouble) - x.astype(np.longdouble).mean(axis=0)
        right = centred / np.sqrt((centred**2).mean(axis=0) + 1e-5)
        for y in (reference, fast):
            assert relative_error(y.astype(np.longdouble), right) < 1e-13


@every_size
def test_losses_of_any_size(size):
    rng = np.random.default_rng(size)
    for y in (rng.standard_normal((size, 3)), rng.standard_normal((2, size))):
        target = rng.integers(0, y.shape[1], len(y))
        wide = y.astype(np.longdouble)
        log_p = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
        for loss in (CrossEntropy(), lower_loss(CrossEntropy())):
            values, slope = loss.forward(y, target)
            right = -np.take_along_axis(log_p, target[:, None], 1)[:, 0]
            assert np.abs(values - right).max() < 1e-14 * max(1.0, float(np.abs(right).max()))
            share = np.exp(log_p) - (np.arange(y.shape[1]) == target[:, None])
            assert np.abs(slope - share).max() < 1e-14
        values, _ = HalfSquaredError().forward(y, np.zeros_like(y))
        assert relative_error(values.astype(np.longdouble), (wide**2).sum(axis=1) / 2) < 1e-14


def test_noise_of_any_size_is_cut_alike():
    """The mask of a long row begins like that of any cut of the batch."""
    for size in SIZES:
        x = np.ones((2, size))
        whole, _ = Dropout(0.3).forward({}, x, Context(True, 1, 2))
        later, _ = Dropout(0.3).forward({}, x[1:], Context(True, 1, 2, first=1))
        np.testing.assert_array_equal(whole[1:], later)


EPS = float(np.finfo(np.float32).eps)
CASES = all_cases()
LOSSES = all_loss_cases()


def terms(s) -> int:
    """How many numbers at most go into one of the results."""
    return max(s.x.size, s.gy.size, s.p.flat.size)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_single_precision(case):
    """Within ``8 eps sqrt(n)`` of double precision, relative, ``n`` the numbers of the batch."""
    s = setting(case)
    narrow = setting(case, "float32")
    s.p.flat[:], x, gy = narrow.p.flat, narrow.x.astype(np.float64), narrow.gy.astype(np.float64)
    state = narrow.ctx.state
    wide_ctx = s.ctx._replace(state=_widened(state))
    found = _all(narrow.net, narrow.p, narrow.x, narrow.gy, narrow.ctx)
    right = _all(s.net, s.p, x, gy, wide_ctx)
    bound = 8 * EPS * terms(s) ** 0.5
    whole = float(np.linalg.norm(right[2]))
    for a, b in zip(found, right, strict=True):
        assert a.dtype == np.float32
        size = max(float(np.linalg.norm(b)), 1e-3 * whole)
        assert np.linalg.norm(a - b) <= bound * (size or 1.0)


def _widened(state):
    from pullback.core.tree import map_leaves

    return map_leaves(lambda a: a.astype(np.float64), state)


def _all(net, p, x, gy, ctx):
    y, res = net.forward(p, x, ctx)
    gx, delta = net.pullback(p, res, gy)
    gradient = Theta(p.layout, np.zeros_like(p.flat))
    write_gradient(net.grads(p, res, delta), gradient)
    return y, gx, gradient.flat


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_losses_in_single_precision(case):
    y, target = case.arrays()
    y = y.astype(np.float32)
    if target.dtype.kind == "f":
        target = target.astype(np.float32)
    bound = 8 * EPS * y.size**0.5
    wide = y.astype(np.float64), target.astype(np.float64) if target.dtype.kind == "f" else target
    right = case.loss.forward(*wide)
    for loss in (case.loss, lower_loss(case.loss)):
        for a, b in zip(loss.forward(y, target), right, strict=True):
            assert a.dtype == np.float32
            assert np.linalg.norm(a - b) <= bound * max(1e-3, float(np.linalg.norm(b)))
