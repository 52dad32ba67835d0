"""A figure over a setting; a point is a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pullback.plots.base import COLOURS, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 5
"""From a quotient of the ends on, numbers stand on a logarithmic axis."""
LONGEST = 16
"""Letters of a value that is no number."""


def points(
    settings: Sequence[Any],
    values: Sequence[float],
    ax: Axes | None = None,
    *,
    groups: Sequence[str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
) -> Axes:
    """Draw ``values`` over ``settings``, which are numbers or names.

    Args:
        settings: ``(N,)``; names stand side by side, in the order in which they come.
        values: ``(N,)``.
        ax: axes to draw into; None for new ones.
        groups: ``(N,)`` names that decide the colour.
        xlabel, ylabel: words for the setting and the figure.
    """
    ax = new_axes(ax, figsize=(4, 3.6))
    places = _places(ax, settings)
    kinds = groups or [""] * len(places)
    for count, kind in enumerate(dict.fromkeys(kinds)):
        own = [i for i, name in enumerate(kinds) if name == kind]
        x, y = [places[i] for i in own], [values[i] for i in own]
        color = COLOURS[count % len(COLOURS)]
        ax.plot(x, y, "o", alpha=0.7, color=color, label=plain(kind, LONGEST))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if groups and numbers(settings):
        ax.legend(fontsize="small")
    return ax


def numbers(settings: Sequence[Any]) -> bool:
    """Tell whether all settings are numbers."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in settings)


def _places(ax: Axes, settings: Sequence[Any]) -> Sequence[Any]:
    """Return where each setting stands on the axis, which is made to suit them."""
    if numbers(settings):
        if min(settings) > 0 and max(settings) >= WIDE * min(settings):
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter("")
        return settings
    names = [plain(str(value), LONGEST) for value in settings]
    known = list(dict.fromkeys(names))
    ax.set_xticks(range(len(known)), known)
    ax.set_xlim(-0.5, len(known) - 0.5)
    return [known.index(name) for name in names]
