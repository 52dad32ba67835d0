"""Recurrent networks."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.maps import LSTM, Dropout, Embedding, Linear, Padded, bidirectional


def lstm_classifier(
    outputs: int,
    units: int = 128,
    layers: int = 1,
    *,
    symbols: int | None = None,
    width: int = 64,
    both_ways: bool = False,
    dropout: float = 0.0,
) -> Padded:
    """Return LSTMs one on the other, of the last of which the last state decides.

    Sequences may differ in length (``Padded``).

    Args:
        outputs: units of the last layer, one for each class.
        units: numbers in a state.
        layers: how many LSTMs.
        symbols: how many symbols there are, where the input is ids; None: it is vectors.
        width: numbers that stand for a symbol.
        both_ways: whether every layer reads in both directions.
        dropout: share of what a layer gives that is dropped in training.

    Shapes: ``x (N, T, C)``, or ids ``(N, T)``; ``y (N, outputs)``.

    Raises:
        ConfigError: ``layers`` is below 1.
    """
    if layers < 1:
        raise ConfigError(f"lstm_classifier: layers={layers!r}; expected at least 1")
    maps: list[Map] = [] if symbols is None else [Embedding(symbols, width)]
    for layer in range(layers):
        net = LSTM(units, "last" if layer == layers - 1 else "all")
        maps.append(bidirectional(net) if both_ways else net)
        if dropout:
            maps.append(Dropout(dropout))
    return Padded(Chain(*maps, Linear(outputs)))
