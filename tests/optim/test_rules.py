"""Rules and transforms against their formulas, written out."""

from __future__ import annotations

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.optim import (
    EMA,
    L1,
    L2,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    DecoupledDecay,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RMSprop,
    Segment,
    StepDecay,
    chain,
)

SEGMENTS = (
    Segment("a.W", 0, 4, True),
    Segment("a.b", 4, 6, False),
    Segment("b.W", 6, 9, True),
)
SIZE = 9
WEIGHTS = np.array([1, 1, 1, 1, 0, 0, 1, 1, 1], bool)


def start() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SIZE)


def gradient(step: int) -> np.ndarray:
    return np.random.default_rng(100 + step).normal(size=SIZE)


def run(rule: Optimizer, steps: int) -> np.ndarray:
    theta = start()
    slots = rule.start(theta, SEGMENTS)
    for step in range(steps):
        rule.update(gradient(step), slots, theta, step)
    return theta


def one_step(rule: Optimizer, g: np.ndarray) -> np.ndarray:
    """Return the step taken from zero slots, ``theta`` before less ``theta`` after."""
    theta = start()
    rule.update(g, rule.start(theta, SEGMENTS), theta, 0)
    return start() - theta


@pytest.mark.parametrize("rule", [SGD(0.1), GradientDescent(0.1)], ids=lambda r: type(r).__name__)
def test_descent(rule):
    expected = start() - 0.1 * sum(gradient(step) for step in range(5))
    np.testing.assert_allclose(run(rule, 5), expected, rtol=1e-13)


def test_only_gradient_descent_means_all_examples():
    assert GradientDescent().full_batch
    assert chain(ClipValue(1.0), GradientDescent()).full_batch
    assert not SGD().full_batch
    assert not chain(SGD(), EMA()).full_batch


def test_momentum_of_a_constant_gradient():
    g = gradient(0)
    theta, rule = start(), Momentum(0.1, 0.5)
    slots = rule.start(theta, SEGMENTS)
    for step in range(3):
        rule.update(g, slots, theta, step)
    np.testing.assert_allclose(start() - theta, 0.1 * (1 + 1.5 + 1.75) * g, rtol=1e-12)


def test_nesterov_looks_ahead():
    np.testing.assert_allclose(one_step(Nesterov(0.1, 0.5), gradient(0)), 0.15 * gradient(0))


def adagrad(g, t, s):
    s["s"] = s["s"] + g**2
    return 0.02 * g / (np.sqrt(s["s"]) + 1e-3)


def adadelta(g, t, s):
    s["s"] = 0.8 * s["s"] + 0.2 * g**2
    d = np.sqrt((s["r"] + 1e-3) / (s["s"] + 1e-3)) * g
    s["r"] = 0.8 * s["r"] + 0.2 * d**2
    return 2.0 * d


def rmsprop(g, t, s):
    s["s"] = 0.8 * s["s"] + 0.2 * g**2
    return 0.02 * g / (np.sqrt(s["s"]) + 1e-3)


def adam(g, t, s):
    s["r"] = 0.8 * s["r"] + 0.2 * g
    s["s"] = 0.95 * s["s"] + 0.05 * g**2
    root = np.sqrt(s["s"] / (1 - 0.95**t)) + 1e-3
    return 0.02 * s["r"] / (1 - 0.8**t) / root


def nadam(g, t, s):
    s["r"] = 0.8 * s["r"] + 0.2 * g
    s["s"] = 0.95 * s["s"] + 0.05 * g**2
    mu = [0.8 * (1 - 0.5 * 0.96 ** (0.1 * i)) for i in range(1, t + 2)]
    ahead = mu[-1] * s["r"] / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return 0.02 * ahead / (np.sqrt(s["s"] / (1 - 0.95**t)) + 1e-3)


