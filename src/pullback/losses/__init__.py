"""Losses: one value an example."""

from pullback.losses.base import LOSSES, Loss, mean_weights
from pullback.losses.classification import BinaryCrossEntropy, CrossEntropy, KLDivergence
from pullback.losses.regression import AbsoluteError, HalfSquaredError, Huber, SquaredError

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "HalfSquaredError",
    "Huber",
    "KLDivergence",
    "Loss",
    "SquaredError",
    "mean_weights",
]
