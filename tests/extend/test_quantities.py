"""Quantities by name: shared work, refusals, and where they do not exist."""

import numpy as np
import pytest
from extend_networks import by_name, problem

import pullback as pb
from pullback import extend
from pullback.core.errors import ConfigError
from pullback.core.theta import Theta


def asked(want, name="linear", **changes):
    given = problem(name)
    net = changes.pop("net", given.case.net)
    return extend.quantities(net, given.case.loss, given.p, given.x, given.target, want, **changes)


def same(a, b):
    if isinstance(a, Theta):
        return np.array_equal(a.flat, b.flat)
    if isinstance(a, dict):
        return all(
            same(x, y) for x, y in zip(by_name(a).values(), by_name(b).values(), strict=True)
        )
    if isinstance(a, extend.Kronecker):
        return np.array_equal(a.left, b.left) and np.array_equal(a.right, b.right)
    return np.array_equal(a, b)


def test_all_at_once_are_as_one_by_one():
    options = {name: {} for name in extend.QUANTITIES} | {"stability": {"lr": 0.1}}
    every = asked(options)
    assert list(every) == list(extend.QUANTITIES)
    for name, value in every.items():
        assert same(value, asked({name: options[name]})[name]), name


def test_stability_is_the_sharpness_over_what_descent_bears():
    found = asked({"stability": {"lr": 0.3}, "lambda_max": {}})
    assert found["stability"] == pytest.approx(found["lambda_max"] * 0.3 / 2, rel=1e-12)
    with pytest.raises(ConfigError, match="give it as lr"):
        asked(["stability"])


def test_one_pass_for_all_of_first_order(monkeypatch):
    passes = []
    forward = pb.Linear.forward

    def counted(self, p, x, ctx):
        passes.append(self)
        return forward(self, p, x, ctx)

    monkeypatch.setattr(pb.Linear, "forward", counted)
    asked(["per_example_norm", "noise_scale", "variance", "inner_products", "clipped_gradient"])
    assert len(passes) == 2  # the network has two such maps


def test_options():
    found = asked({"clipped_gradient": {"bound": 0.1}, "noise_scale": {}})
    assert np.linalg.norm(found["clipped_gradient"].flat) <= 0.1
    with pytest.raises(pb.errors.ConfigError, match=r"clipped_gradient.*'bond'"):
        asked({"clipped_gradient": {"bond": 0.1}})
    with pytest.raises(pb.errors.ConfigError, match=r"bound=0.*above 0"):
        asked({"clipped_gradient": {"bound": 0}})


def test_an_unknown_name():
    with pytest.raises(pb.errors.ConfigError, match="Did you mean 'noise_scale'"):
        asked(["noise_scales"])


COUPLED = pb.Chain(pb.Flatten(), pb.Linear(3), norm=pb.BatchNorm())


@pytest.mark.parametrize("name", ["per_example_norm", "noise_scale", "variance", "ggn_diagonal"])
def test_a_map_that_couples_the_batch_refuses_by_name(name):
    x, target = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 1, 2, 0])
    p, state = pb.init(COUPLED, x, 0, "float64")
    loss = pb.losses.CrossEntropy()
    ctx = pb.Context(train=True, state=state)
    with pytest.raises(pb.errors.ConfigError, match=r"norm \(BatchNorm\).*GroupNorm or LayerNorm"):
        extend.quantities(COUPLED, loss, p, x, target, [name], ctx=ctx)
    ctx = pb.Context(state=state)
    assert name in extend.quantities(COUPLED, loss, p, x, target, [name], ctx=ctx)


def test_what_needs_no_single_example_works_with_batch_normalisation():
    x, target = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 1, 2, 0])
    p, state = pb.init(COUPLED, x, 0, "float64")
    found = extend.quantities(
        COUPLED, pb.losses.CrossEntropy(), p, x, target, ["gradient_norm", "lambda_max"],
        ctx=pb.Context(train=True, state=state),
    )  # fmt: skip
    assert found["gradient_norm"] > 0
