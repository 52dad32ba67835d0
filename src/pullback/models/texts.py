"""Networks that give a text a class."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.initializers import Normal
from pullback.maps import (
    Conv1d,
    Dropout,
    Embedding,
    GlobalAvgPool,
    GlobalMaxPool,
    Linear,
    Padded,
    ReLU,
    Trim,
)

START = Normal(0.1)


def text_average(symbols: int, outputs: int, width: int = 64, *, dropout: float = 0.5) -> Padded:
    """Return a network that looks at the mean of a text's vectors, whatever their order.

    Joulin, Grave, Bojanowski, Mikolov, "Bag of tricks for efficient text classification" (2017).

    Args:
        symbols: how many words or other tokens there are.
        outputs: units of the last layer, one for each class.
        width: numbers that stand for a token.
        dropout: share of the mean's numbers that is dropped in training.

    Shapes: ``x (N, T)`` ids, those below 0 at the end being padding; ``y (N, outputs)``.
    """
    return Padded(
        Chain(
            Embedding(symbols, width, init=START),
            GlobalAvgPool(),
            Dropout(dropout),
            Linear(outputs),
        )
    )


def text_cnn(
    symbols: int, outputs: int, width: int = 64, reach: int = 3, *, dropout: float = 0.5
) -> Padded:
    """Return a network that looks for groups of tokens anywhere in a text.

    A convolution over ``reach`` tokens, of whose outputs the largest counts: Kim, "Convolutional
    neural networks for sentence classification" (2014), with one reach.

    Args:
        symbols: how many words or other tokens there are.
        outputs: units of the last layer, one for each class.
        width: numbers that stand for a token, and how many kinds of groups there are.
        reach: tokens of a group.
        dropout: share of the largest outputs that is dropped in training.

    Shapes: ``x (N, T)`` ids, those below 0 at the end being padding; ``y (N, outputs)``.
    """
    return Padded(
        Chain(
            Embedding(symbols, width, init=START),
            Trim(),
            Conv1d(width, reach),
            ReLU(),
            GlobalMaxPool(),
            Dropout(dropout),
            Linear(outputs),
        )
    )
