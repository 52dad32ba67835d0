"""Normalisation: moments, running statistics, and batches it cannot take."""

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.engine import lower
from pullback.maps import BatchNorm, Chain, LayerNorm, Linear


def test_a_training_batch_becomes_standard(rng):
    x = rng.normal(3, 5, (50, 4, 3))
    p, _ = init(BatchNorm(), x, dtype="float64")
    y, _ = BatchNorm(eps=1e-12).forward(p, x, Context(train=True))
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=(0, 1)), 1, rtol=1e-12)


def test_an_example_becomes_standard(rng):
    x = rng.normal(3, 5, (2, 4, 30))
    p, _ = init(LayerNorm(), x, dtype="float64")
    y, _ = LayerNorm(eps=1e-12).forward(p, x, Context())
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-11)


@pytest.mark.parametrize("shape", [(8, 3), (4, 5, 3), (1, 6, 3)])
def test_running_statistics_follow_the_formula(shape, rng):
    net = BatchNorm(momentum=0.3)
    p, state = init(net, np.zeros(shape), dtype="float64")
    mean, var = np.zeros(3), np.ones(3)
    for _ in range(4):
        x = rng.normal(2, 3, shape)
        _, res = net.forward(p, x, Context(train=True, state=state))
        state = net.advance(state, res)
        rows = x.reshape(-1, 3)
        mean = 0.7 * mean + 0.3 * rows.mean(axis=0)
        var = 0.7 * var + 0.3 * rows.var(axis=0, ddof=1)
    assert relative_error(state["mean"], mean) < 1e-14
    assert relative_error(state["var"], var) < 1e-14


def test_outside_training_the_running_statistics_count(rng):
    x = rng.normal(2, 3, (6, 3))
    net = BatchNorm(eps=1e-3)
    p, _ = init(net, x, dtype="float64")
    state = {"mean": np.array([1.0, 2.0, 3.0]), "var": np.array([4.0, 1.0, 0.25])}
    y, _ = net.forward(p, x, Context(state=state))
    assert relative_error(y, (x - state["mean"]) / np.sqrt(state["var"] + 1e-3)) < 1e-15


def test_only_children_with_state_have_some(rng):
    x = rng.standard_normal((4, 3))
    net = Chain(Linear(2), norm=BatchNorm())
    p, state = init(net, x, dtype="float64")
    assert list(state) == ["norm"]
    _, res = net.forward(p, x, Context(train=True, state=state))
    after = net.advance(state, res)
    assert list(after) == ["norm"]
    assert not np.array_equal(after["norm"]["mean"], state["norm"]["mean"])


def test_one_value_a_feature_cannot_train():
    p, state = init(BatchNorm(), np.zeros((1, 3)))
    with pytest.raises(ShapeError, match=r"0\.1: BatchNorm cannot train on a batch with one"):
        BatchNorm().forward(p, np.zeros((1, 3)), Context(train=True, path="0.1", state=state))


@pytest.mark.parametrize("wrong", [{"eps": 0.0}, {"momentum": 0.0}, {"momentum": 1.5}], ids=str)
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        BatchNorm(**wrong)
    with pytest.raises(ConfigError, match="eps"):
        LayerNorm(eps=-1.0)


@pytest.mark.parametrize("count", [7, 784, 65536])
def test_equal_numbers_have_no_variance_however_many_and_large(count):
    """A mean of so many numbers in single precision is off by far more than its last digit."""
    x = np.full((count, 2), 1000.1, np.float32)
    p, state = init(BatchNorm(), x)
    y, res = BatchNorm().forward(p, x, Context(train=True, state=state))
    assert not y.any()
    assert not res["seen"]["var"].any()
    assert relative_error(res["seen"]["mean"], x[0].astype(np.float64)) < 1e-7
    p, _ = init(LayerNorm(), x.T)
    assert not LayerNorm().forward(p, x.T, Context())[0].any()


@pytest.mark.parametrize("count", [10_000, 1_000_000])
def test_very_many_equal_numbers_have_no_variance(count):
    """Added up in float32 they would not: the sum is soon so large that it loses digits."""
    x = np.full((count, 1), 33333.33, np.float32)
    ctx = Context(train=True)
    for net, form in ((BatchNorm(), x), (LayerNorm(), x.reshape(1, -1))):
        spec = Spec(form.shape[1:], "float32")
        p, _ = init(net, spec)
        for version in (net, lower(net, spec, len(form), input_gradient=True)):
            y, res = version.forward(p, form, ctx)
            np.testing.assert_array_equal(y, 0)
            gx, _ = version.pullback(p, res, np.ones_like(y))
            np.testing.assert_array_equal(gx, 0)
