"""How the loss depends on the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pullback.plots.base import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[Sequence[float], Sequence[float]]


def learning_rates(
    rates: Sequence[float],
    losses: Mapping[str, Sequence[float]],
    trials: Mapping[str, Curve],
    limits: Iterable[tuple[float, str, str]],
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
) -> Axes:
    """Draw a range test, trials, and limits.

    Args:
        rates: the learning rates of the range test.
        losses: by name, its losses of single batches and then the smoothed ones.
        trials: by name, learning rates and the losses that trials of one length end at.
        limits: learning rates to mark, each with the style of its line and its name.
        ax: axes to draw into; None for new ones.
        xlabel, ylabel: words for the learning rate and the loss.
    """
    ax = new_axes(ax, figsize=(7, 4.2))
    (batch, each), (smooth, smoothed) = losses.items()
    ax.plot(rates, each, ".", color="0.75", ms=4, label=batch)
    ax.plot(rates, smoothed, label=smooth)
    for marker, (name, (x, y)) in zip("o^", trials.items(), strict=False):
        ax.plot(x, y, f"{marker}:", label=name)
    for place, style, name in limits:
        ax.axvline(place, color="0.2", ls=style, lw=1, label=name)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    lowest, highest = min(smoothed), max(smoothed[0], min(smoothed))
    ax.set_ylim(min(0.0, lowest), 2 * highest)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend(loc="upper left", fontsize="small")
    return ax
