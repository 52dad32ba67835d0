"""Convolutional networks that answer for places of an image: a class or a box for each."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.maps import Channels, Conv2d, ConvTranspose2d, MaxPool2d, Parallel, ReLU


def unet(outputs: int, width: int = 16, depth: int = 2) -> Chain:
    """Return a U-Net: down to small and wide images and up again, with a way across at each size.

    Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation"
    (2015), figure 1, with padding so that the output has the size of the input. Rows and columns
    must be multiples of ``2 ** depth``.

    Args:
        outputs: channels of the output, one for each class.
        width: channels of the first convolutions; they double with every halving.
        depth: how often the image is halved.

    Raises:
        ConfigError: a number below 1.
    """
    if min(outputs, width, depth) < 1:
        raise ConfigError(
            f"unet: outputs={outputs!r}, width={width!r}, depth={depth!r}; expected at least 1"
        )
    return Chain(Channels(), *_level(width, depth), Conv2d(outputs, 1))


def _level(width: int, depth: int) -> list[Map]:
    """Return the maps of one size: convolutions, what is below, joined with the way across."""
    maps: list[Map] = [Conv2d(width, 3), ReLU(), Conv2d(width, 3), ReLU()]
    if depth == 0:
        return maps
    below = Chain(MaxPool2d(2), *_level(2 * width, depth - 1), ConvTranspose2d(width, 2, 2))
    return [*maps, Parallel(across=Chain(), below=below), Conv2d(width, 3), ReLU()]


def center_detector(classes: int, width: int = 16, depth: int = 2) -> Chain:
    """Return a detector without anchors: for each cell of a grid a box and logits of the classes.

    The grid has ``2 ** depth`` pixels to a cell. As in Zhou, Wang, Krähenbühl, "Objects as points"
    (2019) and Tian, Shen, Chen, He, "FCOS" (2019), a cell answers for the object whose centre lies
    in it.

    Args:
        classes: how many.
        width: channels of the first convolution; they double with every halving.
        depth: how often the image is halved.

    Shapes: ``x (N, H, W)`` or ``(N, H, W, C)``, ``y (N, rows, columns, 4 + classes)``.

    Raises:
        ConfigError: a number below 1.
    """
    if min(classes, width, depth) < 1:
        raise ConfigError(
            f"center_detector: classes={classes!r}, width={width!r}, depth={depth!r}; "
            "expected at least 1"
        )
    maps: list[Map] = [Channels()]
    for level in range(depth):
        maps += [Conv2d(width << level, 3), ReLU(), MaxPool2d(2)]
    for _ in range(3):
        maps += [Conv2d(width << depth, 3), ReLU()]
    return Chain(*maps, Conv2d(4 + classes, 1))
