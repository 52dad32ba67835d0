"""Lowered updates against the rules they stand for, number by number."""

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.engine import lower_optimizer
from pullback.engine.updates import FORMS, LoweredChain, LoweredRule
from pullback.optim import (
    EMA,
    L2,
    SGD,
    Adam,
    AdamW,
    ClipGlobalNorm,
    ClipValue,
    CosineDecay,
    DecoupledDecay,
    GradientDescent,
    Lion,
    Momentum,
    Nesterov,
    OnPlateau,
    RMSprop,
    Segment,
    chain,
)

ULPS = {"float64": 1e-15, "float32": 1e-6}
SEGMENTS = (
    Segment("a", 0, 700, True), Segment("b", 700, 703, False), Segment("c", 703, 21_000, True),
    Segment("d", 21_000, 21_007, False),
)  # fmt: skip
SIZE = SEGMENTS[-1].stop
RULES = [
    SGD(0.1), GradientDescent(0.1), SGD(CosineDecay(0.1, steps=20)), Momentum(0.1, momentum=0.8),
    Nesterov(0.1, momentum=0.8), Adam(0.01, beta1=0.8, beta2=0.95, eps=1e-3),
    AdamW(0.01, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.3), AdamW(0.01, weight_decay=0.0),
    SGD(OnPlateau(0.1)),
]  # fmt: skip
CHAINS = [
    chain(ClipGlobalNorm(0.5), AdamW(0.01), EMA(0.9)), chain(Momentum(0.1)),
    chain(L2(0.1), ClipValue(0.3), Nesterov(0.1)), chain(SGD(0.1), EMA(0.9)),
]  # fmt: skip


def test_every_kind_of_rule_with_a_kernel_is_tried():
    assert {type(rule) for rule in RULES} == set(FORMS)


@pytest.mark.parametrize("dtype", ULPS)
@pytest.mark.parametrize("optimizer", [*RULES, *CHAINS], ids=repr)
def test_twenty_updates(optimizer, dtype, rng):
    fast = lower_optimizer(optimizer, dtype)
    assert isinstance(fast, LoweredRule | LoweredChain)
    theta = rng.standard_normal(SIZE).astype(dtype)
    mine = theta.copy()
    slots, own = optimizer.start(theta, SEGMENTS), fast.start(mine, SEGMENTS)
    for step in range(20):
        g = rng.standard_normal(SIZE).astype(dtype)
        kept = g.copy()
        rate = optimizer.update(g, slots, theta, step)
        assert fast.update(g, own, mine, step) == rate == fast.lr_at(step, own)
        np.testing.assert_array_equal(g, kept)
        optimizer.observe(slots, 1.0), fast.observe(own, 1.0)
    scale = np.abs(theta).max()
    assert np.abs(mine - theta).max() <= 20 * ULPS[dtype] * scale
    average, right = fast.averaged(own), optimizer.averaged(slots)
    assert (average is None) == (right is None)
    assert average is None or np.abs(average - right).max() <= 20 * ULPS[dtype] * scale


@pytest.mark.parametrize("optimizer", [*RULES, *CHAINS], ids=repr)
def test_what_is_saved_has_the_same_names_and_values(optimizer, rng):
    """So that a checkpoint of one can go on with the other."""
    theta, g = rng.standard_normal((2, SIZE))
    fast = lower_optimizer(optimizer, "float64")
    slots, own = optimizer.start(theta, SEGMENTS), fast.start(theta, SEGMENTS)
    optimizer.update(g, slots, theta.copy(), 0), fast.update(g, own, theta.copy(), 0)
    saved = {name: value for name, value in own.items() if not name.startswith("_")}
    assert saved.keys() == {name for name in slots if not name.startswith("_")}
    for name, value in saved.items():
        np.testing.assert_allclose(value, slots[name], rtol=1e-14)


OTHERS = [
    RMSprop(0.01), Lion(0.01), chain(SGD(0.1), DecoupledDecay(0.1)), chain(L2(0.1), RMSprop(0.1)),
    chain(EMA(0.9), Adam(0.01), ClipValue(0.1)),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OTHERS, ids=repr)
def test_what_has_no_kernel_stays_as_it_is(optimizer):
    assert lower_optimizer(optimizer, "float64") is optimizer


def test_other_types_and_subclasses_stay_as_they_are():
    class Mine(SGD):
        """A rule of a user's own."""

    assert lower_optimizer(SGD(0.1), "float16") == SGD(0.1)
    assert type(lower_optimizer(Mine(0.1), "float64")) is Mine


def test_the_learning_rate_is_still_checked():
    with pytest.raises(ConfigError, match="lr"):
        lower_optimizer(SGD(-1.0), "float64")
