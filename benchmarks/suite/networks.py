"""The networks of images and of sequences that are measured, as we write them."""

from __future__ import annotations

from collections.abc import Callable

import pullback as pb
from pullback import models


def perceptron() -> pb.Map:
    """Return the textbook's network: 128, 64, 10."""
    layers = (pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
    return pb.Chain(pb.Flatten(), *layers)


def two_convolutions() -> pb.Map:
    """Return conv 32, conv 64, pool, 128, 10."""
    return pb.Chain(
        pb.Channels(),
        pb.Conv2d(32, 3, padding="valid"),
        pb.ReLU(),
        pb.Conv2d(64, 3, padding="valid"),
        pb.ReLU(),
        pb.MaxPool2d(),
        pb.Flatten(),
        pb.Linear(128),
        pb.ReLU(),
        pb.Linear(10),
    )


def residual() -> pb.Map:
    """Return a residual network of 20 layers."""
    return models.resnet(20, 16)


def recurrent() -> pb.Map:
    """Return an LSTM of 128 units, whose last state decides among 10 classes."""
    return pb.Chain(pb.LSTM(128, "last"), pb.Linear(10))


def transformer() -> pb.Map:
    """Return a causal Transformer for 65 characters: 4 layers, 4 heads, width 128, block 64."""
    return models.char_transformer(65)


NETWORKS: dict[str, Callable[[], pb.Map]] = {
    "perceptron": perceptron,
    "two convolutions": two_convolutions,
    "residual": residual,
    "recurrent": recurrent,
    "transformer": transformer,
}
