"""How much a figure would vary with the examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pullback.core.random import generator

RESAMPLES = 2000


def confidence_interval(
    figure: Callable[..., float],
    *arrays: np.ndarray,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the interval between two quantiles of a figure over resampled examples.

    Examples are drawn with replacement, as many as there are; of those whose first array says which
    class they have, as many of each class, so that both are always there. Efron and Tibshirani,
    "An introduction to the bootstrap" (1993), chapter 13: the percentile interval. It says nothing
    of how much training itself varies.

    Args:
        figure: of resampled ``arrays``.
        arrays: each ``(N,)``; the first one of truth values.
        seed: another seed, other examples.
        resamples: how often to draw.
        level: the share of the figures between the ends.
    """
    rng = generator(seed, "bootstrap")
    kinds = [np.flatnonzero(arrays[0] == kind) for kind in np.unique(arrays[0])]
    found = np.empty(resamples)
    for i in range(resamples):
        rows = np.concatenate([own[rng.integers(len(own), size=len(own))] for own in kinds])
        found[i] = figure(*(array[rows] for array in arrays))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
