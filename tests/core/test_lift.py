"""A user's own functions as maps."""

import numpy as np
import pytest

from pullback.check import adjoint_error, complex_step_gradient
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError
from pullback.core.initializers import Constant
from pullback.core.lift import lift
from pullback.core.map import init
from pullback.core.spec import Param, Spec
from pullback.maps import Chain, Linear, ReLU

square = lift(
    lambda x: (x * x, x),
    lambda x, gy: 2 * x * gy,
    pushforward=lambda x, dx: 2 * x * dx,
    name="Square",
)
product = lift(
    lambda x: (x[0] * x[1], x),
    lambda x, gy: (gy * x[1], gy * x[0]),
    pushforward=lambda x, dx: dx[0] * x[1] + x[0] * dx[1],
    name="Product",
)
scale = lift(
    lambda p, x: (p["s"] * x, x),
    lambda p, x, gy: (p["s"] * gy, gy),
    pushforward=lambda p, x, dp, dx: p["s"] * dx + dp["s"] * x,
    params={"s": Param((4,), Constant(2.0))},
    grads=lambda p, x, delta: {"s": C("nc,nc->c", delta=delta, x=x)},
    name="Scale",
)


@pytest.mark.parametrize("net", [square, scale, Chain(Linear(4), square, ReLU(), scale)])
def test_of_one_array(net, rng):
    x = rng.standard_normal((3, 4))
    p, _ = init(net, x, dtype="float64")
    assert net.spec(Spec((4,), "float64")) == Spec((4,), "float64")
    assert net.spec(Spec((4,))) == Spec((4,))
    assert adjoint_error(net, p, x, Context(), rng) < 1e-14
    gy = rng.standard_normal((3, 4))
    _, res = net.forward(p, x, Context())
    gx, _ = net.pullback(p, res, gy)
    expected = complex_step_gradient(lambda z: np.sum(gy * net.forward(p, z, Context())[0]), x)
    np.testing.assert_allclose(gx, expected, rtol=1e-13)


def test_of_several_arrays(rng):
    x = (rng.standard_normal((3, 4)), rng.standard_normal((3, 4)))
    p, _ = init(product, x)
    assert product.spec((Spec((4,)), Spec((4,)))) == Spec((4,))
    assert adjoint_error(product, p, x, Context(), rng) < 1e-14
    gx, _ = product.pullback(p, x, np.ones((3, 4)))
    expected = complex_step_gradient(lambda z: np.sum(product.forward(p, z, Context())[0]), x)
    np.testing.assert_allclose(gx, expected, rtol=1e-14)


def test_parameters_start_as_declared():
    p, _ = init(Chain(scale, own=scale), np.zeros((3, 4)))
    np.testing.assert_array_equal(p.flat, np.full(8, 2.0))


def test_parameters_and_gradients_come_together():
    with pytest.raises(ConfigError, match="Half: a lifted map needs both params and grads"):
        lift(square.function, square.function_pullback, params={"s": Param(())}, name="Half")
    with pytest.raises(ConfigError, match="both params and grads"):
        lift(square.function, square.function_pullback, grads=lambda p, x, d: {})


def test_a_missing_pushforward_is_named():
    net = lift(square.function, square.function_pullback, name="Square")
    with pytest.raises(ConfigError, match="Square was lifted without a pushforward"):
        net.pushforward({}, np.ones(3), {}, np.ones(3))
