"""The contract table of the maps: for every registered map the cases it must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sequence_cases import sequence_cases

from pullback.core.context import Context
from pullback.core.map import Map, init
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.maps import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm,
    Chain,
    ChannelDropout,
    Channels,
    Columns,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Each,
    Flatten,
    Gate,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogMel,
    LogSoftmax,
    MaxPool2d,
    Pad,
    Parallel,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomShift,
    ReLU,
    Reshape,
    Residual,
    Shared,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    UnitNorm,
    Upsample,
)


@dataclass(frozen=True)
class Case:
    """A map, the shape of a batch, and whether it trains.

    ``smooth`` maps have no kinks, and are compared with differences too. ``draw`` says what an
    input is where it is not normal; of several inputs, ``shape`` and ``draw`` are tuples.
    """

    net: Map
    shape: tuple[Any, ...]
    train: bool = False
    smooth: bool = False
    draw: Any = None

    @property
    def batch(self) -> int:
        return self.shape[0][0] if isinstance(self.shape[0], tuple) else self.shape[0]

    def spec(self, dtype: str = "float32") -> Any:
        if isinstance(self.shape[0], tuple):
            return tuple(Spec(shape[1:], dtype) for shape in self.shape)
        return Spec(self.shape[1:], dtype)

    def drawn(self, rng: np.random.Generator, dtype: str = "float64") -> Any:
        if not isinstance(self.shape[0], tuple):
            return (self.draw or normal)(rng, self.shape).astype(dtype)
        draws = self.draw or (normal,) * len(self.shape)
        every = zip(self.shape, draws, strict=True)
        return tuple(draw(rng, shape).astype(dtype) for shape, draw in every)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


@dataclass(frozen=True)
class Setting:
    """Arrays for a case: parameters and state away from where they start, one batch."""

    net: Map
    p: Theta
    x: Any
    gy: Any
    ctx: Context


def setting(case: Case, dtype: str = "float64", seed: int = 0) -> Setting:
    rng = np.random.default_rng(seed)
    spec = case.spec(dtype)
    p, state = init(case.net, spec, seed, dtype)
    p.flat[:] += 0.3 * rng.standard_normal(p.flat.shape).astype(dtype)
    state = map_leaves(lambda a: (a + rng.uniform(0, 0.5, a.shape)).astype(dtype), state)
    x = case.drawn(rng, dtype)
    gy = rng.standard_normal((case.batch, *case.net.spec(spec).shape)).astype(dtype)
    ctx = Context(train=case.train, seed=seed, step=3, first=0, path="net", state=state)
    return Setting(case.net, p, x, gy, ctx)


def _elementwise(*nets: Map, smooth: bool = False) -> list[Case]:
    shapes = [(1, 5), (4, 3), (3, 2, 4), (2, 2, 3, 2), (3,)]
    return [
        Case(nets[i % len(nets)], shape, train=i % 2 == 1, smooth=smooth)
        for i, shape in enumerate(shapes)
    ]


_TIED = Shared("tied", Linear(4))
_BOTH = Shared("both", Chain(Linear(3), Tanh(), Linear(3)))

CASES: dict[str, list[Case]] = {
    "Chain": [
        Case(Chain(), (2, 3)),
        Case(Chain(Linear(4), ReLU(), Linear(3)), (1, 5)),
        Case(Chain(Linear(5), Sigmoid(), Linear(2)), (4, 3), smooth=True),
        Case(Chain(Flatten(), Linear(6), Tanh(), out=Linear(2)), (3, 2, 4), train=True),
        Case(Chain(Chain(Linear(4), LayerNorm()), GELU(), Chain(Linear(2))), (3, 2, 3)),
        Case(Chain(Linear(4), BatchNorm(), ReLU(), Dropout(0.3), Linear(2)), (6, 3), train=True),
        Case(Chain(Linear(4), BatchNorm(), ReLU(), Dropout(0.3), Linear(2)), (3, 3)),
    ],
    "Residual": [
        Case(Residual(Linear(4)), (1, 4)),
        Case(Residual(Chain(Linear(6), Tanh(), Linear(3))), (4, 3)),
        Case(Residual(Residual(LayerNorm())), (2, 3, 4), train=True),
        Case(Residual(Chain(Dropout(0.4), Linear(3))), (4, 2, 3), train=True),
    ],
    "Parallel": [
        Case(Parallel(Linear(2), Linear(3)), (1, 4)),
        Case(Parallel(Linear(3), Tanh(), combine="add"), (4, 3)),
        Case(Parallel(a=Linear(2), b=Chain(Linear(3), ReLU())), (3, 2, 3), train=True),
        Case(Parallel(ReLU(), widths=Linear(2)), (2, 3)),
        Case(Parallel(Linear(2), Tanh(), Linear(1), ReLU()), (3, 4)),
        Case(Parallel(Softmax()), (2, 3), train=True),
        Case(Parallel(Dropout(0.5), BatchNorm()), (5, 3), train=True),
    ],
    "Shared": [
        Case(Shared("one", Linear(3)), (1, 2)),
        Case(Chain(_TIED, ReLU(), _TIED), (4, 4)),
        Case(Chain(_BOTH, Residual(_BOTH)), (3, 2, 3), train=True),
        Case(Parallel(_TIED, Chain(_TIED, Tanh()), combine="add"), (3, 4)),
        Case(Chain(Shared("n", BatchNorm()), Shared("n", BatchNorm())), (4, 3), train=True),
        Case(Shared("outer", Chain(_TIED, Chain(Tanh(), _TIED))), (3, 4)),
    ],
    "Linear": [
        Case(Linear(3), (1, 4)),
        Case(Linear(1), (5, 2), train=True),
        Case(Linear(4, bias=False), (3, 3)),
        Case(Linear(2), (3, 4, 5), train=True),
        Case(Linear(3), (2, 2, 3, 2)),
        Case(Linear(2, bias=False), (1, 3, 2)),
    ],
    "Sigmoid": _elementwise(Sigmoid(), smooth=True),
    "Tanh": _elementwise(Tanh(), smooth=True),
    "ReLU": _elementwise(ReLU()),
    "LeakyReLU": _elementwise(LeakyReLU(), LeakyReLU(0.3)),
    "ELU": _elementwise(ELU(), ELU(0.5)),
    "GELU": _elementwise(GELU(), smooth=True),
    "SiLU": _elementwise(SiLU(), smooth=True),
    "Softplus": _elementwise(Softplus(), smooth=True),
    "Softmax": [
        Case(Softmax(), (1, 4)),
        Case(Softmax(), (5, 3), train=True),
        Case(Softmax(), (3, 2, 4)),
        Case(Softmax(), (2, 1)),
    ],
    "LogMel": [
        Case(LogMel(100, 8, 4, mels=2), (1, 21), smooth=True),
        Case(LogMel(100, 7, 3, 16, 3, 5.0, 45.0, 0.5), (3, 20), train=True, smooth=True),
        Case(LogMel(100, 5, 8, mels=2), (2, 24), smooth=True),
        Case(LogMel(100, 6, 6, mels=1), (2, 6), smooth=True),
        Case(LogMel(100, 8, 4, 16, 2, speed=0.75), (2, 15), smooth=True),
        Case(LogMel(100, 7, 3, 16, 3, 5.0, 45.0, speed=1.3), (2, 24), smooth=True),
    ],
    "LogSoftmax": [
        Case(LogSoftmax(), (1, 4)),
        Case(LogSoftmax(), (5, 3), train=True),
        Case(LogSoftmax(), (3, 2, 4)),
        Case(LogSoftmax(), (2, 1)),
    ],
    "LayerNorm": [
        Case(LayerNorm(), (1, 4)),
        Case(LayerNorm(eps=1e-2), (5, 3), train=True),
        Case(LayerNorm(), (3, 2, 4)),
        Case(LayerNorm(), (2, 2, 2, 5), train=True),
    ],
    "BatchNorm": [
        Case(BatchNorm(), (1, 3)),
        Case(BatchNorm(eps=1e-3), (4, 3)),
        Case(BatchNorm(), (3, 2, 4)),
        Case(BatchNorm(), (5, 3), train=True),
        Case(BatchNorm(momentum=1.0), (2, 3, 2), train=True),
        Case(BatchNorm(eps=1e-2), (3, 2, 2, 2), train=True),
        Case(BatchNorm(), (1, 4, 3), train=True),
    ],
    "GroupNorm": [
        Case(GroupNorm(1), (1, 4)),
        Case(GroupNorm(2, eps=1e-2), (5, 4), train=True),
        Case(GroupNorm(3), (3, 2, 6)),
        Case(GroupNorm(2), (2, 2, 3, 4), train=True),
    ],
    "ChannelDropout": [
        Case(ChannelDropout(), (1, 6), train=True),
        Case(ChannelDropout(0.2), (5, 3, 4), train=True),
        Case(ChannelDropout(0.7), (3, 2, 2, 3), train=True),
        Case(ChannelDropout(), (4, 3)),
    ],
    "Conv2d": [
        Case(Conv2d(3), (1, 4, 5, 2)),
        Case(Conv2d(2, 2), (3, 3, 4, 1), train=True),
        Case(Conv2d(2, 3, padding="valid"), (2, 5, 4, 3)),
        Case(Conv2d(3, (2, 3), stride=(2, 1), padding=1), (2, 5, 4, 2)),
        Case(Conv2d(2, (3, 1), stride=3, padding=((2, 0), (0, 1))), (2, 5, 4, 2)),
        Case(Conv2d(2, 2, dilation=2), (2, 5, 5, 2)),
        Case(Conv2d(1, 3, stride=2, dilation=(1, 2), padding=(2, 3)), (2, 4, 5, 2)),
        Case(Conv2d(4, 3, groups=2), (2, 4, 4, 6), train=True),
        Case(Conv2d(6, 3, groups=3, stride=2, bias=False), (2, 5, 4, 3)),
        Case(Conv2d(4, 2, groups=4, dilation=2, padding="valid"), (2, 4, 5, 4)),
        Case(Conv2d(3, 1, bias=False), (2, 3, 3, 2)),
        Case(Conv2d(2, 5, stride=2), (2, 3, 4, 1)),
    ],
    "Conv1d": [
        Case(Conv1d(3), (1, 6, 2)),
        Case(Conv1d(2, 4, stride=2, padding="valid"), (3, 9, 2), train=True),
        Case(Conv1d(4, 3, dilation=2, groups=2, padding=1), (2, 7, 4)),
        Case(Conv1d(2, (2,), padding=((1, 0),), bias=False), (2, 5, 3)),
    ],
    "ConvTranspose2d": [
        Case(ConvTranspose2d(3), (1, 3, 4, 2)),
        Case(ConvTranspose2d(2, 2, stride=2), (2, 2, 3, 3), train=True),
        Case(ConvTranspose2d(2, 3, stride=(2, 1), padding="valid", bias=False), (2, 3, 2, 2)),
        Case(ConvTranspose2d(2, (2, 3), stride=2, dilation=2, padding=1), (2, 3, 3, 2)),
        Case(ConvTranspose2d(1, 3, stride=2, padding=((0, 1), (1, 0))), (3, 2, 3, 2)),
    ],
    "MaxPool2d": [
        Case(MaxPool2d(), (1, 4, 6, 2)),
        Case(MaxPool2d(3, stride=2), (2, 5, 7, 3), train=True),
        Case(MaxPool2d((1, 2), stride=(2, 1)), (3, 4, 3, 1)),
        Case(MaxPool2d(3, stride=2, padding=1), (2, 5, 4, 2)),
        Case(MaxPool2d(2, padding="same"), (2, 5, 3, 2)),
    ],
    "AvgPool2d": [
        Case(AvgPool2d(), (1, 4, 6, 2)),
        Case(AvgPool2d(3, stride=2), (2, 5, 7, 3), train=True),
        Case(AvgPool2d((1, 2), stride=(2, 1)), (3, 4, 3, 1)),
        Case(AvgPool2d(3, stride=2, padding=1), (2, 5, 4, 2)),
        Case(AvgPool2d(2, padding="same"), (2, 5, 3, 2)),
    ],
    "GlobalAvgPool": [
        Case(GlobalAvgPool(), (1, 3, 2)),
        Case(GlobalAvgPool(), (4, 2, 3, 2), train=True),
        Case(GlobalAvgPool(), (2, 2, 1, 2, 3)),
    ],
    "GlobalMaxPool": [
        Case(GlobalMaxPool(), (1, 3, 2)),
        Case(GlobalMaxPool(), (4, 2, 3, 2), train=True),
        Case(GlobalMaxPool(), (2, 2, 1, 2, 3)),
    ],
    "AdaptiveAvgPool2d": [
        Case(AdaptiveAvgPool2d(), (1, 3, 4, 2)),
        Case(AdaptiveAvgPool2d((2, 3)), (3, 5, 7, 2), train=True),
        Case(AdaptiveAvgPool2d(4), (2, 3, 4, 1)),
    ],
    "Upsample": [
        Case(Upsample(), (1, 2, 3, 2)),
        Case(Upsample((1, 3), mode="bilinear"), (2, 2, 3, 1), train=True),
        Case(Upsample(2, mode="bilinear"), (3, 4, 2, 2)),
        Case(Upsample(3), (2, 1, 2, 3)),
    ],
    "Pad": [
        Case(Pad(), (1, 2, 3, 2)),
        Case(Pad((1, 2), fill=3.0), (2, 2, 2, 1), train=True),
        Case(Pad(((0, 1), (2, 0)), fill=-1.0), (3, 3, 2, 2)),
    ],
    "Gate": [
        Case(Gate(Linear(3)), (1, 3)),
        Case(Gate(Chain(GlobalAvgPool(), Linear(2), ReLU(), Linear(3), Sigmoid())), (3, 2, 2, 3)),
        Case(Gate(Chain(Dropout(0.4), Tanh())), (4, 2, 3), train=True),
    ],
    "Dropout": [
        Case(Dropout(), (1, 6), train=True),
        Case(Dropout(0.2), (5, 4), train=True),
        Case(Dropout(0.7), (3, 2, 3), train=True),
        Case(Dropout(), (4, 3)),
        Case(Dropout(0.0), (2, 3), train=True),
    ],
    "RandomShift": [
        Case(RandomShift(), (1, 3, 4), train=True),
        Case(RandomShift(2), (6, 4, 3), train=True),
        Case(RandomShift(1), (4, 3, 3, 2), train=True),
        Case(RandomShift(1), (2, 3, 3)),
    ],
    "RandomCrop": [
        Case(RandomCrop(2), (1, 3, 4), train=True),
        Case(RandomCrop((3, 2)), (4, 5, 4, 2), train=True),
        Case(RandomCrop(4, padding=2), (5, 4, 3), train=True),
        Case(RandomCrop((2, 3)), (2, 5, 4)),
        Case(RandomCrop((5, 3), padding=1), (2, 4, 5, 2)),
    ],
    "RandomFlip": [
        Case(RandomFlip(), (1, 3, 4), train=True),
        Case(RandomFlip(0.3, 0.6), (6, 2, 3, 2), train=True),
        Case(RandomFlip(0.0, 1.0), (3, 4, 2), train=True),
        Case(RandomFlip(), (2, 3, 3)),
    ],
    "RandomAffine": [
        Case(RandomAffine(30.0), (1, 4, 5), train=True),
        Case(RandomAffine(180.0, 0.5), (5, 3, 4, 2), train=True),
        Case(RandomAffine(0.0, 0.3), (3, 5, 3), train=True),
        Case(RandomAffine(20.0, 0.9), (3, 1, 4), train=True),
        Case(RandomAffine(20.0), (2, 3, 3)),
    ],
    "RandomErasing": [
        Case(RandomErasing(1.0), (1, 4, 5), train=True),
        Case(RandomErasing(0.7, fill="mean"), (5, 4, 3, 2), train=True),
        Case(RandomErasing(1.0, area=(0.5, 1.0), ratio=0.1, fill=-2.0), (4, 3, 6), train=True),
        Case(RandomErasing(1.0, fill="mean"), (3, 2, 3), train=True),
        Case(RandomErasing(), (2, 3, 3)),
    ],
    "UnitNorm": [
        Case(UnitNorm(0.5), (1, 3), smooth=True),
        Case(UnitNorm(2.0), (4, 2, 3), train=True, smooth=True),
        Case(UnitNorm(0.5), (3, 2, 2, 1), smooth=True),
        Case(Chain(Linear(4), UnitNorm()), (3, 5)),
    ],
    "Each": [
        Case(Each(Linear(3)), (1, 2, 4)),
        Case(Each(Chain(Linear(4), Tanh(), Linear(3), UnitNorm(0.1))), (3, 3, 4)),
        Case(Each(Chain(Conv2d(2, 2), ReLU(), Flatten(), Linear(2))), (2, 2, 3, 3, 1)),
        Case(Each(Chain(Linear(3), Dropout(0.4), BatchNorm())), (4, 2, 3), train=True),
        Case(Each(Parallel(Linear(2), Each(Linear(2)))), (3, 2, 2, 3)),
    ],
    "Columns": [
        Case(Columns(0, 1), (1, 3)),
        Case(Columns(2, 5), (4, 2, 5), train=True),
        Case(Columns(1, 3), (2, 3, 1, 4)),
        Case(Chain(Columns(1, 3), Linear(2)), (3, 4)),
    ],
    "Flatten": [
        Case(Flatten(), (1, 3)),
        Case(Flatten(), (4, 2, 3), train=True),
        Case(Flatten(), (2, 2, 1, 3)),
        Case(Flatten(), (3,)),
    ],
    "Channels": [
        Case(Channels(), (1, 3, 2)),
        Case(Channels(), (3, 2, 2, 2), train=True),
        Case(Channels(), (2, 1, 4)),
    ],
    "Reshape": [
        Case(Reshape((2, 3)), (1, 6)),
        Case(Reshape((-1, 2)), (3, 4), train=True),
        Case(Reshape((6,)), (2, 3, 2)),
        Case(Reshape((1, -1, 1)), (3, 2, 2)),
    ],
}


CASES |= sequence_cases(Case)

INPUTS = 12
"""The fewest inputs whose gradients are compared, for every map and for every loss."""


def seeds_for(cases: Sequence[object]) -> range:
    """Enough seeds for ``INPUTS`` inputs of these cases."""
    return range(-(-INPUTS // len(cases)))


def all_inputs() -> dict[str, tuple[Case, int]]:
    """Every case with every seed it is drawn from, by an identifier."""
    return {
        f"{name}-{i}-{seed}": (case, seed)
        for name, cases in CASES.items()
        for i, case in enumerate(cases)
        for seed in seeds_for(cases)
    }


def all_cases(*names: str) -> dict[str, Case]:
    """The cases of the maps called ``names`` (of all without any), by an identifier."""
    return {f"{name}-{i}": case for name in names or CASES for i, case in enumerate(CASES[name])}
