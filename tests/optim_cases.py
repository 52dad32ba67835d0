"""The contract table of the optimisers, transforms and schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.extend import KFAC
from pullback.optim import (
    EMA,
    L1,
    L2,
    OPTIMIZERS,
    SCHEDULES,
    SGD,
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
