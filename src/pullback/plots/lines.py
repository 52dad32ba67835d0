"""Lines over epochs, seconds or whatever is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pullback.plots.base import COLOURS, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", ":", "-.")
"""Of the lines for which there are no more colours."""
MARKED = 60
"""Points up to which each is marked, so that a single one is seen."""


def lines(
    curves: Mapping[str, tuple[Sequence[Any], Sequence[Any]]],
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    legend: Any = "best",
) -> Axes:
    """Draw each of ``curves``: what it is called, with its places and its values.

    Args:
        curves: name to ``(x, y)``, two sequences of one length.
        ax: axes to draw into; None for new ones.
        xlabel, ylabel, title: words, with the unit where there is one.
        legend: where the names stand, as matplotlib calls it.
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax, figsize=(6, 3.6))
    for place, (name, (x, y)) in enumerate(curves.items()):
        style = STYLES[place // len(COLOURS) % len(STYLES)]
        ax.plot(x, y, style, marker="." if len(x) <= MARKED else "", label=plain(name))
    if all(isinstance(place, int) for x, _ in curves.values() for place in x):
        ax.xaxis.set_major_locator(MaxNLocator("auto", steps=(1, 2, 5, 10), integer=True))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title)
    if curves:
        ax.legend(loc=legend, fontsize="small")
    return ax
