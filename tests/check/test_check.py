"""The checks themselves: right maps pass, and every kind of mistake is seen."""

import numpy as np
import pytest
from arrays import relative_error

from pullback.check import (
    adjoint_error,
    complex_step,
    complex_step_gradient,
    difference,
    difference_gradient,
)
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ShapeError
from pullback.core.lift import lift
from pullback.core.map import init
from pullback.core.spec import Param
from pullback.maps import Chain, Linear, Tanh

W = Param((4, 3))
RIGHT = {
    "function": lambda p, x: (x @ p["W"], x),
    "pullback": lambda p, x, gy: (gy @ p["W"].T, gy),
    "pushforward": lambda p, x, dp, dx: dx @ p["W"] + x @ dp["W"],
    "grads": lambda p, x, delta: {"W": C("no,ni->io", delta=delta, x=x)},
}
MISTAKES = {
    "a sign": {"pullback": lambda p, x, gy: (-gy @ p["W"].T, gy)},
    "a factor": {"grads": lambda p, x, d: {"W": C("no,ni->io", delta=1.001 * d, x=x)}},
    "another parameter": {"pullback": lambda p, x, gy: (gy @ p["W"][::-1].T, gy)},
    "a delta": {"pullback": lambda p, x, gy: (gy @ p["W"].T, gy * gy)},
    "a missing term": {"pushforward": lambda p, x, dp, dx: dx @ p["W"]},
    "the wrong forward": {"pushforward": lambda p, x, dp, dx: x @ p["W"] + x @ dp["W"]},
}


def linear(**changed):
    parts = RIGHT | changed
    return lift(parts.pop("function"), parts.pop("pullback"), params={"W": W}, **parts)


def error_of(net, rng):
    x = rng.standard_normal((5, 4))
    p, _ = init(net, x, dtype="float64")
    return adjoint_error(net, p, x, Context(), rng)


def test_a_right_map_passes(rng):
    assert error_of(linear(), rng) < 1e-15
    assert error_of(Chain(Linear(3), Tanh(), Linear(2)), rng) < 1e-14


@pytest.mark.parametrize("changed", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_seen(changed, rng):
    assert error_of(linear(**changed), rng) > 1e-5


def test_a_wrong_shape_is_an_error(rng):
    with pytest.raises(ShapeError, match=r"shape \(5, 4\) is paired with one of shape \(5, 1\)"):
        error_of(linear(pullback=lambda p, x, gy: (gy[:, :1], gy)), rng)
    with pytest.raises(ShapeError, match="no gradient is declared for the parameter W"):
        error_of(linear(grads=lambda p, x, delta: {}), rng)


def test_several_inputs(rng):
    x = (rng.standard_normal((3, 4)), rng.standard_normal((3, 2)))

    def outer(wrong):
        return lift(
            lambda x: (x[0][:, :, None] * x[1][:, None, :], x),
            lambda x, gy: (
                np.einsum("nij,nj->ni", gy, x[1]),
                wrong * np.einsum("nij,ni->nj", gy, x[0]),
            ),
            pushforward=lambda x, dx: (
                dx[0][:, :, None] * x[1][:, None, :] + x[0][:, :, None] * dx[1][:, None, :]
            ),
        )

    p, _ = init(outer(1), x, dtype="float64")
    assert adjoint_error(outer(1), p, x, Context(), rng) < 1e-15
    assert adjoint_error(outer(1.01), p, x, Context(), rng) > 1e-4


def function(x):
    return np.sum(np.exp(x) * np.sin(3 * x))


def slope(x):
    return np.exp(x) * (np.sin(3 * x) + 3 * np.cos(3 * x))


def test_derivatives_along_a_direction(rng):
    x, dx = rng.standard_normal((2, 3, 4))
    expected = np.sum(slope(x) * dx)
    assert abs(complex_step(function, x, dx) / expected - 1) < 1e-14
    assert abs(difference(function, x, dx) / expected - 1) < 1e-8


def test_gradients(rng):
    x = rng.standard_normal((3, 4))
    kept = x.copy()
    assert relative_error(complex_step_gradient(function, x), slope(x)) < 1e-14
    assert relative_error(difference_gradient(function, x), slope(x)) < 1e-9
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize(
    ("rule", "error"), [(complex_step_gradient, 1e-14), (difference_gradient, 1e-10)]
)
def test_gradients_of_several_arrays(rule, error, rng):
    a, b, c = rng.standard_normal((2, 3)), rng.standard_normal(3), np.array(0.7)
    found = rule(lambda x: np.sum(x[0] ** 2 * x[1]) * x[2], (a, b, c))
    assert isinstance(found, tuple)
    for got, right in zip(
        found, (2 * a * b * c, (a**2).sum(axis=0) * c, np.sum(a**2 * b)), strict=True
    ):
        assert relative_error(got, right) < error


def test_the_difference_is_of_fourth_order():
    x, dx = np.array([0.3]), np.array([1.0])
    coarse, fine = (abs(difference(function, x, dx, h) - slope(x)[0]) for h in (0.1, 0.05))
    assert 14 < coarse / fine < 18
    assert abs(difference(lambda z: np.sum(z**4), x, dx, 0.5) - 4 * 0.3**3) < 1e-14


def test_the_complex_step_needs_analytic_code():
    x, dx = np.array([-2.0]), np.array([1.0])
    assert complex_step(lambda z: np.sum(np.abs(z)), x, dx) == 0
    assert abs(difference(lambda z: np.sum(np.abs(z)), x, dx) + 1) < 1e-12
