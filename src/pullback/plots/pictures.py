"""Pictures as they are, and boxes on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.plots.base import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]


def image(
    pixels: np.ndarray,
    ax: Axes | None = None,
    *,
    title: str = "",
    size: float = 9,
    color: str = "black",
    frame: bool = True,
    **style: Any,
) -> Axes:
    """Draw one picture without a scale.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``.
        ax: axes to draw into; None for new ones.
        title, size, color: what stands above it.
        frame: whether a line goes around it.
        style: arguments of ``Axes.imshow``, such as ``cmap="gray"``.
    """
    ax = new_axes(ax, figsize=(3, 3))
    ax.grid(visible=False)
    ax.imshow(pixels, **style)
    ax.set_xticks([])
    ax.set_yticks([])
    if not frame:
        ax.set_axis_off()
    ax.set_title(title, fontsize=size, color=color)
    return ax


def boxes(found: Iterable[tuple[Box, str, str]], ax: Axes | None = None) -> Axes:
    """Draw boxes, each ``(left, top, right, bottom)`` in pixels with its words and its colour."""
    from matplotlib.patches import Rectangle

    ax = new_axes(ax)
    for (left, top, right, bottom), words, color in found:
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=color))
        ax.text(left, top - 1, words, color=color, fontsize=7)
    return ax
