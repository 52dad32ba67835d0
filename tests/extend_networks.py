"""Small networks of every family, in float64, and PyTorch's own derivatives of their losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import pullback as pb
from pullback.core.context import Context
from pullback.core.map import Map, init
from pullback.core.theta import Theta
from pullback.core.tree import leaves
from pullback.extend import Evidence
from pullback.losses.base import Loss, mean_weights, term_weights

CE, HSE = pb.losses.CrossEntropy(), pb.losses.HalfSquaredError()


@dataclass(frozen=True)
class Case:
    """A network and its batch; ``ids`` are the kinds of token, where the input is tokens."""

    net: Map
    shape: tuple[int, ...]
    loss: Loss = CE
    classes: int = 3
    ids: int = 0
    positions: bool = False
    weighted: bool = False


def linear() -> Map:
    return pb.Chain(pb.Flatten(), pb.Linear(4), pb.Tanh(), pb.Linear(3))


def tied_words() -> Map:
    """A table that is looked up, and turned into scores again."""
    table, scores = pb.Embedding(5, 3, share="words"), pb.Unembedding(5, share="words")
    return pb.Chain(table, pb.RNN(3, "all"), scores)


def tied() -> Map:
    shared = pb.Shared("tied", pb.Linear(4))
    return pb.Chain(shared, pb.Tanh(), shared, pb.Linear(3))


CASES = {
    "linear": Case(linear(), (5, 2, 3)),
    "linear, weighted": Case(linear(), (5, 2, 3), weighted=True),
    "regression": Case(pb.Chain(pb.Linear(4), pb.Sigmoid(), pb.Linear(2)), (5, 3), HSE, classes=2),
    "convolution": Case(
        pb.Chain(pb.Conv2d(2, 3), pb.GELU(), pb.Conv2d(3, 2), pb.Flatten(), pb.Linear(3)),
        (4, 5, 5, 2),
    ),
    "few positions": Case(pb.Chain(pb.Conv1d(3, 2, 2), pb.Flatten(), pb.Linear(3)), (4, 4, 5)),
    "groups": Case(
        pb.Chain(pb.Conv2d(4, 2, groups=2), pb.Tanh(), pb.GlobalAvgPool(), pb.Linear(3)),
        (4, 3, 3, 2),
    ),
    "transposed": Case(
        pb.Chain(pb.ConvTranspose2d(2, 2, 2), pb.Tanh(), pb.GlobalAvgPool(), pb.Linear(3)),
        (4, 2, 2, 2),
    ),
    "embedding": Case(
        pb.Chain(pb.Embedding(5, 3), pb.Tanh(), pb.GlobalAvgPool(), pb.Linear(3)), (5, 4), ids=5
    ),
    "normalisation": Case(
        pb.Chain(pb.Linear(4), pb.LayerNorm(), pb.GELU(), pb.GroupNorm(2), pb.Linear(3)), (5, 3)
    ),
    "LSTM": Case(pb.Chain(pb.LSTM(3, "last"), pb.Linear(3)), (4, 5, 2)),
    "attention": Case(
        pb.Chain(
            pb.Embedding(5, 4),
            pb.Positions(4),
            pb.Residual(pb.Chain(pb.LayerNorm(), pb.Attention(2, causal=True))),
            pb.Residual(pb.Chain(pb.RMSNorm(), pb.Linear(5), pb.GELU(), pb.Linear(4))),
            pb.Linear(3),
        ),
        (3, 4),
        ids=5,
        positions=True,
    ),
    "tied": Case(tied(), (5, 4)),
    "tied words": Case(tied_words(), (3, 4), classes=5, ids=5, positions=True),
}


@dataclass(frozen=True)
class Problem:
    """A case with its arrays; the mean loss counts each example by its ``share``."""

    case: Case
    p: Theta
    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None

    @property
    def share(self) -> np.ndarray:
        weight = term_weights(self.case.loss, self.target, self.weight)
        return mean_weights(len(self.x), weight, self.p.flat)

    def evidence(self, net: Map | None = None) -> Evidence:
        net = net or self.case.net
        return Evidence.of(net, self.case.loss, self.p, self.x, self.target, Context(), self.weight)

    def one(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        return self.x[n : n + 1], self.target[n : n + 1]


def problem(name: str, seed: int = 0) -> Problem:
    case, rng = CASES[name], np.random.default_rng(seed)
    x: Any = rng.standard_normal(case.shape)
    if case.ids:
        x = rng.integers(0, case.ids, case.shape)
    p, _ = init(case.net, x, seed, "float64")
    p.flat[:] = rng.standard_normal(p.flat.shape) * 0.5
    count = len(x)
    if case.loss is not CE:
        target: Any = rng.standard_normal((count, case.classes))
    elif case.positions:
        target = rng.integers(0, case.classes, case.shape)
        target[0, 2:] = -1  # padding: examples then count differently
    else:
        target = rng.integers(0, case.classes, count)
    weight = rng.uniform(0.5, 2.0, count) if case.weighted else None
    return Problem(case, p, x, target, weight)


def by_name(tree: Any) -> dict[str, Any]:
    return {".".join(path): value for path, value in leaves(tree)}
