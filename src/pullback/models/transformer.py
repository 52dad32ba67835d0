"""Blocks of Transformers, and the networks that are made of them."""

from __future__ import annotations

import math

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.initializers import Initializer, Normal
from pullback.core.map import Map
from pullback.maps import (
    GELU,
    Attention,
    CrossAttention,
    Dropout,
    Embedding,
    EncoderDecoder,
    LayerNorm,
    Linear,
    MemoryChain,
    Padded,
    Positions,
    Product,
    Residual,
    RMSNorm,
    SiLU,
    Unembedding,
)

ACTIVATIONS = ("gelu", "swiglu")
NORMS = ("layer", "rms")


def transformer_block(
    width: int,
    heads: int,
    hidden: int | None = None,
    *,
    causal: bool = False,
    memory: bool = False,
    activation: str = "gelu",
    norm: str = "layer",
    rotary: bool = False,
    dropout: float = 0.0,
    bias: bool = True,
    init: Initializer | None = None,
    out_init: Initializer | None = None,
) -> Map:
    """Return attention and a perceptron for each step, each with a way around it.

    Normalisation comes first in either (pre-norm): Xiong and others, "On layer normalization in the
    Transformer architecture" (2020).

    Args:
        width: channels of input and output.
        heads: of the attention.
        hidden: units of the perceptron; None: four times the width, or, of the three matrices of
            ``"swiglu"``, 8/3 times it, which is as many numbers.
        causal: whether a step sees only itself and those before.
        memory: whether the block attends to a memory too, between the two: its input is then the
            pair ``(x, memory)``.
        activation: ``"gelu"``, or ``"swiglu"`` (Shazeer, 2020).
        norm: ``"layer"`` or ``"rms"``.
        rotary: whether the attention knows the steps' distances (``Attention``).
        dropout: share of what comes out of either that is dropped in training.
        bias: whether products have a bias.
        init: how matrices start; None: what each map does by itself.
        out_init: how those start whose output is added to the way around; None: as the others.

    Raises:
        ConfigError: ``activation`` or ``norm`` is another word.
    """
    if activation not in ACTIVATIONS:
        raise ConfigError(f"transformer_block: activation={activation!r}; one of {ACTIVATIONS}")
    normalize = _norm(norm)
    units = hidden or (4 * width if activation == "gelu" else -(-8 * width // 3))
    first = Linear(units, bias, init)
    inner: Map = Chain(first, GELU())
    if activation == "swiglu":
        inner = Product(Chain(first, SiLU()), first)
    drop = (Dropout(dropout),) if dropout else ()
    attention = Attention(heads, causal, rotary, bias, init, out_init)
    looks = Residual(Chain(normalize, attention, *drop))
    thinks = Residual(Chain(normalize, inner, Linear(width, bias, out_init or init), *drop))
    if not memory:
        return Chain(attention=looks, perceptron=thinks)
    cross = CrossAttention(heads, bias, init, out_init)
    asks = Residual(MemoryChain(normalize, cross, *drop))
    return MemoryChain(attention=looks, memory=asks, perceptron=thinks)


def _norm(name: str) -> Map:
    if name not in NORMS:
        raise ConfigError(f"transformer_block: norm={name!r}; expected one of {NORMS}")
    return LayerNorm() if name == "layer" else RMSNorm()


def char_transformer(
    symbols: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    block: int = 64,
    *,
    dropout: float = 0.0,
    activation: str = "gelu",
    norm: str = "layer",
) -> Chain:
    """Return a causal Transformer that gives, for each step, a score of every next symbol.

    As GPT-2 (Radford and others, "Language models are unsupervised multitask learners", 2019):
    learned positions, matrices from ``N(0, 0.02^2)``, those before a sum smaller by
    ``sqrt(2 layers)``, one table for input and output; without biases, as nanoGPT has it. The
    defaults are nanoGPT's smallest network for characters, of 0.8 million numbers.

    Args:
        symbols: how many there are.
        layers: blocks.
        heads: of each attention.
        width: numbers that stand for a symbol.
        block: the longest sequence.
        dropout, activation, norm: as in ``transformer_block``.

    Shapes: ``x (N, T)`` ids, ``T <= block``; ``y (N, T, symbols)``.

    >>> from pullback.core.spec import Spec
    >>> char_transformer(65).spec(Spec((64,))).shape
    (64, 65)
    """
    out = Normal(0.02 / math.sqrt(2 * layers))
    blocks = [
        transformer_block(
            width, heads, causal=True, activation=activation, norm=norm, dropout=dropout,
            bias=False, init=Normal(), out_init=out,
        )
        for _ in range(layers)
    ]  # fmt: skip
    return Chain(
        Embedding(symbols, width, share="symbols"),
        Positions(block),
        *((Dropout(dropout),) if dropout else ()),
        *blocks,
        _norm(norm),
        Unembedding(symbols, share="symbols"),
    )


def translator(
    source: int,
    target: int,
    layers: int = 3,
    heads: int = 8,
    width: int = 256,
    hidden: int | None = None,
    *,
    dropout: float = 0.1,
) -> Padded:
    """Return a Transformer that reads a sequence and gives scores of the next symbol of another.

    Vaswani and others, "Attention is all you need" (2017), figure 1, with normalisation first and
    turned queries and keys in place of added positions, so that there is no longest sequence. One
    table serves the target's symbols as input and output.

    Args:
        source: how many symbols the source has.
        target: how many symbols the target has.
        layers: blocks of the encoder, and of the decoder.
        heads: of each attention.
        width: numbers that stand for a symbol.
        hidden: units of the perceptrons; None: four times the width.
        dropout: share dropped in training.

    Shapes: ``x`` a pair of ids, ``(N, S)`` and ``(N, T)``, those below 0 at the end being padding;
    ``y (N, T, target)``.
    """
    drop = (Dropout(dropout),) if dropout else ()
    small = Normal(1 / math.sqrt(width))

    def block(memory: bool) -> Map:
        return transformer_block(
            width, heads, hidden, causal=memory, memory=memory, rotary=True, dropout=dropout
        )

    encoder = Chain(
        Embedding(source, width, init=small),
        *drop,
        *(block(False) for _ in range(layers)),
        LayerNorm(),
    )
    decoder = MemoryChain(
        Embedding(target, width, share="target", init=small),
        *drop,
        *(block(True) for _ in range(layers)),
        LayerNorm(),
        Unembedding(target, share="target", bias=True),
    )
    return Padded(EncoderDecoder(encoder, decoder))
