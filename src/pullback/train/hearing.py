"""What models of sound hear: a class, or words in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pullback.core.errors import DataError
from pullback.data.audio import read_wav, resample, utterance
from pullback.data.rows import padded
from pullback.decode import ctc_greedy
from pullback.losses import CTC
from pullback.train.model import Model

TEXT = {
    "too_long": "{path}: {found:.1f} s of sound; this model hears up to {most:.1f} s at once",
}


def sound_example(model: Model, path: str | Path) -> np.ndarray:
    """Return a WAV file as an example ``(samples,)`` of a model that was trained on sounds.

    Any rate and any number of channels; without the silence around it, see ``utterance``.

    Raises:
        DataError: it is no WAV file that can be read, or longer than the model's examples.
    """
    assert model.rate is not None
    samples = utterance(resample(read_wav(path), model.rate).samples)
    most = model.input.shape[0]
    if len(samples) > most:
        found, limit = len(samples) / model.rate, most / model.rate
        raise DataError(TEXT["too_long"].format(path=path, found=found, most=limit))
    example: np.ndarray = padded([samples], most)[0][0]
    return example


def hears_words(model: Model) -> bool:
    """Whether a model hears words in order: it was trained with ``CTC``."""
    return model.rate is not None and isinstance(model.loss, CTC)


def words_heard(model: Model, x: np.ndarray) -> list[list[int]]:
    """Return the class numbers, in order, that a model hears in each example ``(N, samples)``.

    Those of the most probable path, see ``pullback.decode.ctc_greedy``.
    """
    y = model.outputs(x)
    frames = (y != 0).any(axis=2).sum(axis=1)  # a padded network gives 0 beyond the end
    return [[label - 1 for label in labels] for labels in ctc_greedy(y, frames)]
