"""Optimisers: update rules over flat vectors, and what goes around them."""

from pullback.optim.adam import Adam, AdamW, Lion, NAdam
from pullback.optim.adaptive import Adadelta, Adagrad, RMSprop
from pullback.optim.base import (
    OPTIMIZERS,
    TRANSFORMS,
    At,
    Optimizer,
    Segment,
    Transform,
    chain,
)
from pullback.optim.descent import SGD, GradientDescent, Momentum, Nesterov
from pullback.optim.schedules import (
    SCHEDULES,
    ConstantLR,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    OnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)
from pullback.optim.transforms import (
    EMA,
    L1,
    L2,
    ClipGlobalNorm,
    ClipNorm,
    ClipValue,
    DecoupledDecay,
)

__all__ = [
    "EMA",
    "L1",
    "L2",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "TRANSFORMS",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "At",
    "ClipGlobalNorm",
    "ClipNorm",
    "ClipValue",
    "ConstantLR",
    "CosineDecay",
    "DecoupledDecay",
    "ExponentialDecay",
    "GradientDescent",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Segment",
    "StepDecay",
    "Transform",
    "WarmUp",
    "chain",
]
