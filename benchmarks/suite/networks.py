"""The convolutional networks that are measured, as we write them."""

from __future__ import annotations

from collections.abc import Callable

import pullback as pb
from pullback import models


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


NETWORKS: dict[str, Callable[[], pb.Map]] = {
    "two convolutions": two_convolutions,
    "residual": residual,
}
