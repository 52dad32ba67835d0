"""Axes to draw into, how they look, and how a figure becomes a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by the colour-blind, and on paper (Okabe and Ito, Color universal design, 2008)."""
DPI = 120


def new_axes(ax: Axes | None = None, **figure: Any) -> Axes:
    """Return ``ax``, or where it is None the axes of a new figure.

    The figure belongs to nobody but its axes: pyplot, which keeps figures and looks for a screen,
    is not used. Letters that the font lacks come from another font (``pullback.plots.fonts``).

    Args:
        ax: axes to draw into, which stay as they look.
        figure: arguments of ``matplotlib.figure.Figure``, such as ``figsize=(6, 4)`` in inches.
    """
    return new_panels(1, 1, **figure)[0] if ax is None else ax


def new_panels(rows: int, columns: int, **figure: Any) -> list[Axes]:
    """Return ``rows * columns`` axes of a new figure, row by row; arguments as in ``new_axes``."""
    from pullback.plots.figure import Figure

    panels = Figure(**{"layout": "constrained", **figure})
    axes = [panels.add_subplot(rows, columns, 1 + place) for place in range(rows * columns)]
    for one in axes:
        one.set_prop_cycle(color=COLOURS)
        one.set_axisbelow(True)
        one.grid(alpha=0.3)
    return axes


def fit_fonts(artist: Any) -> None:
    """Give the texts of your own figure or axes fonts for letters that theirs lack.

    Those of ``new_axes`` do it by themselves whenever they are drawn.
    """
    from pullback.plots import fonts

    fonts.fit_fonts(artist)


def save(ax: Axes, file: str | Path | IO[bytes], **options: Any) -> None:
    """Write the figure that ``ax`` stands in to a file; its kind is that of the file's name."""
    figure: Any = ax.figure
    figure.savefig(file, **{"dpi": DPI, **options})


def picture(ax: Axes, **options: Any) -> bytes:
    """Return the figure that ``ax`` stands in as the bytes of a PNG file."""
    file = io.BytesIO()
    save(ax, file, format="png", **options)
    return file.getvalue()


def plain(name: str, longest: int | None = None) -> str:
    """Return a name for a picture: its dollars are no formulas, and a long one is cut."""
    short = name if longest is None or len(name) <= longest else name[: longest - 1] + "…"
    return short.replace("$", r"\$")
