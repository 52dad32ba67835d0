"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from pullback.plots import new_panels, points, save
from pullback.plots.points import numbers
from pullback.train.sweep.table import Row, shown, value_of


def draw(rows: tuple[Row, ...], by: str, path: str | Path | IO[bytes]) -> None:
    """Draw the figure ``by`` over every setting that varies; a point is a run.

    The colour is the first setting that is no number.
    """
    drawn = [row for row in rows if value_of(row, by) is not None]
    values: list[Any] = [value_of(row, by) for row in drawn]
    columns: dict[str, list[Any]] = {
        key: [row["point"].get(key) for row in drawn]
        for key in dict.fromkeys(key for row in drawn for key in row["point"])
    }
    words = [key for key, settings in columns.items() if not numbers(settings)]
    groups = [shown(value) for value in columns[words[0]]] if words else None
    panels = new_panels(1, len(columns), figsize=(4 * len(columns), 3.6))
    for ax, (key, settings) in zip(panels, columns.items(), strict=True):
        places = settings if numbers(settings) else [shown(value) for value in settings]
        ylabel = by if ax is panels[0] else ""
        points(places, values, ax, groups=groups, xlabel=key, ylabel=ylabel)
    save(panels[0], path)
