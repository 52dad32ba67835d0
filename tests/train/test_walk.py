"""A walk through one step: every number is what the library computes, and what a hand computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from contract_cases import all_cases, setting
from walks import LOSS, OPTIMIZER, one_two_one, section_of, value, walked_digit

import pullback as pb
from pullback.core.theta import Theta
from pullback.losses import LOSSES
from pullback.maps import Chain, Shared
from pullback.optim import OPTIMIZERS, TRANSFORMS, Segment
from pullback.optim.base import Chained


@pytest.fixture(scope="module")
def on_a_digit(data_dir):
    return walked_digit(data_dir)


def test_the_textbooks_network_by_hand():
    """1-2-1, sigmoid, half squared error, gradient descent: worked in plain Python."""
    net, p, x, t = one_two_one()
    walk = pb.walk(net, LOSS, p, x, t, optimizer=pb.optim.SGD(0.5))

    def s(z):
        return 1 / (1 + math.exp(-z))

    h1, h2 = s(0.5 * 1 + 0.1), s(-0.5 * 1 + 0.2)
    y = s(1.0 * h1 - 1.0 * h2 + 0.3)
    delta = (y - 0) * y * (1 - y)
    delta1, delta2 = 1.0 * delta * h1 * (1 - h1), -1.0 * delta * h2 * (1 - h2)
    expected = {
        ("forward", "h", "y"): [[h1, h2]],
        ("forward", "y", "y"): [[y]],
        ("error", "", "L"): 0.5 * y * y,
        ("backward", "y", "gx"): [[delta]],
        ("backward", "out", "gW"): [[delta * h1], [delta * h2]],
        ("backward", "out", "gb"): [delta],
        ("backward", "h", "gx"): [[delta1, delta2]],
        ("backward", "hidden", "gW"): [[delta1, delta2]],
        ("update", "hidden.W", "θ after"): [[0.5 - 0.5 * delta1, -0.5 - 0.5 * delta2]],
        ("update", "out.W", "θ after"): [[1 - 0.5 * delta * h1], [-1 - 0.5 * delta * h2]],
        ("update", "out.b", "θ after"): [0.3 - 0.5 * delta],
    }
    for (kind, path, name), right in expected.items():
        np.testing.assert_allclose(value(walk, kind, path, name), right, rtol=1e-14)


def test_sections_come_in_the_order_of_the_step():
    net, p, x, t = one_two_one()
    kept = p.flat.copy()
    walk = pb.walk(net, LOSS, p, x, t, optimizer=pb.optim.Momentum(0.5))
    there, back = ["hidden", "h", "out", "y"], ["y", "out", "h", "hidden"]
    assert [s.path for s in walk.of("forward")] == there
    assert [s.path for s in walk.of("backward")] == back
    assert [s.path for s in walk.of("update")] == ["hidden.W", "hidden.b", "out.W", "out.b"]
    np.testing.assert_array_equal(p.flat, kept)
    assert not pb.walk(net, LOSS, p, x, t).of("update")


def test_every_number_on_a_digit_is_what_the_library_computes(on_a_digit):
    walk, (net, p, x, t) = on_a_digit
    loss, ctx = pb.losses.CrossEntropy(), pb.Context(train=True)
    h, residuals = x, []
    for name, child in net.children().items():
        y, res = child.forward(p.get(name, {}), h, ctx)
        np.testing.assert_array_equal(value(walk, "forward", name, "x"), h)
        np.testing.assert_array_equal(value(walk, "forward", name, "y"), y)
        residuals.append(res)
        h = y
    values, slope = loss.forward(h, t)
    np.testing.assert_array_equal(value(walk, "error", "", "ℓ"), values)
    np.testing.assert_array_equal(value(walk, "error", "", "slope"), slope)
    mean, gradient = pb.value_and_grad(net, loss)(p, x, t, ctx)
    assert value(walk, "error", "", "L") == np.float32(mean)
    gy = loss.pullback(slope, np.ones(1, np.float32))
    for (name, child), res in reversed(list(zip(net.children().items(), residuals, strict=True))):
        np.testing.assert_array_equal(value(walk, "backward", name, "gy"), gy)
        gy, delta = child.pullback(p.get(name, {}), res, gy)
        np.testing.assert_array_equal(value(walk, "backward", name, "gx"), gy)
        for key, contraction in child.grads(p.get(name, {}), res, delta).items():
            np.testing.assert_array_equal(
                value(walk, "backward", name, f"g{key}"), contraction.sum()
            )
    assert_updates_are_the_optimisers(walk, p, gradient)
    m, v = 0.1 * gradient.flat, 0.001 * gradient.flat**2
    decay = np.concatenate(
        [np.full(e.stop - e.start, e.decay, np.float64) for e in p.layout.entries]
    )
    after = p.flat - 0.01 * (m / 0.1) / (np.sqrt(v / 0.001) + 1e-8) - 0.01 * 0.1 * decay * p.flat
    after = Theta(p.layout, after)
    for name in ("1", "3", "5"):
        for key in ("W", "b"):
            found = value(walk, "update", f"{name}.{key}", "θ after")
            np.testing.assert_allclose(found, after[name][key], atol=2e-6)


def assert_updates_are_the_optimisers(walk, p, gradient):
    segments = tuple(Segment(e.name, e.start, e.stop, e.decay) for e in p.layout.entries)
    after = p.copy()
    lr = OPTIMIZER.update(gradient.flat, OPTIMIZER.start(after.flat, segments), after.flat, 0)
    for name in ("1", "3", "5"):
        for key in ("W", "b"):
            found = {v.name: v.array for v in section_of(walk, "update", f"{name}.{key}").values}
            assert found["η"] == lr == 0.01
            np.testing.assert_array_equal(found["θ"], p[name][key])
            np.testing.assert_array_equal(found["g"], gradient[name][key])
            np.testing.assert_array_equal(found["step"], p[name][key] - after[name][key])
            np.testing.assert_array_equal(found["θ after"], after[name][key])


def test_sums_add_up_to_their_entries(on_a_digit):
    for walk in (on_a_digit[0], pb.walk(*batch_of_seven())):
        sums = [(section, entry) for section in walk.of("backward") for entry in section.sums]
        assert len(sums) >= 10
        for section, entry in sums:
            (whole,) = [v.array for v in section.values if v.name == entry.name]
            assert whole[entry.place] == entry.total
            total = sum(math.prod(number for *_, number in term) for term in entry.terms)
            if entry.count == len(entry.terms):
                assert total == pytest.approx(entry.total, rel=1e-5)
            else:
                assert entry.count == 7 > len(entry.terms)


def batch_of_seven():
    rng = np.random.default_rng(1)
    net, x = pb.Chain(pb.Linear(3), pb.Tanh(), pb.Linear(2)), rng.standard_normal((7, 4))
    p, _ = pb.init(net, x, dtype="float64")
    return net, pb.losses.CrossEntropy(), p, x, rng.integers(0, 2, 7)


def test_whatever_is_registered_says_what_it_does():
    for name, cls in pb.MAPS.items():
        assert len(cls.formulas) == 2 or cls in (Chain, Shared), name
    for name, cls in LOSSES.items():
        assert len(cls.formulas) == 2, name
    for name, cls in (*OPTIMIZERS.items(), *TRANSFORMS.items()):
        assert cls.formula or cls is Chained, name


CASES = all_cases()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_map_can_be_walked(case):
    s = setting(case)
    y, _ = s.net.forward(s.p, s.x, s.ctx)
    optimizer = pb.optim.Lion(0.1)
    walk = pb.walk(s.net, LOSS, s.p, s.x, np.zeros_like(y), optimizer=optimizer, ctx=s.ctx)
    assert str(walk)
    assert len(walk.of("forward")) == len(walk.of("backward"))
    _, gradient = pb.value_and_grad(s.net, LOSS)(s.p, s.x, np.zeros_like(y), s.ctx)
    for entry in s.p.layout.entries:
        if not entry.alias:
            place = slice(entry.start, entry.stop)
            found = value(walk, "update", entry.name, "g").reshape(-1)
            np.testing.assert_array_equal(found, gradient.flat[place])


def test_a_residual_and_lifted_map_are_shown():
    square = pb.lift(lambda x: (x * x, x), lambda x, gy: 2 * x * gy, name="Square")
    net = pb.Chain(pb.Residual(pb.Chain(pb.Linear(2), square)))
    x = np.array([[1.0, 2.0]])
    p, _ = pb.init(net, x, dtype="float64")
    text = str(pb.walk(net, LOSS, p, x, np.zeros((1, 2))))
    assert "1 forward: 0 (Residual)\n    y = x + f(x)" in text
    assert "1 forward: 0.body.1 (Square)\n    a function of its own" in text
