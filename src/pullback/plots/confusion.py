"""Which class is seen as which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pullback.plots.base import new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED, NAMED = 30, 60
"""Classes up to which the matrix is drawn with its numbers, and with names."""
LONGEST = 16
"""Letters of a class's name."""


def confusion(
    matrix: np.ndarray,
    names: Sequence[str],
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
) -> Axes:
    """Draw ``matrix (C, C)``, examples of class ``t`` seen as ``c``.

    A cell is the darker, the larger its share of the class.

    Args:
        matrix: counts, a row for each true class.
        names: of the ``C`` classes.
        ax: axes to draw into; None for new ones.
        xlabel, ylabel: words for the class seen and the true one.
    """
    count = len(names)
    side = min(max(4.0, 2.0 + 0.35 * count), 16.0)
    ax = new_axes(ax, figsize=(side, side), layout="tight")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.grid(visible=False)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if count <= NAMED:
        ticks = [plain(name, LONGEST) for name in names]
        ax.set_xticks(range(count), ticks, rotation=90)
        ax.set_yticks(range(count), ticks)
    if count <= NUMBERED:
        for (row, column), number in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            if number:
                ax.text(column, row, str(number), ha="center", va="center", color=colour, size=8)
    return ax
