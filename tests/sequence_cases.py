"""The contract table of the maps of sequences, and what their inputs are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pullback.maps import (
    GRU,
    LSTM,
    RNN,
    Attention,
    CenterSteps,
    Chain,
    Conv1d,
    CrossAttention,
    Dropout,
    Embedding,
    EncoderDecoder,
    GlobalAvgPool,
    GlobalMaxPool,
    LastStep,
    LayerNorm,
    Linear,
    MemoryChain,
    Padded,
    Positions,
    Product,
    ReLU,
    Residual,
    RMSNorm,
    SideBySide,
    Sigmoid,
    SiLU,
    SinusoidalPositions,
    Tanh,
    Trim,
    Unembedding,
    bidirectional,
)

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def ids(count: int, lengths: tuple[int, ...] = (), least: int = 0) -> Draw:
    """Whole numbers from ``least`` to below ``count``, and -1 beyond the lengths."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        x = rng.integers(least, count, shape).astype(np.float64)
        for row, length in zip(x, lengths, strict=False):
            row[length:] = -1
        return x

    return draw


def steps(*lengths: int) -> Draw:
    """Normal numbers, and NaN beyond the lengths."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        x = rng.standard_normal(shape)
        for row, length in zip(x, lengths, strict=False):
            row[length:] = np.nan
        return x

    return draw


def sequence_cases(case: type) -> dict[str, list]:
    """The table; ``case`` is the class of its rows."""
    tied = (Embedding(5, 4, share="symbols"), Unembedding(5, share="symbols"))
    decoder = MemoryChain(
        Embedding(4, 4),
        Residual(MemoryChain(RMSNorm(), CrossAttention(2))),
        Residual(Chain(LayerNorm(), Attention(2, causal=True))),
        Linear(3),
    )
    translator = EncoderDecoder(Chain(Embedding(5, 3), bidirectional(GRU(2))), decoder)
    return {
        "Embedding": [
            case(Embedding(4, 3), (1, 5), draw=ids(4)),
            case(Embedding(3, 2), (3, 6), draw=ids(3, least=-1), train=True),
            case(Embedding(9, 1), (4,), draw=ids(9)),
            case(Chain(Embedding(6, 4), Tanh(), Linear(2)), (2, 2, 3), draw=ids(6)),
            case(Chain(tied[0], Residual(Linear(4)), tied[1]), (3, 4), draw=ids(5)),
        ],
        "Unembedding": [
            case(Unembedding(3), (1, 4)),
            case(Unembedding(5, bias=True), (3, 2), train=True),
            case(Unembedding(2), (2, 3, 4)),
            case(Unembedding(3, bias=True), (2, 2, 3, 2)),
        ],
        "Positions": [
            case(Positions(3), (1, 3, 2)),
            case(Positions(5), (4, 3, 2), train=True),
            case(Positions(4), (2, 1, 3)),
        ],
        "SinusoidalPositions": [
            case(SinusoidalPositions(), (1, 3, 4)),
            case(SinusoidalPositions(50.0), (4, 5, 3), train=True),
            case(SinusoidalPositions(), (2, 2, 1)),
        ],
        "RNN": _recurrent(case, RNN),
        "LSTM": [
            *_recurrent(case, LSTM),
            case(Chain(LSTM(3), LSTM(2, "last")), (2, 4, 2), smooth=True),
        ],
        "GRU": _recurrent(case, GRU),
        "Attention": [
            case(Attention(1), (1, 3, 2), smooth=True),
            case(Attention(2, causal=True), (3, 4, 4), train=True),
            case(Attention(2, rotary=True, bias=False), (2, 3, 8), smooth=True),
            case(Attention(3, causal=True, rotary=True), (2, 5, 6)),
            # heads of 64 bytes (of float64, 8 numbers) are what the kernel takes
            case(Attention(1), (2, 3, 8), smooth=True),
            case(Attention(2, causal=True, bias=False), (2, 3, 16)),
            case(Attention(1, rotary=True), (2, 3, 8), smooth=True),
            case(Padded(Attention(2)), (3, 4, 4), draw=steps(4, 2, 0)),
            case(Padded(Attention(1, causal=True, rotary=True)), (2, 4, 2), draw=steps(3, 1)),
        ],
        "CrossAttention": [
            case(CrossAttention(1), ((1, 3, 2), (1, 4, 3)), smooth=True),
            case(CrossAttention(2), ((3, 2, 4), (3, 5, 4)), train=True),
            case(CrossAttention(2, bias=False), ((2, 3, 4), (2, 1, 2))),
            # heads of 64 bytes, as above
            case(CrossAttention(1), ((2, 3, 8), (2, 4, 3)), smooth=True),
            case(CrossAttention(2), ((2, 4, 16), (2, 2, 5)), train=True),
            case(CrossAttention(1, bias=False), ((3, 1, 8), (3, 5, 8)), smooth=True),
            case(
                Padded(CrossAttention(2)), ((4, 3, 4), (4, 5, 2)),
                draw=(steps(3, 2, 0, 1), steps(2, 5, 3, 1)),
            ),
        ],
        "RMSNorm": [
            case(RMSNorm(), (1, 4)),
            case(RMSNorm(eps=1e-2), (5, 3), train=True),
            case(RMSNorm(), (3, 2, 4)),
            case(RMSNorm(), (2, 2, 2, 5), train=True),
        ],
        "Product": [
            case(Product(Linear(2), Linear(2)), (1, 3)),
            case(Product(Chain(Linear(3), SiLU()), Linear(3)), (3, 2, 4), smooth=True),
            case(Product(Dropout(0.3), Chain(Linear(3), Sigmoid())), (4, 3), train=True),
        ],
        "LastStep": [
            case(LastStep(), (1, 3, 2)),
            case(LastStep(), (3, 4, 2, 2), train=True),
            case(Padded(LastStep()), (4, 3, 2), draw=steps(2, 3, 1, 0)),
        ],
        "CenterSteps": [
            case(CenterSteps(), (1, 3, 2)),
            case(CenterSteps(), (3, 4, 2), train=True),
            case(Padded(Chain(CenterSteps(), LSTM(2))), (4, 3, 2), draw=steps(2, 3, 1, 0)),
        ],
        "Trim": [
            case(Trim(), (1, 3, 2)),
            case(Padded(Chain(Linear(3), Trim(), Conv1d(2))), (3, 5, 2), draw=steps(3, 5, 1)),
            case(
                Padded(Chain(Trim(), Conv1d(2, 2, 2, "valid"), ReLU(), LSTM(2))), (3, 6, 2),
                draw=steps(4, 6, 2),
            ),
        ],
        "Padded": [
            case(Padded(Linear(2)), (1, 3, 2), draw=steps(2)),
            case(Padded(Chain(Embedding(4, 3), LSTM(2))), (3, 4), draw=ids(4, (3, 4, 1))),
            case(Padded(Chain(RNN(3), GlobalAvgPool())), (4, 4, 2), draw=steps(3, 4, 1, 0)),
            case(Padded(Chain(GRU(3), GlobalMaxPool())), (4, 4, 2), draw=steps(3, 4, 1, 0)),
            case(
                Padded(Chain(Embedding(6, 4), Residual(Attention(2)), GlobalAvgPool(), Linear(2))),
                (3, 5), draw=ids(6, (5, 2, 3)), train=True,
            ),
            case(Padded(bidirectional(LSTM(2, "last"))), (3, 4, 2), draw=steps(2, 4, 1)),
            case(
                Padded(translator), ((3, 4), (3, 3)),
                draw=(ids(5, (3, 4, 1)), ids(4, (2, 1, 3))), train=True,
            ),
        ],
        "SideBySide": [
            case(SideBySide(EncoderDecoder(Embedding(5, 3), decoder)), (1, 3, 2), draw=ids(4)),
            case(SideBySide(translator), (2, 4, 2), draw=ids(4), train=True),
            case(SideBySide(Padded(translator)), (3, 4, 2), draw=ids(4, (3, 4, 1)), train=True),
        ],
        "MemoryChain": [
            case(MemoryChain(CrossAttention(1)), ((1, 2, 2), (1, 3, 2)), smooth=True),
            case(MemoryChain(Conv1d(2, 2), Tanh()), ((2, 3, 2), (2, 2, 2))),
            case(decoder, ((2, 3), (2, 4, 2)), draw=(ids(4), steps()), train=True),
            case(Chain(MemoryChain(cross=CrossAttention(2)), ReLU()), ((2, 3, 4), (2, 4, 2))),
        ],
        "EncoderDecoder": [
            case(
                EncoderDecoder(Linear(2), MemoryChain(CrossAttention(2))),
                ((1, 3, 2), (1, 2, 4)), smooth=True,
            ),
            case(translator, ((2, 4), (2, 3)), draw=(ids(5), ids(4)), train=True),
            case(
                EncoderDecoder(Chain(), Residual(MemoryChain(CrossAttention(1), Dropout(0.3)))),
                ((3, 2, 2), (3, 2, 3)), train=True,
            ),
        ],
    }  # fmt: skip


def _recurrent(case: type, cls: type) -> list:
    net = cls(3)
    return [
        case(net, (1, 4, 2), smooth=True),
        case(cls(2, "last"), (3, 3, 3), train=True, smooth=True),
        case(cls(1, reverse=True), (2, 5, 2)),
        case(cls(2, "last", reverse=True), (2, 1, 1)),
        case(bidirectional(replace(net, units=2)), (2, 3, 2)),
        case(Padded(net), (4, 4, 2), draw=steps(4, 2, 0, 1), smooth=True),
        case(Padded(cls(2, "last", reverse=True)), (3, 4, 2), draw=steps(3, 4, 1)),
        # states of 64 bytes (of float64, 8 numbers) are what the kernels take
        case(cls(8), (2, 3, 2), smooth=True),
        case(cls(8, "last"), (2, 2, 3), train=True),
        case(cls(8, reverse=True), (2, 2, 1), smooth=True),
    ]
