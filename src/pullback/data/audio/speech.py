"""Spoken digits: 3,000 recordings of six speakers. Free Spoken Digit Dataset; CC BY-SA 4.0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pullback.core.errors import DataError
from pullback.data.audio.recordings import Recordings, joined, read_recordings
from pullback.data.audio.utterance import utterance
from pullback.data.dataset import Data

FILE = "free-spoken-digits.zip"
ATTRIBUTION = "Free Spoken Digit Dataset: Z. Jackson and others; CC BY-SA 4.0"
TAKES = "takes"
AROUND = 2000
"""Samples before and after an utterance that are kept for training."""


def read_digits(folder: Path, around: int = 0) -> Recordings:
    """Return all recordings of the zip file in ``folder``, each as ``utterance`` makes it.

    Raises:
        DataError: it is missing or damaged.
    """
    if not (folder / FILE).is_file():
        raise DataError(
            f"{folder / FILE}: there is no such file; put the recordings of the Free Spoken Digit "
            "Dataset there, {digit}_{speaker}_{take}.wav in one zip file"
        )
    found = read_recordings(folder / FILE)
    return replace(found, samples=tuple(utterance(x, around) for x in found.samples), name="speech")


def read(folder: Path, held: str = TAKES) -> Data:
    """Return the spoken digits as samples, 8,000 a second, NaN behind the end of each.

    Those for testing are without what is quiet around them, as is a recording that is to be
    recognised. Those for training have up to a quarter of a second of it: how much of it is heard
    depends on the noise of a room, see ``in_rooms`` and ``heard``.

    Args:
        folder: where the zip file is.
        held: what is held out for testing: ``"takes"``, the first five recordings of every digit
            by every speaker, as its authors do; or the name of a speaker.

    Raises:
        ConfigError: there is no such speaker.
        DataError: the file is missing or damaged.
    """
    (rest, _), (_, test) = (
        every.by_take() if held == TAKES else every.by_speaker(held)
        for every in (read_digits(folder, AROUND), read_digits(folder))
    )
    longest = max(map(len, (*rest.samples, *test.samples)))
    return Data(
        train=rest.dataset(longest),
        test=test.dataset(longest),
        name="speech",
        attribution=ATTRIBUTION,
        rate=test.rate,
    )


def connected(folder: Path, count: int = 3000, tests: int = 600) -> Data:
    """Return sequences of three to six spoken digits by one speaker; see ``joined``.

    Those for testing are made of the first five recordings of every digit by every speaker, those
    for training of all others.

    Args:
        folder: where the zip file is.
        count: sequences for training.
        tests: sequences for testing.

    Raises:
        DataError: the file is missing or damaged.
    """
    every = read_digits(folder)
    parts = [joined(part, n) for part, n in zip(every.by_take(), (count, tests), strict=True)]
    longest = max(part.x.shape[1] for part in parts)
    train, test = (replace(part, x=_wider(part.x, longest), name="connected") for part in parts)
    return Data(train, test, name="connected", attribution=ATTRIBUTION, rate=every.rate)


def _wider(x: np.ndarray, width: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, width - x.shape[1])), constant_values=np.nan)
