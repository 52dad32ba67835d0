"""Rules, schedules, clipping and averaging against PyTorch's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from pullback.extend import KFAC
from pullback.optim import (
    EMA,
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
    ClipValue,
    CosineDecay,
    ExponentialDecay,
    Momentum,
    NAdam,
    Nesterov,
    OneCycle,
    OnPlateau,
    RMSprop,
    Segment,
    StepDecay,
    WarmUp,
    chain,
)

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)

SIZE = 24
STEPS = 100
SEGMENTS = (Segment("W", 0, SIZE, True),)
TOLERANCE = 1e-6
SCALE = np.geomspace(0.03, 30.0, SIZE)


def start() -> np.ndarray:
    return np.random.default_rng(7).normal(size=SIZE)


def gradient(theta: np.ndarray, step: int) -> np.ndarray:
    """Of an ill-conditioned function with curved valleys, with noise of its own each step."""
    rng = np.random.default_rng(1000 + step)
    coupled = 0.3 * np.sin(theta) * np.cos(np.roll(theta, 1))
    smooth = SCALE * theta / np.sqrt(1 + theta**2) + coupled
    return smooth + rng.normal(size=SIZE) * (0.1 + 0.1 * np.abs(smooth))


def ours(rule) -> list[np.ndarray]:
    theta = start()
    slots = rule.start(theta, SEGMENTS)
    path = []
    for step in range(STEPS):
        rule.update(gradient(theta, step), slots, theta, step)
        path.append(theta.copy())
    return path


def theirs(make, clip=None) -> list[np.ndarray]:
    parameter = torch.nn.Parameter(torch.tensor(start(), dtype=torch.float64))
    rule = make([parameter])
    path = []
    for step in range(STEPS):
        parameter.grad = torch.from_numpy(gradient(parameter.detach().numpy(), step))
        if clip is not None:
            clip([parameter])
        rule.step()
        path.append(parameter.detach().numpy().copy())
    return path


def assert_same_path(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert np.abs(expected[-1] - start()).max() > 1e-3
    for step, (a, b) in enumerate(zip(found, expected, strict=True)):
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert error < TOLERANCE, f"step {step}: {error:.1e}"


RULES = {
    "SGD": (SGD(0.01), lambda p: torch.optim.SGD(p, lr=0.01)),
    "Momentum": (Momentum(0.003), lambda p: torch.optim.SGD(p, lr=0.003, momentum=0.9)),
    "Nesterov": (
        Nesterov(0.003),
        lambda p: torch.optim.SGD(p, lr=0.003, momentum=0.9, nesterov=True),
    ),
    "Adagrad": (Adagrad(), lambda p: torch.optim.Adagrad(p)),
    "Adadelta": (Adadelta(), lambda p: torch.optim.Adadelta(p)),
    "RMSprop": (RMSprop(), lambda p: torch.optim.RMSprop(p)),
    "Adam": (Adam(), lambda p: torch.optim.Adam(p)),
    "AdamW": (AdamW(), lambda p: torch.optim.AdamW(p)),
    "NAdam": (NAdam(), lambda p: torch.optim.NAdam(p)),
}
"""Those without arguments show that the defaults are the same as well."""
WITHOUT = {"GradientDescent", "Lion", "Chained", KFAC.__name__}
"""Compared with their formulas in test_rules.py, and K-FAC in tests/extend."""


def test_the_table_says_of_every_rule_whether_torch_has_it():
    assert set(RULES) | WITHOUT == set(OPTIMIZERS)
    assert not set(RULES) & WITHOUT


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    mine, make = RULES[name]
    assert_same_path(ours(mine), theirs(make))


COMMON = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4}
OTHER = {
    "SGD, L2": (chain(L2(0.1), SGD(0.01)), lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.1)),
    "Adam, L2": (chain(L2(0.1), Adam()), lambda p: torch.optim.Adam(p, weight_decay=0.1)),
    "AdamW": (
        AdamW(0.02, 0.8, 0.95, 1e-4, 0.3),
        lambda p: torch.optim.AdamW(p, weight_decay=0.3, **COMMON),
    ),
    "NAdam": (
        NAdam(0.02, 0.8, 0.95, 1e-4, 0.1),
        lambda p: torch.optim.NAdam(p, momentum_decay=0.1, **COMMON),
    ),
    "RMSprop": (
        RMSprop(0.02, 0.9, 1e-3),
        lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-3),
    ),
    "Adadelta": (
        Adadelta(2.0, 0.8, 1e-3),
        lambda p: torch.optim.Adadelta(p, lr=2.0, rho=0.8, eps=1e-3),
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_other_settings(name):
    mine, make = OTHER[name]
    assert_same_path(ours(mine), theirs(make))


CLIPS = {
    # 1e-6 is added to the norm there: hence a limit whose error is below the tolerance
    "ClipGlobalNorm": (
        ClipGlobalNorm(4.0),
        lambda p: torch.nn.utils.clip_grad_norm_(p, 4.0),
    ),
    "ClipValue": (ClipValue(0.5), lambda p: torch.nn.utils.clip_grad_value_(p, 0.5)),
}


@pytest.mark.parametrize("name", CLIPS)
def test_clipping(name):
    mine, clip = CLIPS[name]
    make = lambda p: torch.optim.SGD(p, lr=0.01)  # noqa: E731
    clipped, free = ours(chain(mine, SGD(0.01))), ours(SGD(0.01))
    assert np.abs(clipped[-1] - free[-1]).max() > 1e-3
    assert_same_path(clipped, theirs(make, clip))


def test_average():
    decay = 0.15  # below (1 + t) / (10 + t) from the first step on
    rule = chain(SGD(0.01), EMA(decay))
    theta = start()
    slots = rule.start(theta, SEGMENTS)
    module = torch.nn.Linear(SIZE, 1, bias=False, dtype=torch.float64)
    average = torch.optim.swa_utils.AveragedModel(
        module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    )
    for step in range(-1, 20):
        if step >= 0:
            rule.update(gradient(theta, step), slots, theta, step)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(theta))
        average.update_parameters(module)
        expected = average.module.weight.detach().numpy()[0]
        np.testing.assert_allclose(rule.averaged(slots), expected, rtol=TOLERANCE)
    assert np.abs(rule.averaged(slots) - theta).max() > 1e-4


COVERED = {*CLIPS, "L2", "EMA"}
TRANSFORMS_WITHOUT = {"ClipNorm", "L1", "DecoupledDecay"}


def test_the_table_says_of_every_transform_whether_torch_has_it():
    assert set(TRANSFORMS) == COVERED | TRANSFORMS_WITHOUT
    assert not COVERED & TRANSFORMS_WITHOUT


lr_scheduler = torch.optim.lr_scheduler
CURVES = {
    "StepDecay": (
        StepDecay(0.1, 0.5, every=7),
        lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.5),
    ),
    "ExponentialDecay": (
        ExponentialDecay(0.1, 0.9, every=1),
        lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9),
    ),
    "CosineDecay": (
        CosineDecay(0.1, 0.01, steps=STEPS),
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.01),
    ),
    "OneCycle": (
        OneCycle(0.1, steps=STEPS),
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=0.1, total_steps=STEPS, cycle_momentum=False, anneal_strategy="cos"
        ),
    ),
    "OneCycle, other shares": (
        OneCycle(0.1, rise=0.45, divide=10.0, final_divide=100.0, steps=STEPS),
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.1, STEPS, pct_start=0.45, cycle_momentum=False, div_factor=10, final_div_factor=100
        ),
    ),
    "WarmUp": (
        WarmUp(0.1, 8),
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 8, total_iters=7),
    ),
    "WarmUp, then cosine": (
        WarmUp(0.1, 8, CosineDecay(0.1, steps=STEPS - 8)),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 8, total_iters=7),
                lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - 8),
            ],
            milestones=[8],
        ),
    ),
}


def test_the_table_covers_the_schedules():
    named = {name.partition(",")[0] for name in CURVES}
    assert named | {"ConstantLR", "OnPlateau"} == set(SCHEDULES)


@pytest.mark.parametrize("name", CURVES)
def test_schedule(name):
    mine, make = CURVES[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls a deprecated form of its own
        schedule = make(optimizer)
        for step in range(STEPS):
            expected = optimizer.param_groups[0]["lr"]
            assert math.isclose(mine.value(step, {}), expected, rel_tol=TOLERANCE), step
            optimizer.step()
            schedule.step()


def test_on_plateau():
    mine = OnPlateau(0.1, 0.5, patience=2, threshold=0.01)
    slots = mine.init()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=0.01)
    rng = np.random.default_rng(3)
    rates = set()
    for epoch in range(60):
        loss = 1 / (1 + epoch / 4) + 0.1 * float(rng.random())
        mine.observe(slots, loss)
        schedule.step(loss)
        expected = optimizer.param_groups[0]["lr"]
        assert math.isclose(mine.value(epoch, slots), expected, rel_tol=TOLERANCE), epoch
        rates.add(expected)
    assert len(rates) > 3
