"""Losses: one value an example."""

from pullback.losses.base import LOSSES, Loss, mean_weights, term_weights
from pullback.losses.classification import BinaryCrossEntropy, CrossEntropy, KLDivergence
from pullback.losses.contrastive import Contrastive
from pullback.losses.ctc import CTC
from pullback.losses.detection import Focal, GIoU
from pullback.losses.regression import AbsoluteError, HalfSquaredError, Huber, SquaredError
from pullback.losses.segmentation import Dice
from pullback.losses.weighted import WeightedSum

__all__ = [
    "CTC",
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "Contrastive",
    "CrossEntropy",
    "Dice",
    "Focal",
    "GIoU",
    "HalfSquaredError",
    "Huber",
    "KLDivergence",
    "Loss",
    "SquaredError",
    "WeightedSum",
    "mean_weights",
    "term_weights",
]
