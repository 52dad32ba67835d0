"""Features as through other microphones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pullback.core.random import generator
from pullback.data.dataset import Dataset

CURVES = 6


def coloured(features: Dataset, strength: float = 1.0, seed: int = 0) -> Dataset:
    r"""Return logarithms of power with a random smooth curve over the bands added to each example.

    :math:`y_{tb} = x_{tb} + \sum_{k=0}^{5} a_k \cos(\pi k b / (B - 1))`, the same in all frames,
    with :math:`a_k \sim N(0, s^2 / \max(k, 1))`: what another microphone or room does.

    Args:
        features: examples ``(N, T, B)`` of logarithms of power, such as those of ``LogMel``.
        strength: ``s``, in nats; 1 is 4.3 dB.
        seed: another seed gives other curves.
    """
    count, _, bands = features.x.shape
    waves = np.cos(np.pi * np.outer(np.arange(CURVES), np.linspace(0, 1, bands)))
    scales = strength / np.sqrt(np.maximum(np.arange(CURVES), 1))
    draws = generator(seed, "coloured").standard_normal((count, CURVES))
    curves = (draws * scales) @ waves
    return replace(features, x=features.x + curves[:, None].astype(features.x.dtype))
