"""What the recipes for speech share: features once for all epochs, and in the model after them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.core.theta import Layout
from pullback.data.audio import Recordings
from pullback.data.dataset import Data, Dataset
from pullback.maps import LogMel
from pullback.train.model import Model

MELS, FLOOR = 24, 0.002
"""Bands, and what is added to the power of each, see ``LogMel``: about 25 dB below loud speech."""


def mel_of(data: Data) -> LogMel:
    """Return the map from samples to features."""
    assert data.rate is not None
    return LogMel(data.rate, mels=MELS, floor=FLOOR)


def recordings_of(data: Data, part: Dataset) -> Recordings:
    """Return a data set's examples as recordings."""
    assert data.rate is not None
    assert part.lengths is not None
    samples = tuple(np.asarray(x[:n]) for x, n in zip(part.x, part.lengths, strict=True))
    nobody, first = ("",) * len(samples), np.zeros(len(samples), np.int64)
    return Recordings(samples, part.y, part.classes or (), nobody, first, data.rate, part.name)


def listening(model: Model, net: Map, data: Data) -> Model:
    """Return a model of features as one of sounds, ``net``, with the same parameters."""
    x = Spec(data.train.x.shape[1:])
    theta = Layout.of(net.params(x)).view(model.theta.flat)
    return replace(model, net=net, theta=theta, input=x, rate=data.rate)
