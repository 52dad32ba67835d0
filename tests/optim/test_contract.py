"""What every optimiser, transform and schedule keeps to, whatever its rule."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from optim_cases import CURVATURE, SEGMENTS, SIZE, TABLE, whole

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError
from pullback.optim import (
    OPTIMIZERS,
    SCHEDULES,
    TRANSFORMS,
    Segment,
)

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
