"""Maps: one family a file."""

from pullback.core.compose import Chain
from pullback.core.lift import lift
from pullback.maps.affine import RandomAffine
from pullback.maps.attention import Attention, CrossAttention
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
from pullback.maps.embedding import Embedding, Unembedding
from pullback.maps.erasing import RandomErasing
from pullback.maps.gated import GRU, LSTM
from pullback.maps.linear import Linear
from pullback.maps.log_mel import LogMel
from pullback.maps.memory import EncoderDecoder, MemoryChain
from pullback.maps.norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from pullback.maps.padded import Padded
from pullback.maps.pool import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from pullback.maps.positions import Positions, SinusoidalPositions
from pullback.maps.product import Product
from pullback.maps.recurrent import RNN, bidirectional
from pullback.maps.resample import AdaptiveAvgPool2d, Pad, Upsample
from pullback.maps.shape import Channels, Columns, Flatten, Reshape
from pullback.maps.side_by_side import SideBySide
from pullback.maps.softmax import LogSoftmax, Softmax
from pullback.maps.steps import CenterSteps, LastStep, Trim
from pullback.maps.unit_norm import UnitNorm

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "Attention",
    "AvgPool2d",
    "BatchNorm",
    "CenterSteps",
    "Chain",
    "ChannelDropout",
    "Channels",
    "Columns",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossAttention",
    "Dropout",
    "Each",
    "Embedding",
    "EncoderDecoder",
    "Flatten",
    "Gate",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "LastStep",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogMel",
    "LogSoftmax",
    "MaxPool2d",
    "MemoryChain",
    "Pad",
    "Padded",
    "Parallel",
    "Positions",
    "Product",
    "RMSNorm",
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
    "SideBySide",
    "Sigmoid",
    "SinusoidalPositions",
    "Softmax",
    "Softplus",
    "Tanh",
    "Trim",
    "Unembedding",
    "UnitNorm",
    "Upsample",
    "bidirectional",
    "lift",
]
