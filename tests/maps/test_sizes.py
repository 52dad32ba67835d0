"""Sizes across thresholds of vectors, blocks and pieces, by reference and lowered form."""

import math

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.context import Context
from pullback.core.map import MAPS, init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.engine import lower
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
from pullback.maps.elementwise import Elementwise

SIZES = sorted(
    {1, 2, 3} | {2**k + d for k in (3, 4, 6, 7, 8, 10, 12, 13, 15, 16, 17) for d in (-1, 0, 1)}
)
APART = (ReLU(), LeakyReLU(), ELU(), GELU(), SiLU(), Softplus(), Sigmoid(), Tanh())
S = math.sqrt(2 / math.pi)


def gelu(x):
    v = 2 * S * (x + 0.044715 * x**3)
    share, rest = 1 / (1 + math.exp(-v)), 1 / (1 + math.exp(v))  # (1 + t) / 2 and (1 - t) / 2
    return x * share, share + x * share * rest * 2 * S * (1 + 0.134145 * x * x)


def silu(x):
    s = 1 / (1 + math.exp(-x))
    return x * s, s * (1 + x / (1 + math.exp(x)))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)), math.exp(-x) / (1 + math.exp(-x)) ** 2


BY_HAND = {
    ReLU: lambda x: (max(x, 0.0), float(x > 0)),
    LeakyReLU: lambda x: (x, 1.0) if x > 0 else (0.01 * x, 0.01),
    ELU: lambda x: (x, 1.0) if x > 0 else (math.expm1(x), math.exp(x)),
    GELU: gelu,
    SiLU: silu,
    Softplus: lambda x: (max(x, 0.0) + math.log1p(math.exp(-abs(x))), sigmoid(x)[0]),
    Sigmoid: sigmoid,
    Tanh: lambda x: (math.tanh(x), 1 / math.cosh(x) ** 2),
}
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
    """A long row, and the same numbers as short rows, are what their halves are, put together.

    In either form: the two have an exponential each, which differ in the last digits.
    """
    x, gy = drawn(size)
    half = size // 2
    rows = (1, -1), (-1, 1), *([(-1, 3)] if size % 3 == 0 else [])
    for net in APART:
        parts = [passed(net, x[:, part], gy[:, part]) for part in np.s_[:half, half:]]
        whole = [passed(net, x.reshape(shape), gy.reshape(shape)) for shape in rows]
        for form in range(2):
            for name, rtol in (0, 1e-15), (1, 4e-15):
                right = np.hstack([part[form][name] for part in parts])
                for found in whole:
                    same = found[form][name].reshape(1, -1)
                    np.testing.assert_allclose(same, right, rtol=rtol, atol=1e-300)


def test_numbers_of_a_long_row_one_by_one():
    """Some of the numbers of a long row, each on its own by Python's ``math``."""
    x, gy = drawn(SIZES[-1])
    for net in APART:
        right = [BY_HAND[type(net)](float(v)) for v in x[0, ::997]]
        for y, gx, _ in passed(net, x, gy):
            np.testing.assert_allclose(y[0, ::997], [value for value, _ in right], rtol=1e-14)
            slopes = np.array([slope for _, slope in right])
            # the slope of tanh is exact beside 1
            np.testing.assert_allclose(gx[0, ::997], slopes * gy[0, ::997], rtol=1e-13, atol=1e-15)


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


def test_every_function_of_one_number_is_there():
    apart = {cls for _, cls in MAPS.items() if issubclass(cls, Elementwise)}
    assert {type(net) for net in APART} == set(BY_HAND) == apart


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


def test_noise_of_any_size_is_cut_alike():
    """The mask of a long row begins like that of any cut of the batch."""
    for size in SIZES:
        x = np.ones((2, size))
        whole, _ = Dropout(0.3).forward({}, x, Context(True, 1, 2))
        later, _ = Dropout(0.3).forward({}, x[1:], Context(True, 1, 2, first=1))
        np.testing.assert_array_equal(whole[1:], later)
