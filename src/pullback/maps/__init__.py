"""Maps: one family a file."""

from pullback.core.compose import Chain
from pullback.core.lift import lift
from pullback.maps.augment import RandomShift
from pullback.maps.combine import Parallel, Residual, Shared
from pullback.maps.dropout import Dropout
from pullback.maps.elementwise import (
    ELU,
    GELU,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from pullback.maps.linear import Linear
from pullback.maps.norm import BatchNorm, LayerNorm
from pullback.maps.shape import Flatten, Reshape
from pullback.maps.softmax import LogSoftmax, Softmax

__all__ = [
    "ELU",
    "GELU",
    "BatchNorm",
    "Chain",
    "Dropout",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Parallel",
    "RandomShift",
    "ReLU",
    "Reshape",
    "Residual",
    "Shared",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "lift",
]
