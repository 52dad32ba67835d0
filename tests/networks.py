"""Random networks of all kinds of maps, each a function of its seed."""

from __future__ import annotations

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, init
from pullback.core.spec import Spec
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

SMOOTH = (Sigmoid(), Tanh(), GELU(), SiLU(), Softplus(), Softmax(), LogSoftmax())
KINKED = (ReLU(), LeakyReLU(0.1), ELU(0.7))
WIDTH = 4


def random_map(rng: np.random.Generator, depth: int, maps: tuple[Map, ...]) -> Map:
    """A map of ``(N, ..., WIDTH)`` to the same shape."""
    kind = rng.integers(0, 8 if depth else 4)
    if kind == 0:
        return Linear(WIDTH, bias=bool(rng.integers(2)))
    if kind == 1:
        return maps[rng.integers(len(maps))]
    if kind == 2:
        return LayerNorm() if rng.integers(2) else BatchNorm()
    if kind == 3:
        return Dropout(float(rng.uniform(0.1, 0.5)))
    inside = [random_map(rng, depth - 1, maps) for _ in range(3)]
    if kind == 4:
        return Residual(Chain(*inside))
    if kind == 5:
        return Parallel(*inside, combine="add")
    if kind == 6:
        return Chain(Parallel(*inside), Linear(WIDTH))
    tied = Shared("tied", Linear(WIDTH))
    return Chain(tied, inside[0], tied, inside[1], Residual(tied))


def random_network(rng: np.random.Generator, maps: tuple[Map, ...]) -> tuple[Map, Spec]:
    body = [random_map(rng, 2, maps) for _ in range(rng.integers(2, 5))]
    if rng.integers(2):
        return Chain(Reshape((2, WIDTH)), *body, Flatten(), Linear(3)), Spec((2 * WIDTH,))
    return Chain(Linear(WIDTH), *body, Linear(3)), Spec((5,))


def placed(seed: int, maps: tuple[Map, ...] = SMOOTH + KINKED):
    """A network, its spec, parameters, a batch, a cotangent and the circumstances."""
    rng = np.random.default_rng(seed)
    net, spec = random_network(rng, maps)
    spec = Spec(spec.shape, "float64")
    p, state = init(net, spec, seed, "float64")
    p.flat[:] += 0.2 * rng.standard_normal(p.flat.size)
    state = map_leaves(lambda a: a + rng.uniform(0, 0.5, a.shape), state)
    x, gy = rng.standard_normal((6, *spec.shape)), rng.standard_normal((6, 3))
    return net, spec, p, x, gy, Context(bool(rng.integers(2)), seed, 1, state=state)
