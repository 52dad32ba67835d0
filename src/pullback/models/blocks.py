"""Blocks of convolutional networks, composed of maps."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.maps import (
    BatchNorm,
    Conv2d,
    Gate,
    GlobalAvgPool,
    Linear,
    Parallel,
    ReLU,
    Residual,
    Sigmoid,
)


def residual_block(channels: int, stride: int = 1, project: bool = False) -> Map:
    """Return ``relu(x + f(x))``, ``f`` two 3 x 3 convolutions with batch normalisation.

    He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), figure 2.

    Args:
        channels: of the output.
        stride: of the first convolution.
        project: whether the way around is a 1 x 1 convolution with batch normalisation (the paper's
            option B): needed where ``stride`` or the number of channels changes the shape.
    """
    body = Chain(
        Conv2d(channels, 3, stride, padding=1, bias=False),
        BatchNorm(),
        ReLU(),
        Conv2d(channels, 3, bias=False),
        BatchNorm(),
    )
    if not project:
        return Chain(Residual(body), ReLU())
    around = Chain(Conv2d(channels, 1, stride, bias=False), BatchNorm())
    return Chain(Parallel(body=body, around=around, combine="add"), ReLU())


def depthwise_separable(inputs: int, channels: int, stride: int = 1) -> Map:
    """Return a 3 x 3 convolution of each channel by itself, then a 1 x 1 convolution of all.

    Howard and others, "MobileNets" (2017), figure 3: both with batch normalisation and ReLU.

    Args:
        inputs: channels of the input.
        channels: of the output.
        stride: of the first.
    """
    return Chain(
        Conv2d(inputs, 3, stride, padding=1, groups=inputs, bias=False),
        BatchNorm(),
        ReLU(),
        Conv2d(channels, 1, bias=False),
        BatchNorm(),
        ReLU(),
    )


def squeeze_excite(channels: int, ratio: int = 16) -> Map:
    """Return a map that scales each channel by a number made of the means of all channels.

    Hu, Shen, Sun, "Squeeze-and-excitation networks" (2018), figure 3.

    Args:
        channels: of the input, and of the output.
        ratio: of the channels to the hidden units.

    Raises:
        ConfigError: ``ratio`` leaves no hidden unit.
    """
    if ratio < 1 or channels < ratio:
        raise ConfigError(f"squeeze_excite: ratio={ratio} of channels={channels}; nothing is left")
    return Gate(
        Chain(GlobalAvgPool(), Linear(channels // ratio), ReLU(), Linear(channels), Sigmoid())
    )
