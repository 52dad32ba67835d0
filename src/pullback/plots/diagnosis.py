"""How good a diagnosis is: ROC and precision-recall curves, reliability, risk and coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pullback.plots.base import COLOURS, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = Any


def curve(
    x: Numbers,
    y: Numbers,
    ax: Axes | None = None,
    *,
    steps: bool = False,
    diagonal: bool = False,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Draw a curve within the unit square, such as a ROC curve.

    Args:
        x, y: of its points, from 0 to 1.
        ax: axes to draw into; None for new ones.
        steps: whether it keeps each value up to the next place, as precision does over recall.
        diagonal: whether to draw what guessing would give.
        xlabel, ylabel, title: words.
    """
    ax = new_axes(ax, figsize=(4, 3.8))
    if diagonal:
        ax.plot((0, 1), (0, 1), ":", color="grey")
    ax.plot(x, y, drawstyle="steps-pre" if steps else "default", color=COLOURS[0])
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    return _named(ax, xlabel, ylabel, title)


def reliability(
    predicted: Numbers,
    observed: Numbers,
    count: Numbers,
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Draw how often what is so probable is true; a point is a bin, its size how many it has.

    Args:
        predicted, observed: the mean probability and the share that is true, of each bin.
        count: examples of each bin.
        ax: axes to draw into; None for new ones.
        xlabel, ylabel, title: words.
    """
    ax = curve(predicted, observed, ax, diagonal=True)
    most = max(count)
    ax.scatter(predicted, observed, [10 + 150 * n / most for n in count], color=COLOURS[0])
    return _named(ax, xlabel, ylabel, title)


def risk_coverage(
    coverage: Numbers,
    risk: Numbers,
    chosen: tuple[float, float],
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Draw the share of errors among those answered over the share of answers.

    Args:
        coverage, risk: of the curve's points.
        chosen: the point that was chosen.
        ax: axes to draw into; None for new ones.
        xlabel, ylabel, title: words.
    """
    ax = new_axes(ax, figsize=(4, 3.8))
    ax.plot(coverage, risk, color=COLOURS[0])
    ax.plot(*chosen, "o", color=COLOURS[1])
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(bottom=0)
    return _named(ax, xlabel, ylabel, title)


def _named(ax: Axes, xlabel: str, ylabel: str, title: str) -> Axes:
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title)
    return ax