ADAPTIVE = {
    "Adagrad": (Adagrad(0.02, 1e-3), adagrad),
    "Adadelta": (Adadelta(2.0, 0.8, 1e-3), adadelta),
    "RMSprop": (RMSprop(0.02, 0.8, 1e-3), rmsprop),
    "Adam": (Adam(0.02, 0.8, 0.95, 1e-3), adam),
    "NAdam": (NAdam(0.02, 0.8, 0.95, 1e-3, 0.1), nadam),
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_rules_are_their_formulas(name):
    rule, formula = ADAPTIVE[name]
    theta, state = start(), {"s": np.zeros(SIZE), "r": np.zeros(SIZE)}
    for step in range(50):
        theta = theta - formula(gradient(step), step + 1, state)
    np.testing.assert_allclose(run(rule, 50), theta, rtol=1e-9)


def test_adams_first_step_is_the_learning_rate():
    step = one_step(Adam(0.01, eps=0.0), gradient(0))
    np.testing.assert_allclose(step, 0.01 * np.sign(gradient(0)), rtol=1e-10)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_lion_is_the_published_algorithm(weight_decay):
    beta1, beta2, lr = 0.9, 0.99, 0.01
    theta, m = start(), np.zeros(SIZE)
    for step in range(100):
        g = gradient(step)
        c = beta1 * m + (1 - beta1) * g
        decay = weight_decay * np.where(WEIGHTS, theta, 0.0)
        theta = theta - lr * (np.sign(c) + decay)
        m = beta2 * m + (1 - beta2) * g
    found = run(Lion(lr, beta1, beta2, weight_decay), 100)
    np.testing.assert_allclose(found, theta, rtol=1e-10)


DECAYING = {
    "AdamW": (AdamW(0.1, weight_decay=0.5), 0.05),
    "Lion": (Lion(0.1, weight_decay=0.5), 0.05),
    "DecoupledDecay": (chain(SGD(0.1), DecoupledDecay(0.5)), 0.05),
    "L2": (chain(L2(0.5), SGD(0.1)), 0.05),
}


@pytest.mark.parametrize("name", DECAYING)
def test_decay_is_for_weights_only(name):
    rule, share = DECAYING[name]
    step = one_step(rule, np.zeros(SIZE))
    np.testing.assert_allclose(step, np.where(WEIGHTS, share * start(), 0.0), rtol=1e-12)


def test_l1_pulls_weights_by_their_sign():
    step = one_step(chain(L1(0.5), SGD(0.1)), np.zeros(SIZE))
    np.testing.assert_allclose(step, np.where(WEIGHTS, 0.05 * np.sign(start()), 0.0), rtol=1e-9)


def test_decoupled_decay_does_not_pass_through_the_moments():
    beside = run(chain(Adam(0.01), DecoupledDecay(0.5)), 20)
    np.testing.assert_allclose(beside, run(AdamW(0.01, weight_decay=0.5), 20), rtol=1e-12)
    assert np.abs(beside - run(chain(L2(0.5), Adam(0.01)), 20)).max() > 1e-3


def test_decay_follows_the_schedule():
    rule = chain(SGD(StepDecay(0.1, 0.5, every=1)), DecoupledDecay(0.5))
    theta = start()
    slots = rule.start(theta, SEGMENTS)
    for step in range(2):
        rule.update(np.zeros(SIZE), slots, theta, step)
    np.testing.assert_allclose(theta[WEIGHTS], start()[WEIGHTS] * (1 - 0.05) * (1 - 0.025))


def test_clip_norm_clips_each_parameter_by_itself():
    g = np.array([3.0, 4.0, 0.0, 0.0, 0.1, 0.1, 0.0, 30.0, 40.0])
    step = one_step(chain(ClipNorm(1.0), SGD(1.0)), g)
    expected = [0.6, 0.8, 0.0, 0.0, 0.1, 0.1, 0.0, 0.6, 0.8]
    np.testing.assert_allclose(step, expected, atol=1e-15)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clip_global_norm(limit):
    g = gradient(0)
    step = one_step(chain(ClipGlobalNorm(limit), SGD(1.0)), g)
    np.testing.assert_allclose(np.linalg.norm(step), min(limit, np.linalg.norm(g)), rtol=1e-12)
    np.testing.assert_allclose(step / np.linalg.norm(step), g / np.linalg.norm(g), rtol=1e-11)


def test_clip_value():
    step = one_step(chain(ClipValue(0.3), SGD(1.0)), gradient(0))
    np.testing.assert_allclose(step, np.clip(gradient(0), -0.3, 0.3), rtol=1e-12)


def test_the_order_of_a_chain_matters():
    g = 10 * gradient(0)
    before = one_step(chain(ClipValue(0.3), SGD(0.1)), g)
    after = one_step(chain(SGD(0.1), ClipValue(0.3)), g)
    np.testing.assert_allclose(before, 0.1 * np.clip(g, -0.3, 0.3), rtol=1e-12)
    np.testing.assert_allclose(after, np.clip(0.1 * g, -0.3, 0.3), rtol=1e-12)


def test_average_of_a_path():
    rule = chain(SGD(0.1), EMA(0.5))
    theta = start()
    slots = rule.start(theta, SEGMENTS)
    average = start()
    for step in range(20):
        rule.update(gradient(step), slots, theta, step)
        decay = min(0.5, (2 + step) / (11 + step))
        average = decay * average + (1 - decay) * theta
        np.testing.assert_allclose(rule.averaged(slots), average, rtol=1e-12)


def test_only_an_average_gives_averaged_parameters():
    for rule in (SGD(), chain(ClipValue(1.0), Adam())):
        assert rule.averaged(rule.start(start(), SEGMENTS)) is None


def test_the_average_does_not_change_the_training():
    np.testing.assert_array_equal(run(chain(Adam(), EMA()), 10), run(Adam(), 10))


@pytest.mark.parametrize("transforms", [(), (ClipValue(1.0),), (SGD(), Adam())], ids=str)
def test_a_chain_has_exactly_one_rule(transforms):
    with pytest.raises(ConfigError, match="exactly one rule"):
        chain(*transforms)


def test_transforms_of_the_same_kind_keep_their_own_slots():
    rule = chain(SGD(0.1), EMA(0.1), EMA(0.9))
    slots = rule.start(start(), SEGMENTS)
    theta = start()
    for step in range(30):
        rule.update(gradient(step), slots, theta, step)
    averages = [value for name, value in slots.items() if name.endswith("average")]
    assert len(averages) == 2
    assert np.abs(averages[0] - averages[1]).max() > 1e-3
