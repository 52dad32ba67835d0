"""Spoken words one after another: which they are, without saying when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pullback.data.audio import for_ctc, transformed
from pullback.data.dataset import Data
from pullback.decode import error_rate
from pullback.losses import CTC
from pullback.maps import (
    LSTM,
    CenterSteps,
    Chain,
    Conv1d,
    Dropout,
    Linear,
    Padded,
    ReLU,
    Trim,
    bidirectional,
)
from pullback.optim import AdamW, ClipGlobalNorm, chain
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.recipes.sounds import listening, mel_of
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.hearing import words_heard
from pullback.train.model_file import NAME

EPOCHS, BATCH_SIZE, LR = 20, 32, 0.003
REACH, STRIDE = 5, 2
DROPOUT = 0.3


def connected(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    units: int = 128,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a network on sequences of words by CTC and measure the errors on those held out.

    Args:
        data: samples with NaN behind their end, and their rate; targets are class numbers in
            order; see ``pullback.data.audio.joined``.
        out: the run's folder; ``figures.json`` is added to its files.
        epochs: how often to go through the sequences.
        seed: decides the start, the order and the noise.
        units: numbers in the state of each direction.
        callbacks: called with the events of training.
    """
    test = data.test
    assert test is not None
    mel = mel_of(data)
    run = fit(
        connected_network(int(data.train.y.max()) + 2, units),
        for_ctc(transformed(data.train, mel), STRIDE),
        loss=CTC("zero"),
        optimizer=chain(ClipGlobalNorm(1.0), AdamW(OneCycle(LR))),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, len(data.train)),
        seed=seed,
        normalize="none",
        metrics=(),
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    model = listening(run.model, Chain(mel, run.model.net), data)
    model.save(Path(out) / NAME)
    right = [[label for label in row if label >= 0] for row in test.y.tolist()]
    found = words_heard(model, test.x)
    figures = {
        "error_rate": error_rate(found, right),
        "all_right": sum(a == b for a, b in zip(found, right, strict=True)) / len(right),
        "sequences": len(right),
        "words": sum(map(len, right)),
        "seed": seed,
        "epochs": epochs,
    }
    write_figures(Path(out), figures)
    return Result(run, figures)


def connected_network(outputs: int, units: int) -> Padded:
    """Return a network that gives, for every second frame of features, a score of each word.

    Output 0 is the blank of ``CTC``.
    """
    front = (Trim(), Conv1d(units // 2, REACH, STRIDE), ReLU(), Dropout(DROPOUT))
    reader = bidirectional(LSTM(units))
    return Padded(Chain(CenterSteps(), *front, reader, Dropout(DROPOUT), Linear(outputs)))
