"""The learning rate of an optimiser, read and replaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.optim import (
    EMA,
    SGD,
    Adam,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Schedule,
    WarmUp,
    chain,
)
from pullback.optim.base import Optimizer
from pullback.optim.rates import highest_lr, rule_of, with_lr


def test_a_number_is_replaced_and_all_else_stays():
    assert with_lr(Adam(0.1, beta1=0.8), 0.2) == Adam(0.2, beta1=0.8)
    assert with_lr(chain(Adam(0.1), EMA(0.9)), 0.2) == chain(Adam(0.2), EMA(0.9))
    assert highest_lr(chain(Adam(0.1), EMA(0.9))) == 0.1
    assert rule_of(chain(EMA(0.9), SGD(0.3))) == SGD(0.3)


SCHEDULES = {
    "exponential": ExponentialDecay(0.2, factor=0.5, every=10),
    "cosine": CosineDecay(0.2, low=0.01, steps=100),
    "one cycle": OneCycle(0.2, steps=100),
    "warm-up": WarmUp(0.2, 5, CosineDecay(0.1, low=0.01, steps=90)),
    "warm-up alone": WarmUp(0.2, 5),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_keeps_its_form(schedule):
    scaled = with_lr(SGD(schedule), 0.6)
    assert highest_lr(scaled) == pytest.approx(3 * highest_lr(SGD(schedule)))
    for step in range(0, 120, 7):
        assert scaled.lr.value(step, {}) == pytest.approx(3 * schedule.value(step, {}))


def test_a_schedule_takes_the_place_of_what_was_there():
    assert with_lr(SGD(CosineDecay(0.2)), OneCycle(1.0)) == SGD(OneCycle(1.0))


class Without(Optimizer):
    pass


@dataclass(frozen=True)
class Odd(Schedule):
    def value(self, step: int, slots: dict[str, np.ndarray]) -> float:
        return 0.1


def test_what_has_no_learning_rate_is_refused():
    with pytest.raises(ConfigError, match="Without has no learning rate"):
        with_lr(Without(), 0.1)
    with pytest.raises(ConfigError, match="Odd has no highest learning rate"):
        highest_lr(SGD(Odd()))
