"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from pullback.core.compose import Chain
from pullback.core.initializers import Initializer
from pullback.core.map import Map
from pullback.maps import Dropout, Flatten, Linear, ReLU


def mlp(
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: Map | None = None,
    dropout: float = 0.0,
    init: Initializer | None = None,
) -> Chain:
    """Return a perceptron: ``Linear`` layers with an activation between them.

    Args:
        hidden: units of the hidden layers.
        outputs: units of the last layer.
        activation: after each hidden layer; None: ``ReLU()``.
        dropout: share of each hidden layer's outputs dropped in training.
        init: how weights start; None: what suits the activation.

    >>> mlp([128, 64], 10).maps[1].units
    128
    """
    layers: list[Map] = [Flatten()]
    for units in hidden:
        layers += [Linear(units, init=init), activation or ReLU()]
        if dropout:
            layers.append(Dropout(dropout))
    return Chain(*layers, Linear(outputs, init=init))
