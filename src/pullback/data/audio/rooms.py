"""Features as in rooms that are more or less quiet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pullback.core.random import generator
from pullback.data.dataset import Dataset
from pullback.data.rows import padded


def in_rooms(features: Dataset, floor: float, decibels: float, seed: int = 0) -> Dataset:
    r"""Return logarithms of power with a floor under each example's that is drawn at random.

    :math:`y_{tb} = \log(e^{x_{tb}} + f\,10^{u / 10})` with ``u`` uniform within ``decibels`` of 0:
    what is below the noise of a room is not heard.

    Args:
        features: examples ``(N, T, B)`` of logarithms of power, such as those of ``LogMel`` with a
            floor far below.
        floor: ``f``, a power.
        decibels: how far the floor goes up and down.
        seed: another seed gives other rooms.
    """
    draws = generator(seed, "rooms").uniform(-decibels, decibels, len(features))
    floors = (floor * 10 ** (draws / 10)).astype(features.x.dtype)
    return replace(features, x=np.log(np.exp(features.x) + floors[:, None, None]))


def heard(features: Dataset, quiet: float = 0.01) -> Dataset:
    """Return examples without their quiet beginning and end.

    A frame is quiet whose power, the mean over its bands, is at most ``quiet`` times that of the
    loudest frame of the example; of one that is as quiet throughout everything is kept.

    Args:
        features: examples ``(N, T, B)`` of logarithms of power, with their lengths.
        quiet: a share.
    """
    assert features.lengths is not None
    rows = []
    for row, count in zip(features.x, features.lengths, strict=True):
        power = np.exp(row[:count]).mean(axis=1)
        loud = np.flatnonzero(power > quiet * power.max())
        rows.append(row[loud[0] : loud[-1] + 1])
    x, lengths = padded(rows)
    return replace(features, x=x, lengths=lengths)
