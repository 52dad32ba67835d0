"""Maps: one family a file."""

from pullback.core.compose import Chain
from pullback.core.lift import lift
from pullback.maps.affine import RandomAffine
from pullback.maps.augment import RandomCrop, RandomFlip, RandomShift
from pullback.maps.combine import Gate, Parallel, Residual, Shared
from pullback.maps.conv import Conv1d, Conv2d, ConvTranspose2d
from pullback.maps.dropout import ChannelDropout, Dropout
from pullback.maps.each import Each
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
from pullback.maps.erasing import RandomErasing
from pullback.maps.linear import Linear
from pullback.maps.log_mel import LogMel
from pullback.maps.norm import BatchNorm, GroupNorm, LayerNorm
from pullback.maps.pool import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from pullback.maps.resample import AdaptiveAvgPool2d, Pad, Upsample
from pullback.maps.shape import Channels, Flatten, Reshape
from pullback.maps.softmax import LogSoftmax, Softmax
from pullback.maps.unit_norm import UnitNorm

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm",
    "Chain",
    "ChannelDropout",
    "Channels",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Each",
    "Flatten",
    "Gate",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogMel",
    "LogSoftmax",
    "MaxPool2d",
    "Pad",
    "Parallel",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
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
    "UnitNorm",
    "Upsample",
    "lift",
]
