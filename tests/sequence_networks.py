"""Random networks of sequences of different lengths, each a function of its seed."""

from __future__ import annotations

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map, init
from pullback.core.spec import spec_of
from pullback.maps import (
    GELU,
    GRU,
    LSTM,
    RNN,
    Attention,
    CenterSteps,
    Chain,
    Conv1d,
    CrossAttention,
    Embedding,
    EncoderDecoder,
    GlobalAvgPool,
    GlobalMaxPool,
    LastStep,
    LayerNorm,
    Linear,
    MemoryChain,
    Padded,
    Parallel,
    Positions,
    Product,
    Residual,
    RMSNorm,
    Sigmoid,
    SiLU,
    SinusoidalPositions,
    Tanh,
    Trim,
    Unembedding,
    bidirectional,
)

WIDTH = 4
SYMBOLS = 6


def random_map(rng: np.random.Generator, depth: int) -> Map:
    """A map of ``(N, T, WIDTH)`` to the same shape."""
    kind = rng.integers(0, 11 if depth else 7)
    flags = [bool(flag) for flag in rng.integers(0, 2, 3)]
    recurrent = (RNN, LSTM, GRU)[rng.integers(3)]
    if kind == 0:
        return recurrent(WIDTH, reverse=flags[0])
    if kind == 1:
        return bidirectional(recurrent(WIDTH // 2, reverse=flags[0]))
    if kind in (2, 3):
        return Attention(1 + flags[0], causal=flags[1], rotary=flags[2], bias=bool(kind % 2))
    if kind == 4:
        return (RMSNorm(), LayerNorm(), Tanh(), GELU())[rng.integers(4)]
    if kind == 5:
        return (Positions(9), SinusoidalPositions(), Linear(WIDTH), CenterSteps())[rng.integers(4)]
    if kind == 6:
        return Chain(Trim(), Conv1d(WIDTH, 1 + int(rng.integers(3)), dilation=1 + flags[0]))
    one, two = random_map(rng, depth - 1), random_map(rng, depth - 1)
    if kind in (7, 8):
        return Residual(Chain(one, two))
    if kind == 9:
        return Parallel(one, two, combine="add")
    return Product(Chain(one, (SiLU(), Sigmoid())[flags[0]]), two)


def random_decoder(rng: np.random.Generator) -> Map:
    """A map of a sequence and a memory to the sequence's shape."""
    around = [random_map(rng, 1), random_map(rng, 0)]
    cross = Residual(MemoryChain(RMSNorm(), CrossAttention(1 + int(rng.integers(2)))))
    return MemoryChain(around[0], cross, around[1], CrossAttention(1))


def random_network(rng: np.random.Generator) -> tuple[Map, bool, bool]:
    """A network, whether its input is ids, and whether it is a pair."""
    pair, ids = rng.integers(3) == 0, bool(rng.integers(2))
    entry = (lambda: Embedding(SYMBOLS, WIDTH)) if ids else (lambda: Linear(WIDTH))
    body = [random_map(rng, 2) for _ in range(rng.integers(1, 4))]
    if pair:
        decoder = MemoryChain(entry(), random_decoder(rng), Linear(3))
        return Padded(EncoderDecoder(Chain(entry(), *body), decoder)), ids, True
    ends: tuple[tuple[Map, ...], ...] = (
        (Linear(3),), (Unembedding(3, bias=True),), (LastStep(), Linear(3)),
        (GlobalAvgPool(), Linear(3)), (GlobalMaxPool(), Tanh()), (LSTM(3, "last"),),
        (GRU(3, "last", reverse=True), Linear(2)),
    )  # fmt: skip
    return Padded(Chain(entry(), *body, *ends[rng.integers(len(ends))])), ids, False


def random_input(rng: np.random.Generator, examples: int, steps: int, ids: bool) -> np.ndarray:
    lengths = rng.integers(1, steps + 1, examples)
    beyond = np.arange(steps) >= lengths[:, None]
    if ids:
        return np.where(beyond, -1.0, rng.integers(0, SYMBOLS, (examples, steps)))
    x = rng.standard_normal((examples, steps, 3))
    x[beyond] = np.nan
    return x


def placed(seed: int):
    """A network, parameters, a batch, a cotangent and the circumstances."""
    rng = np.random.default_rng(seed)
    net, ids, pair = random_network(rng)
    x = random_input(rng, 4, 5, ids)
    if pair:
        x = x, random_input(rng, 4, 3, ids)
    p, _ = init(net, x, seed, "float64")
    p.flat[:] += 0.2 * rng.standard_normal(p.flat.size)
    gy = rng.standard_normal((4, *net.spec(spec_of(x)).shape))
    return net, p, x, gy, Context(bool(rng.integers(2)), seed, 1)
