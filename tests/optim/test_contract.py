"""What every optimiser, transform and schedule keeps to, whatever its rule."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError
from pullback.extend import KFAC
from pullback.optim import (
    EMA,
    L1,
    L2,
    OPTIMIZERS,
    SCHEDULES,
    SGD,
    TRANSFORMS,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    ConstantLR,
    CosineDecay,
    DecoupledDecay,
    ExponentialDecay,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    OneCycle,
    OnPlateau,
    Optimizer,
    RMSprop,
    Segment,
    StepDecay,
    WarmUp,
    chain,
)

NAN, INF = math.nan, math.inf
LR = [{"lr": -0.1}, {"lr": NAN}, {"lr": INF}, {"lr": "fast"}, {"lr": None}, {"lr": True}]
MOMENTUM = [{"momentum": v} for v in (1, 1.0, -0.1, NAN, "x")]
BETAS = [{f"beta{i}": v} for i in (1, 2) for v in (1, 1.0, -0.1, NAN)]
EPS = [{"eps": v} for v in (-1e-8, NAN, "x")]
RHO = [{"rho": v} for v in (1, 1.0, -0.1, NAN)]
DECAY = [{"weight_decay": v} for v in (-0.1, NAN)]
LIMIT = [{"limit": v} for v in (-1.0, NAN, "x")]
STRENGTH = [{"strength": v} for v in (-1.0, NAN, "x")]
RATE = [{"lr": v} for v in (0, -0.1, NAN, INF, "x", True)]
EVERY = [{"every": v} for v in (0, -1, 0.0, 1.5, NAN, "x", True)]
STEPS = [{"steps": v} for v in (0, -1, 0.0, 1.5, NAN, "x", True)]
FACTOR = [{"factor": v} for v in (0, -0.1, NAN, INF)]


@dataclass(frozen=True)
class Row:
    """An instance that is good for the quadratic, and fields its class refuses."""

    good: Any
    bad: list[dict[str, Any]]


TABLE: dict[str, Row] = {
    "SGD": Row(SGD(0.1), LR),
    "GradientDescent": Row(GradientDescent(0.1), LR),
    "Momentum": Row(Momentum(0.03), LR + MOMENTUM),
    "Nesterov": Row(Nesterov(0.03), LR + MOMENTUM),
    "Adagrad": Row(Adagrad(0.3), LR + EPS),
    "Adadelta": Row(Adadelta(10.0), LR + RHO + EPS),
    "RMSprop": Row(RMSprop(0.02), LR + RHO + EPS),
    "Adam": Row(Adam(0.05), LR + BETAS + EPS),
    "AdamW": Row(AdamW(0.05), LR + BETAS + EPS + DECAY),
    "NAdam": Row(NAdam(0.05), LR + BETAS + EPS),
    "Lion": Row(Lion(0.01, weight_decay=0.1), LR + BETAS + DECAY),
    # Here it has no network to look at, so that all parameters are in no block and their curvature
    # is the damping alone; tests/extend/test_kfac.py has the same with blocks.
    "KFAC": Row(
        KFAC(0.03, damping=1.0, clip=None),
        LR
        + MOMENTUM
        + [{"damping": v} for v in (-1.0, INF, "x")]
        + [{"decay": v} for v in (1.0, -0.1, NAN)]
        + [{"clip": v} for v in (-1.0, NAN, "x")]
        + [{name: v} for name in ("factors_every", "inverses_every") for v in (0, 1.5, True)]
        + [{"sharing": "both"}, {"factors_every": 3}],
    ),
    "Chained": Row(
        chain(L2(0.001), ClipGlobalNorm(2.0), Adam(0.05), EMA(0.9)),
        [{"transforms": ()}, {"transforms": (L2(0.1),)}, {"transforms": (SGD(), Adam())}],
    ),
    "ClipValue": Row(ClipValue(1.0), LIMIT),
    "ClipNorm": Row(ClipNorm(1.0), LIMIT),
    "ClipGlobalNorm": Row(ClipGlobalNorm(1.0), LIMIT),
    "L1": Row(L1(0.01), STRENGTH),
    "L2": Row(L2(0.01), STRENGTH),
    "DecoupledDecay": Row(DecoupledDecay(0.01), STRENGTH),
    "EMA": Row(EMA(0.9), [{"decay": v} for v in (1, 1.0, -0.1, NAN)]),
    "ConstantLR": Row(ConstantLR(0.1), [{"lr": v} for v in (-0.1, NAN, INF, "x")]),
    "StepDecay": Row(StepDecay(0.1, every=10), RATE + EVERY + FACTOR),
    "ExponentialDecay": Row(ExponentialDecay(0.1, every=10), RATE + EVERY + FACTOR),
    "CosineDecay": Row(
        CosineDecay(0.1, steps=40), RATE + STEPS + [{"low": v} for v in (-0.1, NAN, "x")]
    ),
    "WarmUp": Row(
        WarmUp(0.1, 5, CosineDecay(0.1, steps=40)), RATE + STEPS + [{"then": 0.1}, {"then": SGD()}]
    ),
    "OneCycle": Row(
        OneCycle(0.1, steps=60),
        STEPS
        + [{"rise": v} for v in (0, 1, NAN, "x")]
        + [{name: v} for name in ("peak", "divide", "final_divide") for v in (0, -1.0, NAN, INF)],
    ),
    "OnPlateau": Row(
        OnPlateau(0.1),
        RATE
        + FACTOR
        + [{"factor": 1.0}, {"threshold": 1.0}]
        + [{name: v} for name in ("patience", "threshold") for v in (-1, NAN, "x")],
    ),
}

SEGMENTS = (
    Segment("a.W", 0, 6, True),
    Segment("a.b", 6, 8, False),
    Segment("b.W", 8, 12, True),
)
SIZE = 12
CURVATURE = np.geomspace(0.1, 10.0, SIZE)


def whole(name: str) -> Optimizer:
    """Return what ``name`` stands for as something that can make updates."""
    good = TABLE[name].good
    if name in OPTIMIZERS:
        return good
    if name in SCHEDULES:
        return Momentum(good, 0.5)
    return chain(Momentum(0.03), good) if name == "DecoupledDecay" else chain(good, Momentum(0.03))


ALL = pytest.mark.parametrize("name", TABLE)


class Run:
    """Updates of one optimiser on noisy gradients of the quadratic; observes now and then."""

    def __init__(self, name: str, dtype: str = "float64") -> None:
        self.rule = whole(name)
        self.theta = np.random.default_rng(1).normal(size=SIZE).astype(dtype)
        self.slots = self.rule.start(self.theta, SEGMENTS)
        self.step = 0

    def go(self, steps: int, noise: float = 0.1) -> Run:
        for _ in range(steps):
            rng = np.random.default_rng(self.step)
            gradient = CURVATURE * self.theta + noise * rng.normal(size=SIZE)
            gradient = gradient.astype(self.theta.dtype)
            self.rule.update(gradient, self.slots, self.theta, self.step)
            if self.step % 2 == 1:
                self.rule.observe(self.slots, float(rng.random()))
            self.step += 1
        return self


def test_the_table_covers_the_registries():
    known = [*OPTIMIZERS, *TRANSFORMS, *SCHEDULES]
    assert len(OPTIMIZERS) >= 12
    assert len(TRANSFORMS) >= 7
    assert len(SCHEDULES) >= 7
    assert sorted(TABLE) == sorted(known)
    for name, row in TABLE.items():
        assert type(row.good).__name__ == name
        assert row.bad


@ALL
def test_update_changes_theta_and_never_the_gradient(name):
    run = Run(name)
    gradient = CURVATURE * run.theta
    given, before = gradient.copy(), run.theta.copy()
    theta = run.theta
    used = run.rule.update(gradient, run.slots, theta, 0)
    np.testing.assert_array_equal(gradient, given)
    assert used > 0
    assert (theta != before).all()
    assert np.isfinite(theta).all()


@ALL
def test_the_gradient_may_be_read_only(name):
    run = Run(name)
    gradient = CURVATURE * run.theta
    gradient.flags.writeable = False
    run.rule.update(gradient, run.slots, run.theta, 0)


@ALL
def test_slots_are_arrays_with_names(name):
    slots = Run(name).slots
    assert all(isinstance(key, str) and type(value) is np.ndarray for key, value in slots.items())
    arrays = list(slots.values())
    for i, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[i + 1 :])


@ALL
def test_the_same_inputs_give_the_same_bits(name):
    first, second = Run(name).go(30), Run(name).go(30)
    assert first.theta.tobytes() == second.theta.tobytes()


@ALL
def test_what_is_not_scratch_is_enough_to_go_on(name):
    through = Run(name).go(40)
    half = Run(name).go(17)
    resumed = Run(name)
    resumed.theta[:] = half.theta
    resumed.step = half.step
    resumed.slots = resumed.rule.start(resumed.theta, SEGMENTS)
    for key, value in resumed.slots.items():
        if key.startswith("_"):
            if value.dtype.kind == "f":
                value.fill(np.nan)
        else:
            value[...] = half.slots[key]
    resumed.go(23)
    assert resumed.theta.tobytes() == through.theta.tobytes()
    for key, value in through.slots.items():
        if not key.startswith("_"):
            assert value.tobytes() == resumed.slots[key].tobytes(), key


@ALL
def test_float32_stays_float32_and_close_to_float64(name):
    single, double = Run(name, "float32").go(10), Run(name, "float64").go(10)
    assert single.theta.dtype == np.float32
    for value in single.slots.values():
        if value.shape == (SIZE,):
            assert value.dtype == np.float32
    np.testing.assert_allclose(single.theta, double.theta, rtol=2e-4, atol=2e-4)


@ALL
def test_configuration_round_trip(name):
    for value in (TABLE[name].good, whole(name)):
        back = from_config(to_config(value))
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize(
    ("name", "bad"), [(name, bad) for name, row in TABLE.items() for bad in row.bad], ids=str
)
def test_wrong_values_are_refused(name, bad):
    good = TABLE[name].good
    with pytest.raises(ConfigError) as caught:
        replace(good, **bad)
    assert "\n" not in str(caught.value)
    assert name == "Chained" or (name in str(caught.value) and next(iter(bad)) in str(caught.value))


@ALL
def test_a_convex_quadratic_decreases(name):
    run = Run(name)
    before = float(CURVATURE @ run.theta**2)
    run.go(60, noise=0.0)
    assert float(CURVATURE @ run.theta**2) < 0.1 * before


@ALL
def test_an_update_allocates_nothing_large(name):
    size = 1_000_000
    rule = whole(name)
    theta = np.ones(size, np.float32)
    gradient = np.full(size, 0.1, np.float32)
    segments = (Segment("W", 0, size - 10, True), Segment("b", size - 10, size, False))
    slots = rule.start(theta, segments)
    for step in range(2):
        rule.update(gradient, slots, theta, step)
    tracemalloc.start()
    try:
        rule.update(gradient, slots, theta, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024
