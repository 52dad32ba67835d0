"""Spoken words: which of them a recording is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pullback.data.audio import at_speeds, coloured, transformed
from pullback.data.dataset import Data
from pullback.losses import CrossEntropy
from pullback.maps import LSTM, CenterSteps, Chain, Dropout, Linear, Padded, Parallel, bidirectional
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.recipes.sounds import listening, mel_of, recordings_of
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model_file import NAME

EPOCHS, BATCH_SIZE, LR = 6, 64, 0.003
SMOOTHING, DROPOUT = 0.1, 0.5
SPEEDS, COLOUR = (0.8, 0.9, 1.1, 1.2), 1.0


def speech(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    units: int = 64,
    speeds: Sequence[float] = SPEEDS,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train an LSTM on recordings of words and measure it on those held out.

    Args:
        data: samples with NaN behind their end, and their rate; see ``pullback.data.audio``.
        out: the run's folder; ``figures.json`` is added to its files.
        epochs: how often to go through the recordings.
        seed: decides the start, the order and the noise.
        units: numbers in the state of each direction.
        speeds: at which the recordings are played again in training.
        callbacks: called with the events of training.
    """
    test, classes = data.test, data.classes
    assert test is not None
    assert classes is not None
    mel = mel_of(data)
    spoken = at_speeds(recordings_of(data, data.train), speeds)
    run = fit(
        speech_network(len(classes), units),
        coloured(transformed(spoken.dataset(), mel), COLOUR, seed),
        loss=CrossEntropy(SMOOTHING),
        optimizer=AdamW(OneCycle(LR)),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, len(spoken)),
        seed=seed,
        normalize="none",
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    model = listening(run.model, mel, data)
    model.save(Path(out) / NAME)
    figures = {
        "accuracy": float(np.mean(model.predict(test.x) == test.y)),
        "recordings": len(test),
        "seed": seed,
        "epochs": epochs,
    }
    write_figures(Path(out), figures)
    return Result(run, figures)


def speech_network(classes: int, units: int) -> Padded:
    """Return a network that reads features in both directions and decides at either end.

    Features come as they are and less their mean: the former know the vowel of a word that has but
    one, the latter no microphone.
    """
    both = Parallel(as_they_are=Chain(), centred=CenterSteps(), combine="concat")
    reader = bidirectional(LSTM(units, "last"))
    return Padded(Chain(both, reader, Dropout(DROPOUT), Linear(classes)))
