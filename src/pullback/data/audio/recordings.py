"""Recordings of words: read from a folder or a zip file, parted, padded, joined."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError, DataError
from pullback.core.map import Map
from pullback.core.random import generator
from pullback.data.audio.resample import resample
from pullback.data.audio.wav import Sound, read_wav
from pullback.data.dataset import Dataset
from pullback.data.rows import padded

RATE = 8000
MOST_SAMPLES = 1 << 29
"""Samples that are held in memory, 4 bytes each."""


@dataclass(frozen=True, eq=False)
class Recordings:
    """Sounds of one rate, each of a class.

    Attributes:
        samples: each ``(n,)`` float32 in [-1, 1].
        labels: ``(N,)`` class numbers.
        classes: their names.
        speakers: who speaks in each; empty strings where it is not known.
        takes: ``(N,)`` which of the speaker's recordings of the class it is.
        rate: samples a second.
        name: what messages call them.
    """

    samples: tuple[np.ndarray, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    speakers: tuple[str, ...]
    takes: np.ndarray
    rate: int = RATE
    name: str = "recordings"

    def __len__(self) -> int:
        return len(self.samples)

    def where(self, chosen: np.ndarray) -> Recordings:
        """Return those of the mask ``chosen (N,)``."""
        rows = np.flatnonzero(chosen)
        return replace(
            self,
            samples=tuple(self.samples[i] for i in rows),
            labels=self.labels[rows],
            speakers=tuple(self.speakers[i] for i in rows),
            takes=self.takes[rows],
        )

    def by_speaker(self, speaker: str) -> tuple[Recordings, Recordings]:
        """Return ``(rest, held)``, all of one speaker being held out.

        Raises:
            ConfigError: there is no such speaker.
        """
        held = np.array([each == speaker for each in self.speakers], bool)
        if not held.any():
            known = ", ".join(sorted(set(self.speakers)))
            raise ConfigError(f"{self.name}: no speaker {speaker!r}; expected one of {known}")
        return self.where(~held), self.where(held)

    def by_take(self, takes: Sequence[int] = range(5)) -> tuple[Recordings, Recordings]:
        """Return ``(rest, held)``, the recordings with these numbers being held out."""
        held = np.isin(self.takes, list(takes))
        return self.where(~held), self.where(held)

    def dataset(self, samples: int | None = None) -> Dataset:
        """Return them as examples ``(N, samples)``, NaN behind the end of each.

        Args:
            samples: by default those of the longest; longer recordings lose their end.
        """
        x, lengths = padded(self.samples, samples)
        return Dataset(x, self.labels, None, self.classes, self.name, lengths)


def read_recordings(path: str | Path, rate: int = RATE) -> Recordings:
    """Return the WAV files of a zip file, read in place, or of a folder.

    Files are called ``class_speaker_take.wav``, in whatever folder, or ``class/anything.wav``. The
    classes are their names, sorted. What is hidden and what is no ``.wav`` is left out. Sounds of
    another rate are resampled.

    Raises:
        DataError: there is no such file, it is no zip file, it has no recordings, or more than 2 GB
            of them, or one of them cannot be read; the file in it and the byte are named.
    """
    found: list[tuple[str, str, int, np.ndarray]] = []
    total = 0
    for name, sound in _sounds(Path(path)):
        label, speaker, take = _named(name)
        found.append((label, speaker, take, resample(sound, rate).samples))
        total += len(found[-1][-1])
        if total > MOST_SAMPLES:
            raise DataError(f"{path}: more than {MOST_SAMPLES:,} samples; read it in parts")
    if not found:
        raise DataError(f"{path}: no files class_speaker_take.wav or class/name.wav in it")
    classes = tuple(sorted({label for label, *_ in found}))
    number = {label: i for i, label in enumerate(classes)}
    return Recordings(
        samples=tuple(samples for *_, samples in found),
        labels=np.array([number[label] for label, *_ in found], np.int64),
        classes=classes,
        speakers=tuple(speaker for _, speaker, *_ in found),
        takes=np.array([take for *_, take, _ in found], np.int64),
        rate=rate,
        name=Path(path).stem,
    )


def _named(name: str) -> tuple[str, str, int]:
    """Return class, speaker and take of a file's name within its zip file or folder."""
    path = Path(name)
    parts = path.stem.rsplit("_", 2)
    if len(parts) == 3 and parts[2].isascii() and parts[2].isdigit():
        return parts[0], parts[1], int(parts[2])
    return path.parent.name, "", 0


