"""The maps that have parameters, in the order in which values flow, and how features lie there.

PyTorch has the channels of images and signals first, Keras and we last. Where such a tensor is
flattened, its features come in another order, and what follows has its weights in that order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pullback.core.compose import Chain, Composite
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.core.spec import Specs
from pullback.maps import Dropout, Flatten, GroupNorm, Linear, Parallel, Reshape, Shared
from pullback.maps.conv import Windowed
from pullback.maps.elementwise import Elementwise
from pullback.maps.norm import Normalization
from pullback.maps.recurrent import Recurrent

IMAGE = 3
"""Axes of one example that is an image."""
TEXT = {
    "order": "{path}: {title} comes after a flattened image, whose features PyTorch has in another "
    "order (channels first); expected Linear there, after activations and norms at most",
    "reshape": "{path}: Reshape makes an image of {channels} channels, whose features PyTorch has "
    "in another order (channels first); its weights cannot be exchanged",
    "end": "the outputs are a flattened image, whose features PyTorch has in another order "
    "(channels first)",
}


@dataclass(frozen=True)
class Layer:
    """A map with parameters.

    ``order`` are our places of the features in the order that the others have them in, None where
    it is ours; ``direction`` is ``"forward"`` or ``"backward"`` in a pair of recurrent maps.
    """

    path: tuple[str, ...]
    net: Map
    order: np.ndarray | None = None
    direction: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{'.'.join(self.path)} ({self.net.title})" if self.path else self.net.title


class Flow(NamedTuple):
    """How the values at a place lie with the others: channels first, or features in an order."""

    first: bool = False
    order: np.ndarray | None = None


def layers_of(net: Map, x: Specs, channels_first: bool) -> list[Layer]:
    """Return the maps of ``net`` that have parameters.

    Args:
        net: a network.
        x: the spec of its input.
        channels_first: whether the others have the channels of images and signals first.

    Raises:
        ConfigError: features would be in another order where no weights can make up for it.
    """
    found: list[Layer] = []
    if not channels_first:
        _collect(net, x, (), found)
        return found
    image = not isinstance(x, tuple) and len(x.shape) == IMAGE
    if _follow(net, x, (), Flow(image), found).order is not None:
        raise ConfigError(TEXT["end"])
    return found


def _collect(net: Map, x: Specs, path: tuple[str, ...], found: list[Layer]) -> None:
    if isinstance(net, Composite):
        for name, child in net.children().items():
            if _is_pair(net):
                found.append(_one_of_pair((*path, name), child))
            else:
                _collect(child, net.inputs(x)[name], (*path, name), found)
    elif net.params(x):
        found.append(Layer(path, net))


def _follow(net: Map, x: Any, path: tuple[str, ...], flow: Flow, found: list[Layer]) -> Flow:
    """Collect as ``_collect`` does; return how the output lies, given how the input does."""
    if not isinstance(net, Composite):
        return _leaf(net, x, path, flow, found)
    if isinstance(net, Chain | Shared):
        for name, child in net.children().items():
            flow = _follow(child, net.inputs(x)[name], (*path, name), flow, found)
        return flow
    if flow.order is not None:
        raise _refusal(net, path)
    if _is_pair(net):
        _collect(net, x, path, found)
        return Flow()
    after = flow
    for name, child in net.children().items():
        after = _follow(child, net.inputs(x)[name], (*path, name), flow, found)
        if after.order is not None:
            raise _refusal(net, path)
    return after


def _leaf(net: Map, x: Any, path: tuple[str, ...], flow: Flow, found: list[Layer]) -> Flow:
    if net.params(x):
        found.append(Layer(path, net, flow.order))
    passes = isinstance(net, Elementwise | Dropout | Normalization | Linear)
    if flow.order is not None and (not passes or isinstance(net, GroupNorm)):
        raise _refusal(net, path)
    if isinstance(net, Flatten):
        return Flow(order=_order(x.shape) if flow.first else None)
    if isinstance(net, Reshape):
        return _reshaped(net, x, path)
    if isinstance(net, Linear):
        return Flow()
    if isinstance(net, Windowed):
        return Flow(first=True)
    return flow if passes or not net.params(x) else Flow()


def _order(shape: tuple[int, ...]) -> np.ndarray | None:
    """Return our places of the features of a flattened example that had its channels first."""
    if min(shape[-1], math.prod(shape[:-1])) == 1:
        return None
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).reshape(-1)


def _reshaped(net: Map, x: Specs, path: tuple[str, ...]) -> Flow:
    y: Any = net.spec(x)
    image = len(y.shape) == IMAGE
    if image and _order(y.shape) is not None:
        raise ConfigError(TEXT["reshape"].format(path=".".join(path), channels=y.shape[-1]))
    return Flow(image)


def _refusal(net: Map, path: tuple[str, ...]) -> ConfigError:
    return ConfigError(TEXT["order"].format(path=".".join(path), title=net.title))


def _is_pair(net: Composite) -> bool:
    """Tell whether these are two recurrent maps side by side, one for each direction."""
    inside = list(net.children().values())
    if not isinstance(net, Parallel) or len(inside) != 2:
        return False
    one, other = inside
    if not isinstance(one, Recurrent) or not isinstance(other, Recurrent):
        return False
    return type(one) is type(other) and not one.reverse and other.reverse


def _one_of_pair(path: tuple[str, ...], net: Any) -> Layer:
    return Layer(path, net, direction="backward" if net.reverse else "forward")
