"""The contract table of the maps: for every registered map the cases it must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, init
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.maps import (
    ELU,
    GELU,
    BatchNorm,
    Chain,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Parallel,
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
)


@dataclass(frozen=True)
class Case:
    """A map, the shape of a batch, and whether it trains.

    ``smooth`` maps have no kinks, and are compared with differences too.
    """

    net: Map
    shape: tuple[int, ...]
    train: bool = False
    smooth: bool = False


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
    spec = Spec(case.shape[1:], dtype)
    p, state = init(case.net, spec, seed, dtype)
    p.flat[:] += 0.3 * rng.standard_normal(p.flat.shape).astype(dtype)
    state = map_leaves(lambda a: (a + rng.uniform(0, 0.5, a.shape)).astype(dtype), state)
    x = rng.standard_normal(case.shape).astype(dtype)
    gy = rng.standard_normal((case.shape[0], *case.net.spec(spec).shape)).astype(dtype)
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
    "Flatten": [
        Case(Flatten(), (1, 3)),
        Case(Flatten(), (4, 2, 3), train=True),
        Case(Flatten(), (2, 2, 1, 3)),
        Case(Flatten(), (3,)),
    ],
    "Reshape": [
        Case(Reshape((2, 3)), (1, 6)),
        Case(Reshape((-1, 2)), (3, 4), train=True),
        Case(Reshape((6,)), (2, 3, 2)),
        Case(Reshape((1, -1, 1)), (3, 2, 2)),
    ],
}


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
