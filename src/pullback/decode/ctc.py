"""Labels from the outputs of a network that was trained with ``CTC``; class 0 is the blank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.stable import log_softmax

BLANK = 0
NEVER = -math.inf


def ctc_greedy(y: np.ndarray, frames: Any = None) -> list[list[int]]:
    """Return the labels that the most probable path of each example spells.

    The largest output of each frame, repetitions merged, blanks taken out. Graves, Fernandez,
    Gomez, Schmidhuber (2006), section 3.2, "best path decoding".

    Args:
        y: ``(N, T, K)`` logits or logarithms of probabilities.
        frames: ``(N,)`` how many frames each example has; by default all ``T``.

    Raises:
        ShapeError: shapes that do not fit.
    """
    lengths = _frames(y, frames)
    best = y.argmax(axis=-1)
    starts = np.ones(best.shape, bool)
    starts[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = starts & (best != BLANK) & (np.arange(y.shape[1]) < lengths[:, None])
    return [row[mask].tolist() for row, mask in zip(best, kept, strict=True)]


def ctc_beam(
    y: np.ndarray, frames: Any = None, width: int = 16
) -> list[list[tuple[list[int], float]]]:
    r"""Return the most probable labels of each example, with the logarithms of their probability.

    Frame by frame, the ``width`` most probable beginnings are kept, each with the probabilities of
    its paths that end in a blank and of those that do not: paths that spell the same are added, as
    in the loss. With a width that loses nothing the probabilities are exact. Graves and others
    (2006), section 3.2; as a beam: Hannun and others, "First-pass large vocabulary continuous
    speech recognition using bi-directional recurrent DNNs" (2014), algorithm 1.

    Args:
        y: ``(N, T, K)`` logits.
        frames: ``(N,)`` how many frames each example has; by default all ``T``.
        width: beginnings that are kept.

    Returns:
        For each example up to ``width`` pairs of labels and log-probability, the best first.

    Raises:
        ConfigError: a width that is not a whole number above 0.
        ShapeError: shapes that do not fit.
    """
    if type(width) is not int or width < 1:
        raise ConfigError(f"width={width!r}; expected a whole number of at least 1")
    lengths = _frames(y, frames)
    log_p = log_softmax(np, np.asarray(y, np.float64))
    return [_beam(each[:n], width) for each, n in zip(log_p, lengths, strict=True)]


def _frames(y: np.ndarray, frames: Any) -> np.ndarray:
    if y.ndim != 3:
        raise ShapeError(f"expected outputs (N, frames, classes), found {y.shape}")
    lengths = np.full(len(y), y.shape[1]) if frames is None else np.asarray(frames)
    if lengths.shape != (len(y),) or np.any(lengths > y.shape[1]):
        raise ShapeError(f"numbers of frames {lengths.tolist()} for outputs {y.shape}")
    return lengths


def _beam(log_p: np.ndarray, width: int) -> list[tuple[list[int], float]]:
    """Return the best beginnings of one example ``(T, K)``."""
    # of each beginning: its paths that end in a blank, and those that end in its last label
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, NEVER)}
    for row in log_p.tolist():
        coming: dict[tuple[int, ...], list[float]] = {}

        def add(
            labels: tuple[int, ...], kind: int, value: float, into: dict[Any, list[float]] = coming
        ) -> None:
            pair = into.setdefault(labels, [NEVER, NEVER])
            pair[kind] = _log_add(pair[kind], value)

        for labels, (blank, label) in beams.items():
            both = _log_add(blank, label)
            add(labels, 0, both + row[BLANK])
            if labels:  # once more the same, without a blank between
                add(labels, 1, label + row[labels[-1]])
            for k in range(1, len(row)):
                before = blank if labels and labels[-1] == k else both
                if before != NEVER:
                    add((*labels, k), 1, before + row[k])
        ranked = sorted(coming.items(), key=lambda item: (-_log_add(*item[1]), item[0]))
        beams = {labels: (pair[0], pair[1]) for labels, pair in ranked[:width]}
    return [(list(labels), _log_add(*pair)) for labels, pair in beams.items()]


def _log_add(a: float, b: float) -> float:
    """Return ``log(exp(a) + exp(b))``."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
