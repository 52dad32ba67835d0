"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from pullback.train.sweep.table import Row, shown, value_of

WIDE = 5
"""From a quotient of the ends on, numbers stand on a logarithmic axis."""
LONGEST = 16
"""Characters of a value that is no number."""
COLOURS = 10


def draw(rows: tuple[Row, ...], by: str, path: str | Path | IO[bytes]) -> None:
    """Draw the figure ``by`` over every setting that varies; a point is a run.

    The colour is the first setting that is no number.
    """
    # The figure class alone: pyplot would look for a screen, and costs most of a second.
    from matplotlib.figure import Figure

    drawn = [row for row in rows if value_of(row, by) is not None]
    columns: dict[str, list[Any]] = {
        key: [row["point"].get(key) for row in drawn]
        for key in dict.fromkeys(key for row in drawn for key in row["point"])
    }
    figure = Figure(figsize=(4 * len(columns), 3.6), layout="constrained")
    values: list[Any] = [value_of(row, by) for row in drawn]
    words = [key for key, settings in columns.items() if not _numbers(settings)]
    groups = _names(columns[words[0]]) if words else [""] * len(drawn)
    for position, (key, settings) in enumerate(columns.items(), start=1):
        axes = figure.add_subplot(1, len(columns), position)
        places = _places(axes, settings)
        for count, group in enumerate(dict.fromkeys(groups)):
            own = [i for i, name in enumerate(groups) if name == group]
            dots = [places[i] for i in own], [values[i] for i in own]
            axes.plot(*dots, "o", alpha=0.7, color=f"C{count % COLOURS}", label=group)
        axes.set_xlabel(key)
        if position == 1:
            axes.set_ylabel(by)
        axes.grid(alpha=0.3)
        if words and _numbers(settings):
            axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def _numbers(settings: list[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in settings)


def _names(settings: list[Any]) -> list[str]:
    return [shown(value)[:LONGEST] for value in settings]


def _places(axes: Any, settings: list[Any]) -> list[Any]:
    """Return where each setting stands on the axis, which is made to suit them."""
    if _numbers(settings):
        if min(settings) > 0 and max(settings) >= WIDE * min(settings):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        return settings
    names = _names(settings)
    known = list(dict.fromkeys(names))
    axes.set_xticks(range(len(known)), known)
    axes.set_xlim(-0.5, len(known) - 0.5)
    return [known.index(name) for name in names]
