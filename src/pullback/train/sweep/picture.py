"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from pullback.train.sweep.table import Row, value_of

WIDE = 20
"""From a quotient of the ends on, numbers stand on a logarithmic axis."""
LONGEST = 14
"""Characters of a value that is no number."""


def draw(rows: tuple[Row, ...], by: str, path: str | Path | IO[bytes]) -> None:
    """Draw the figure ``by`` over every setting that varies; a point is a run."""
    # The figure class alone: pyplot would look for a screen, and costs most of a second.
    from matplotlib.figure import Figure

    shown = [row for row in rows if value_of(row, by) is not None]
    keys = list(dict.fromkeys(key for row in shown for key in row["point"]))
    figure = Figure(figsize=(4 * len(keys), 3.6), layout="constrained")
    values = [value_of(row, by) for row in shown]
    for position, key in enumerate(keys, start=1):
        axes = figure.add_subplot(1, len(keys), position)
        _place(axes, [row["point"].get(key) for row in shown], values)
        axes.set_xlabel(key)
        if position == 1:
            axes.set_ylabel(by)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _place(axes: Any, settings: list[Any], values: list[Any]) -> None:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in settings):
        if min(settings) > 0 and max(settings) > WIDE * min(settings):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        axes.plot(settings, values, "o", alpha=0.7)
        return
    names = list(dict.fromkeys(str(value) for value in settings))
    axes.plot([names.index(str(value)) for value in settings], values, "o", alpha=0.7)
    axes.set_xticks(range(len(names)), [name[:LONGEST] for name in names])
    axes.set_xlim(-0.5, len(names) - 0.5)
