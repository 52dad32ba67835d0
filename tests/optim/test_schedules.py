"""Schedules: their values, their lengths, and how an optimiser follows them."""

from __future__ import annotations

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.optim import (
    EMA,
    SGD,
    ClipNorm,
    ConstantLR,
    CosineDecay,
    ExponentialDecay,
    Momentum,
    OneCycle,
    OnPlateau,
    Segment,
    StepDecay,
    WarmUp,
    chain,
)

SEGMENTS = (Segment("W", 0, 2, True),)

FORMS = {
    "constant": (ConstantLR(0.1), {0: 0.1, 1: 0.1, 10**9: 0.1}),
    "steps": (
        StepDecay(0.8, 0.5, every=3),
        {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2, 30: 0.8 / 2**10},
    ),
    "exponential": (
        ExponentialDecay(0.8, 0.25, every=4),
        {0: 0.8, 2: 0.4, 4: 0.2, 8: 0.05, 1: 0.8 * 0.25**0.25},
    ),
    "cosine": (
        CosineDecay(1.0, 0.2, steps=100),
        {0: 1.0, 25: 0.6 + 0.4 * 0.5**0.5, 50: 0.6, 100: 0.2, 101: 0.2, 1000: 0.2},
    ),
    "warm-up": (WarmUp(0.4, 4), {0: 0.1, 1: 0.2, 3: 0.4, 4: 0.4, 1000: 0.4}),
    "warm-up, then": (
        WarmUp(0.4, 4, CosineDecay(0.4, steps=10)),
        {0: 0.1, 3: 0.4, 4: 0.4, 9: 0.2, 14: 0.0, 50: 0.0},
    ),
    "warm-up of a warm-up": (
        WarmUp(0.1, 2, WarmUp(0.4, 2, StepDecay(0.4, 0.5, every=1))),
        {0: 0.05, 1: 0.1, 2: 0.2, 3: 0.4, 4: 0.4, 5: 0.2},
    ),
    "one cycle": (
        OneCycle(1.0, rise=0.5, divide=10.0, final_divide=10.0, steps=10),
        {0: 0.1, 2: 0.55, 4: 1.0, 9: 0.01, 20: 0.01},
    ),
    "on plateau": (OnPlateau(0.3), {0: 0.3, 1000: 0.3}),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_rate_of_any_step_can_be_read(name):
    schedule, expected = FORMS[name]
    rule = SGD(schedule)
    slots = rule.start(np.zeros(2), SEGMENTS)
    for step in sorted(expected, reverse=True):  # in any order: nothing depends on history
        assert rule.lr_at(step, slots) == pytest.approx(expected[step], rel=1e-12, abs=1e-15), step


@pytest.mark.parametrize("name", FORMS)
def test_the_update_uses_and_returns_that_rate(name):
    schedule, _ = FORMS[name]
    rule = chain(ClipNorm(1e9), SGD(schedule), EMA())
    theta = np.zeros(2)
    slots = rule.start(theta, SEGMENTS)
    for step in range(12):
        before = theta.copy()
        used = rule.update(np.array([1.0, -2.0]), slots, theta, step)
        assert used == rule.lr_at(step, slots) == schedule.value(step, schedule.init())
        np.testing.assert_allclose(before - theta, [used, -2 * used], atol=1e-15)


def test_a_number_is_a_constant_schedule():
    assert SGD(0.25).schedule() == ConstantLR(0.25)
    slots = SGD(0.25).start(np.zeros(2), SEGMENTS)
    assert SGD(0.25).lr_at(1234, slots) == 0.25


BINDS = [
    (StepDecay(0.1), StepDecay(0.1, every=34)),  # a third, rounded up
    (StepDecay(0.1, every=7), StepDecay(0.1, every=7)),
    (StepDecay(0.1, every=0.25), StepDecay(0.1, every=25)),
    (ExponentialDecay(0.1), ExponentialDecay(0.1, every=20)),  # an epoch
    (CosineDecay(0.1), CosineDecay(0.1, steps=100)),
    (CosineDecay(0.1, steps=0.5), CosineDecay(0.1, steps=50)),
    (CosineDecay(0.1, steps=0.001), CosineDecay(0.1, steps=1)),  # at least one
    (CosineDecay(0.1, steps=1.0), CosineDecay(0.1, steps=100)),
    (CosineDecay(0.1, steps=1), CosineDecay(0.1, steps=1)),
    (OneCycle(0.1), OneCycle(0.1, steps=100)),
    (WarmUp(0.1), WarmUp(0.1, steps=5)),
    (
        WarmUp(0.1, 0.1, CosineDecay(0.1)),
        WarmUp(0.1, 10, CosineDecay(0.1, steps=90)),  # what is left
    ),
    (OnPlateau(0.1), OnPlateau(0.1)),
    (ConstantLR(0.1), ConstantLR(0.1)),
]


@pytest.mark.parametrize(("given", "expected"), BINDS, ids=str)
def test_bind_fills_in_lengths(given, expected):
    assert given.bind(100, 20) == expected
    assert Momentum(given).bind(100, 20) == Momentum(expected)
    assert chain(SGD(given), EMA()).bind(100, 20) == chain(SGD(expected), EMA())


def test_a_length_that_is_not_known_is_an_error():
    for schedule in (StepDecay(0.1), ExponentialDecay(0.1), CosineDecay(0.1), OneCycle(0.1)):
        with pytest.raises(ConfigError, match="length in steps is not known"):
            schedule.value(0, {})
    with pytest.raises(ConfigError, match="length in steps is not known"):
        CosineDecay(0.1, steps=0.5).value(0, {})


def test_a_bound_run_ends_where_it_should():
    cosine = CosineDecay(0.1).bind(50, 10)
    assert cosine.value(50, {}) == pytest.approx(0.0, abs=1e-15)
    cycle = OneCycle(0.1).bind(50, 10)
    assert cycle.value(49, {}) == pytest.approx(0.1 / 25 / 1e4)
    assert max(cycle.value(step, {}) for step in range(50)) == pytest.approx(0.1)


@pytest.mark.parametrize("total", [1, 2, 3, 4])
def test_short_runs_have_rates_too(total):
    for schedule in (
        StepDecay(0.1),
        ExponentialDecay(0.1),
        CosineDecay(0.1),
        OneCycle(0.1),
        WarmUp(0.1, None, CosineDecay(0.1)),
    ):
        bound = schedule.bind(total, 1)
        for step in range(total):
            assert 0 <= bound.value(step, {}) <= 0.1 * (1 + 1e-12)


def observed(rule, losses, slots=None):
    slots = rule.start(np.zeros(2), SEGMENTS) if slots is None else slots
    rates = []
    for loss in losses:
        rule.observe(slots, loss)
        rates.append(rule.lr_at(0, slots))
    return rates


def test_on_plateau_lowers_after_more_than_patience_epochs():
    rule = SGD(OnPlateau(1.0, 0.5, patience=1))
    rates = observed(rule, [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_on_plateau_needs_more_than_the_threshold():
    rule = SGD(OnPlateau(1.0, 0.5, patience=0, threshold=0.1))
    assert observed(rule, [1.0, 0.95, 0.85]) == [1.0, 0.5, 0.5]


def test_on_plateau_takes_a_nan_for_no_better():
    rule = SGD(OnPlateau(1.0, 0.5, patience=0))
    assert observed(rule, [1.0, float("nan"), 0.5]) == [1.0, 0.5, 0.5]


def test_on_plateau_inside_a_warm_up_inside_a_chain():
    rule = chain(ClipNorm(1.0), SGD(WarmUp(0.1, 2, OnPlateau(0.4, 0.5, patience=0))), EMA())
    slots = rule.start(np.zeros(2), SEGMENTS)
    observed(rule, [1.0, 1.0], slots)
    assert [rule.lr_at(step, slots) for step in range(4)] == [0.05, 0.1, 0.2, 0.2]


def test_what_on_plateau_keeps_is_saved():
    slots = SGD(OnPlateau(0.1)).start(np.zeros(2), SEGMENTS)
    kept = [name for name in slots if not name.startswith("_")]
    assert sorted(kept) == ["lr.bad", "lr.best", "lr.scale"]


def test_other_schedules_do_not_mind_observing():
    rule = SGD(CosineDecay(0.1, steps=10))
    slots = rule.start(np.zeros(2), SEGMENTS)
    rule.observe(slots, 1.0)
    assert rule.lr_at(5, slots) == pytest.approx(0.05)
