"""For every registered initialiser: rules, each with the variance it must have by shape."""

from __future__ import annotations

from collections.abc import Callable

from pullback.core.initializers import (
    Blocks,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LeCunNormal,
    LeCunUniform,
    Normal,
    Orthogonal,
    Textbook,
)

Variance = Callable[[float, float], float]
"""Of fan_in and fan_out."""

STARTS: dict[str, list[tuple[Initializer, Variance]]] = {
    "Constant": [(Constant(), lambda i, o: 0), (Constant(-2.5), lambda i, o: 0)],
    "Blocks": [(Blocks(), lambda i, o: 0), (Blocks((-2.5,)), lambda i, o: 0)],
    "Normal": [(Normal(), lambda i, o: 4e-4), (Normal(3.0), lambda i, o: 9)],
    "Textbook": [(Textbook(), lambda i, o: 1 / i)],
    "LeCunNormal": [(LeCunNormal(), lambda i, o: 1 / i)],
    "LeCunUniform": [(LeCunUniform(), lambda i, o: 1 / i)],
    "GlorotNormal": [(GlorotNormal(), lambda i, o: 2 / (i + o))],
    "GlorotUniform": [(GlorotUniform(), lambda i, o: 2 / (i + o))],
    "HeNormal": [(HeNormal(), lambda i, o: 2 / i)],
    "HeUniform": [(HeUniform(), lambda i, o: 2 / i)],
    # of a matrix: its entries' squares add up to the number of the fewer
    "Orthogonal": [
        (Orthogonal(), lambda i, o: 1 / max(i, o)),
        (Orthogonal(3.0), lambda i, o: 9 / max(i, o)),
    ],
}
