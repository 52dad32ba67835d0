"""Which function writes which map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.exchange.onnx.graph import Place, Value

TEXT = {
    "no_map": "{where}: {title} has no form in ONNX; replace it, or write one with "
    "pullback.exchange.onnx.registry.exports",
}
Exporter = Callable[[Any, Any, Place], str]
EXPORTERS: dict[type[Map], Exporter] = {}


def exports(*kinds: type[Map]) -> Callable[[Exporter], Exporter]:
    """Decorate ``function(net, x, place) -> name`` of the output, which writes maps of ``kinds``.

    ``x`` is a ``Value``, or a tuple of them where the map has several inputs.
    """

    def register(function: Exporter) -> Exporter:
        EXPORTERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def specs(x: Any) -> Any:
    """Return the spec of a value, or those of several."""
    return tuple(part.spec for part in x) if isinstance(x, tuple) and _several(x) else x.spec


def _several(x: Any) -> bool:
    return not isinstance(x, Value)


def emit(net: Map, x: Any, place: Place) -> Value:
    """Write ``net`` and return its output.

    Raises:
        ConfigError: the map has no exporter.
    """
    write = EXPORTERS.get(type(net))
    if write is None:
        raise ConfigError(TEXT["no_map"].format(where=place.path or "net", title=net.title))
    return Value(write(net, x, place), net.spec(specs(x)))


def lengths_after(net: Map, x: Any, place: Place) -> Any:
    """Return the lengths of the output: looked up, as a length is a small whole number."""
    if place.lengths is None:
        return None
    several = isinstance(place.lengths, tuple)
    known = place.lengths if several else (place.lengths,)
    given = x if several else (x,)
    for i, lengths in enumerate(known):
        if lengths is None:
            continue
        # of a pair, the lengths of one decide, and the others are kept the same
        every = np.arange(given[i].spec.shape[0] + 1)
        tried = tuple(every if j == i else np.zeros_like(every) for j in range(len(known)))
        after = net.out_lengths(tried if several else every)
        if after is not None and np.any(after != after[0]):
            same = np.array_equal(after, every)
            table = place.graph.constant(after, "int64")
            return lengths if same else place.graph.op("Gather", table, lengths)
    return None
