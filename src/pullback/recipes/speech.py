"""Spoken words: which of them a recording is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pullback.core.map import Map
from pullback.data.audio import Recordings, at_speeds, coloured, heard, in_rooms, transformed
from pullback.data.dataset import Data, Dataset
from pullback.data.rows import padded
from pullback.losses import CrossEntropy
from pullback.maps import (
    LSTM,
    CenterSteps,
    Chain,
    Dropout,
    GlobalAvgPool,
    Linear,
    LogMel,
    Padded,
    Parallel,
    Reshape,
    Shared,
    bidirectional,
)
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.recipes.sounds import listening, mel_of, recordings_of
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model_file import NAME

EPOCHS, BATCH_SIZE, LR = 4, 64, 0.003
SMOOTHING, DROPOUT = 0.1, 0.5
READERS, COPIES = 5, 12
SPEEDS = (0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25)
LISTENED = (0.9, 1.0, 1.1)
"""Speeds at which the trained readers hear a recording: its voice may be lower or higher."""
COLOUR, CENTRED_COLOUR, QUIETER = 1.0, 0.4, 10.0
"""Nats of the curves over the bands, as they are and centred; decibels by which rooms differ."""


def speech(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    units: int = 96,
    readers: int = READERS,
    copies: int = COPIES,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train LSTMs on recordings of words and measure them on those held out.

    They differ by their start alone. What they say of a recording at three speeds is averaged.

    Args:
        data: samples with NaN behind their end, and their rate; see ``pullback.data.audio``.
        out: the run's folder; ``figures.json`` is added to its files.
        epochs: how often to go through the copies of the recordings.
        seed: decides the start, the order and the noise.
        units: numbers in the state of each direction.
        readers: how many networks to train.
        copies: of each recording, each in another voice, through another microphone, in another
            room.
        callbacks: called with the events of training.
    """
    test, classes = data.test, data.classes
    assert test is not None
    assert classes is not None
    mel = mel_of(data)
    spoken = variations(recordings_of(data, data.train), mel, copies, seed)
    run = fit(
        Padded(Chain(side_by_side(len(classes), units, readers), Reshape((readers, len(classes))))),
        replace(spoken, y=np.repeat(spoken.y[:, None], readers, axis=1), classes=None),
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
    net = at_each_speed(mel, side_by_side(len(classes), units, readers), (readers, len(classes)))
    model = listening(replace(run.model, classes=classes), net, data)
    model.save(Path(out) / NAME)
    figures = {
        "accuracy": float(np.mean(model.predict(test.x) == test.y)),
        "recordings": len(test),
        "seed": seed,
        "epochs": epochs,
    }
    write_figures(Path(out), figures)
    return Result(run, figures)


def variations(spoken: Recordings, mel: LogMel, copies: int, seed: int) -> Dataset:
    """Return the features, both ways, of so many copies of each recording, no two alike."""
    fine, rows = replace(mel, floor=mel.floor / 1000), []
    for i in range(copies):
        copy = seed * copies + i
        features = transformed(at_speeds(spoken, SPEEDS, copy).dataset(), fine)
        features = heard(in_rooms(features, mel.floor, QUIETER, copy))
        centred = transformed(features, Padded(CenterSteps()))
        ways = (
            coloured(features, COLOUR, 2 * copy).x,
            coloured(centred, CENTRED_COLOUR, 2 * copy + 1).x,
        )
        assert features.lengths is not None
        rows += [
            row[:n] for row, n in zip(np.concatenate(ways, axis=2), features.lengths, strict=True)
        ]
    x, lengths = padded(rows)
    return replace(spoken.dataset(), x=x, y=np.tile(spoken.labels, copies), lengths=lengths)


def both_ways() -> Map:
    """Return the map to features as they are, and less their mean.

    The former know the vowel of a word that has but one, the latter no microphone.
    """
    return Parallel(as_they_are=Chain(), centred=CenterSteps(), combine="concat")


def at_each_speed(mel: LogMel, together: Map, scores: tuple[int, int]) -> Map:
    """Return the map from samples to the mean of the readers' scores at every speed."""
    heard_by = Shared("readers", Padded(Chain(both_ways(), together)))
    played = [Chain(replace(mel, speed=speed), heard_by) for speed in LISTENED]
    readers, classes = scores
    every = (len(played) * readers, classes)
    return Chain(Parallel(*played), Reshape(every), GlobalAvgPool())


def side_by_side(classes: int, units: int, readers: int) -> Map:
    """Return so many readers of the same features, their scores one after another."""
    return Parallel(*(reader(classes, units) for _ in range(readers)))


def reader(classes: int, units: int) -> Map:
    """Return a network that reads features in both directions and decides at either end."""
    return Chain(bidirectional(LSTM(units, "last")), Dropout(DROPOUT), Linear(classes))
