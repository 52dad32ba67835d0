"""Convolutional networks for the classification of images, grey or with channels."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.maps import (
    BatchNorm,
    Channels,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool2d,
    ReLU,
)
from pullback.models.blocks import residual_block


def lenet(outputs: int = 10) -> Chain:
    """Return LeNet-5 with today's pooling and activation.

    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition"
    (1998), figure 2: convolutions of 6 and 16 channels, then 120 and 84 units.

    Args:
        outputs: units of the last layer, one for each class.
    """
    return Chain(
        Channels(),
        Conv2d(6, 5),
        ReLU(),
        MaxPool2d(),
        Conv2d(16, 5, padding="valid"),
        ReLU(),
        MaxPool2d(),
        Flatten(),
        Linear(120),
        ReLU(),
        Linear(84),
        ReLU(),
        Linear(outputs),
    )


def small_cnn(outputs: int = 10, dropout: float = 0.5) -> Chain:
    """Return twice two 3 x 3 convolutions and max-pooling, then two dense layers.

    Simonyan and Zisserman, "Very deep convolutional networks" (2015), at the size of digits: 32
    channels, then 64, then 128 units.

    Args:
        outputs: units of the last layer, one for each class.
        dropout: share of the 128 hidden units dropped in training.
    """
    return Chain(
        Channels(),
        Conv2d(32, 3),
        ReLU(),
        Conv2d(32, 3),
        ReLU(),
        MaxPool2d(),
        Conv2d(64, 3),
        ReLU(),
        Conv2d(64, 3),
        ReLU(),
        MaxPool2d(),
        Flatten(),
        Linear(128),
        ReLU(),
        Dropout(dropout),
        Linear(outputs),
    )


def resnet(depth: int = 20, width: int = 16, outputs: int = 10) -> Chain:
    """Return a residual network for small images.

    He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2: a
    3 x 3 convolution, three stages of ``(depth - 2) / 6`` blocks with ``width``, twice and four
    times as many channels, of which the second and third halve the size, the mean over the
    positions, and a dense layer.

    Args:
        depth: layers with weights: 8, 14, 20, 26, ...
        width: channels of the first stage.
        outputs: units of the last layer, one for each class.

    Raises:
        ConfigError: another ``depth``.
    """
    if depth < 8 or depth % 6 != 2:
        raise ConfigError(f"resnet: depth={depth}; expected 6 k + 2: 8, 14, 20, 26, ...")
    stages: list[Map] = []
    for stage in range(3):
        for block in range((depth - 2) // 6):
            first = block == 0 and stage > 0
            stages.append(residual_block(width << stage, 2 if first else 1, project=first))
    return Chain(
        Channels(),
        Conv2d(width, 3, bias=False),
        BatchNorm(),
        ReLU(),
        *stages,
        GlobalAvgPool(),
        Linear(outputs),
    )