def _wanted(name: str) -> bool:
    path = Path(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    classed = len(path.parts) > 1 or _named(name)[1]
    return path.suffix.lower() == ".wav" and not hidden and bool(classed)


def _sounds(path: Path) -> Iterator[tuple[str, Sound]]:
    """Yield the name and the sound of each file, in the order of the names."""
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        for name in sorted(str(file.relative_to(path)) for file in files):
            if _wanted(name):
                yield name, read_wav(path / name)
        return
    try:
        with zipfile.ZipFile(path) as content:
            for info in sorted(content.infolist(), key=lambda each: each.filename):
                if not info.is_dir() and _wanted(info.filename):
                    with content.open(info) as file:
                        yield info.filename, read_wav(file, f"{path}: {info.filename}")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError is what a file that needs a password raises
        raise DataError(f"{path}: not a zip file that can be read ({error})") from None


def joined(
    recordings: Recordings,
    count: int,
    seed: int = 0,
    *,
    fewest: int = 3,
    most: int = 6,
    pause: float = 0.1,
    through: Map | None = None,
) -> Dataset:
    """Return sequences of words, each made of recordings of one speaker, one after another.

    Sequence number ``i`` is a function of the seed, ``i`` and the recordings: its speaker, how many
    words, which recordings (drawn with equal chances), and the silence after each.

    Args:
        recordings: the words.
        count: how many sequences.
        seed: another seed gives other sequences.
        fewest, most: words of a sequence.
        pause: the longest silence between two words, in seconds.
        through: a map without parameters, such as ``LogMel``, that each sequence goes through, so
            that only its result is kept.

    Returns:
        Examples ``(count, samples)``, or what the map makes of them, NaN behind the end of each;
        targets ``(count, most)``, the class numbers in order, -1 behind the end. ``for_ctc`` makes
        of them targets of the loss ``CTC``.

    Raises:
        ConfigError: numbers of words or a pause that cannot be.
        ShapeError: the map cannot take sequences so short.
    """
    if not (1 <= fewest <= most and pause >= 0 and count >= 1 and len(recordings)):
        raise ConfigError(
            f"joined: count={count}, fewest={fewest}, most={most}, pause={pause} of "
            f"{len(recordings)} recordings; expected 1 <= fewest <= most and a pause of at least 0"
        )
    speakers = sorted(set(recordings.speakers))
    rows = {s: [i for i, each in enumerate(recordings.speakers) if each == s] for s in speakers}
    x, y = [], []
    for index in range(count):
        rng = generator(seed, "joined", recordings.name, step=index)
        own = rows[speakers[rng.integers(len(speakers))]]
        chosen = [own[i] for i in rng.integers(len(own), size=rng.integers(fewest, most + 1))]
        silences = np.floor(rng.random(len(chosen)) * pause * recordings.rate).astype(int)
        silences[-1] = 0
        pieces = [
            piece
            for i, silence in zip(chosen, silences, strict=True)
            for piece in (recordings.samples[i], np.zeros(silence, np.float32))
        ]
        whole = np.concatenate(pieces)
        x.append(whole if through is None else _through(through, whole[None])[0])
        y.append(recordings.labels[chosen])
    examples, lengths = padded(x)
    return Dataset(examples, padded(y, most)[0], None, None, recordings.name, lengths)


def _through(net: Map, x: np.ndarray) -> np.ndarray:
    from pullback.core.spec import spec_of

    net.spec(spec_of(x))
    y, _ = net.forward({}, x, Context())
    return np.asarray(y)


def transformed(dataset: Dataset, net: Map, at_once: int = 64) -> Dataset:
    """Return the data set with its examples gone through a map without parameters.

    Lengths become those of the results: the positions before those that are NaN throughout.

    Raises:
        ShapeError: the map cannot take such examples.
    """
    starts = range(0, len(dataset), at_once)
    x = np.concatenate([_through(net, dataset.x[i : i + at_once]) for i in starts])
    lengths = None
    if dataset.lengths is not None:
        lengths = (~np.isnan(x.reshape(*x.shape[:2], -1)).all(axis=2)).sum(axis=1)
        x = x[:, : max(1, int(lengths.max(initial=0)))]
    return replace(dataset, x=x, lengths=lengths)


def at_speeds(recordings: Recordings, speeds: Sequence[float], seed: int = 0) -> Recordings:
    """Return every recording played at one of the speeds, drawn at random.

    Pitch, resonances and tempo change together, as if another voice had spoken. Ko, Peddinti,
    Povey, Khudanpur, "Audio augmentation for speech recognition" (2015).

    Args:
        recordings: sounds.
        speeds: 1.1 is a tenth faster, and so much shorter; 1 is as it was.
        seed: another seed draws other speeds.
    """
    drawn = generator(seed, "speeds").integers(0, len(speeds), len(recordings))
    played = [
        x
        if speeds[i] == 1
        else resample(Sound(x, round(recordings.rate * speeds[i])), recordings.rate).samples
        for x, i in zip(recordings.samples, drawn.tolist(), strict=True)
    ]
    return replace(recordings, samples=tuple(played))


def for_ctc(dataset: Dataset, stride: int = 1) -> Dataset:
    """Return the data set with targets of the loss ``CTC``: frames, then labels from 1 on.

    Args:
        dataset: examples with lengths; its class numbers, from 0, become labels from 1.
        stride: how many positions of an example the network makes one frame of, the last perhaps
            of fewer: strides of ``Conv1d`` with ``"same"`` padding, multiplied.

    Raises:
        DataError: its examples have no lengths, or its targets are no class numbers.
    """
    y = dataset.y.reshape(len(dataset), -1)
    if dataset.lengths is None or y.dtype.kind not in "ui":
        raise DataError(f"{dataset.name}: expected examples with lengths, and class numbers")
    labels: Any = np.where(y < 0, -1, y.astype(np.int64) + 1)
    frames = -(-dataset.lengths[:, None] // stride)
    targets = np.concatenate([frames, labels], axis=1)
    return replace(dataset, y=targets, classes=None)
