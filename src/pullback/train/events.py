"""What a run tells those who listen: frozen events, in the order in which they happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Started:
    """Training is about to begin, or to go on from ``epoch``."""

    epoch: int
    epochs: int
    steps_per_epoch: int
    train_examples: int
    validation_examples: int


@dataclass(frozen=True)
class Progress:
    """Somewhere inside an epoch; sent at most ten times a second."""

    epoch: int
    step: int
    steps_per_epoch: int
    figures: Mapping[str, Any]
    examples_per_second: float


@dataclass(frozen=True)
class Audited:
    """The gradient was checked after ``step`` updates; ``error`` is the worst, relative."""

    step: int
    error: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is complete: its ``figures`` are the record that the history keeps."""

    epoch: int
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Saved:
    """The model as it stands after ``epoch`` has been written to the file ``path``."""

    epoch: int
    path: Path


@dataclass(frozen=True)
class Sampled:
    """A text that the language model wrote after ``epoch``."""

    epoch: int
    text: str


@dataclass(frozen=True)
class Stopped:
    """Training is over; ``reason`` is one of ``pullback.train.loop.REASONS``."""

    reason: str
    epoch: int
    step: int


Event = Started | Progress | Audited | EpochEnded | Saved | Sampled | Stopped
Callback = Callable[[Event], None]
