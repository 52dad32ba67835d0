"""Networks that other libraries have too, and what ours and theirs are compared by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import pullback as pb
from pullback.core.context import Context
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import map_leaves
from pullback.data.normalize import Affine
from pullback.losses import HalfSquaredError


class Tolerance(NamedTuple):
    outputs: float
    gradients: float


TOLERANCE = {"float32": Tolerance(1e-6, 1e-5), "float64": Tolerance(1e-14, 1e-13)}


class Case(NamedTuple):
    net: pb.Map
    shape: tuple[int, ...]
    ids: int = 0

    def batch(self, dtype="float32", n=5):
        rng = np.random.default_rng(5)
        if self.ids:
            return rng.integers(0, self.ids, (n, *self.shape))
        return rng.standard_normal((n, *self.shape)).astype(dtype)


CASES = {
    "mlp": Case(
        pb.Chain(
            pb.Linear(5), pb.Tanh(), pb.BatchNorm(), pb.Linear(4), pb.LayerNorm(), pb.ReLU(),
            pb.Linear(3),
        ), (6,),
    ),
    "cnn": Case(
        pb.Chain(
            pb.Conv2d(4), pb.BatchNorm(), pb.ReLU(), pb.MaxPool2d(2),
            pb.Conv2d(6, padding="valid", bias=False, groups=2), pb.ReLU(), pb.Flatten(),
            pb.BatchNorm(), pb.Linear(3),
        ), (8, 6, 3),
    ),
    "decoder": Case(
        pb.Chain(
            pb.Conv2d(3, padding="valid"), pb.GroupNorm(3), pb.Tanh(),
            pb.ConvTranspose2d(4, stride=2, padding="valid"), pb.GlobalAvgPool(), pb.Linear(2),
        ), (5, 6, 2),
    ),
    "signal": Case(
        pb.Chain(pb.Conv1d(4, 3, padding="valid"), pb.ReLU(), pb.Flatten(), pb.Linear(2)), (6, 3)
    ),
    "lstm": Case(
        pb.Chain(pb.Embedding(7, 4), pb.LSTM(5), pb.LSTM(3, states="last"), pb.Linear(2)), (6,), 7
    ),
    "gru": Case(
        pb.Chain(
            pb.Linear(6), pb.bidirectional(pb.GRU(3)), pb.RNN(4), pb.GlobalAvgPool(), pb.Linear(2)
        ), (5, 4),
    ),
    "both_ways": Case(
        pb.Chain(pb.bidirectional(pb.LSTM(3, states="last")), pb.Linear(2)), (5, 4)
    ),
    "attention": Case(
        pb.Chain(
            pb.Residual(pb.Attention(2)), pb.LayerNorm(), pb.RMSNorm(), pb.GlobalAvgPool(),
            pb.Linear(2),
        ), (5, 8),
    ),
}  # fmt: skip


def model_of(case, dtype="float32", seed=0, net=None):
    """A model with parameters and running averages that are not those of the start."""
    rng = np.random.default_rng(seed)
    net = net or case.net
    spec = pb.Spec(case.shape, "int64" if case.ids else "float32")
    theta, state = pb.init(net, spec, seed, dtype)
    # outputs stay near 1, where neighbouring float32 numbers are 1e-7 apart
    theta.flat[...] = 0.7 * theta.flat + 0.1 * rng.standard_normal(theta.flat.shape)
    state = map_leaves(lambda a: (a + rng.uniform(0, 0.5, a.shape)).astype(dtype), state)
    return pb.Model(net, theta, state, HalfSquaredError(), spec, Affine())


def gradients_of(model, x, train=False):
    """Outputs, a cotangent of them, that of the input, and the gradient."""
    ctx = Context(train=train, state=model.state)
    y, res = model.net.forward(model.theta, x, ctx)
    gy = np.random.default_rng(6).standard_normal(y.shape).astype(y.dtype)
    gx, delta = model.net.pullback(model.theta, res, gy)
    gradient = Theta(model.theta.layout, np.zeros_like(model.theta.flat))
    write_gradient(model.net.grads(model.theta, res, delta), gradient)
    return y, gy, gx, gradient


def relative(found: Any, expected: Any, scale: Any = None) -> float:
    """The largest difference, by the largest of the numbers expected (or of ``scale``)."""
    largest = np.abs(expected if scale is None else scale).max()
    return float(np.abs(np.asarray(found) - np.asarray(expected)).max() / largest)
