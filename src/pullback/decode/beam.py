"""Beam search: the most probable sequences that a model writes token by token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.stable import log_softmax

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``(prefixes (B, L), rows (B,)) -> logits (B, K)`` of the next token. ``rows`` says which row of
the last call each prefix goes on from, so that what was kept of it can be put in order."""


@dataclass(frozen=True)
class Hypothesis:
    """A sequence without its begin and end, the logarithm of its probability, and its score."""

    tokens: tuple[int, ...]
    log_p: float
    score: float


def beam_search(
    step: Step,
    count: int,
    *,
    begin: int,
    end: int,
    width: int = 5,
    longest: int = 64,
    alpha: float = 0.6,
) -> list[list[Hypothesis]]:
    r"""Return the best sequences for each of ``count`` examples.

    From the beginning on, the ``width`` most probable unfinished sequences of each example are
    kept; a token at a time goes on from each, and what it may end in is set aside. Sequences are
    ranked by :math:`\log p / ((5 + n) / 6)^\alpha`, ``n`` tokens with the end, so that long ones
    are not at a disadvantage; ``alpha`` 0 ranks by probability. The search stops when no unfinished
    sequence can be better than the ``width`` best that are finished. Wu and others, "Google's
    neural machine translation system" (2016), equation 14.

    Args:
        step: the model, on rows ``example * width + beam``; at first all beams of an example are
            the same.
        count: how many examples.
        begin: the token that every sequence begins with.
        end: the token that ends it.
        width: sequences that are kept.
        longest: tokens of a sequence, the end among them; one that has not ended by then is taken
            as it is.
        alpha: see above.

    Returns:
        For each example up to ``width`` hypotheses, the best first.

    Raises:
        ConfigError: a width or a length that is not a whole number above 0, or ``alpha`` below 0.
        ShapeError: the model gives something else than logits ``(count width, K)``.
    """
    for name, given in (("width", width), ("longest", longest), ("count", count)):
        if type(given) is not int or given < 1:
            raise ConfigError(f"{name}={given!r}; expected a whole number of at least 1")
    if not alpha >= 0:
        raise ConfigError(f"alpha={alpha!r}; expected a number of at least 0")
    prefixes = np.full((count, width, 1), begin)
    log_p = np.full((count, width), -np.inf)
    log_p[:, 0] = 0.0  # the beams are still the same: only one of them counts
    rows = np.arange(count * width)
    done: list[list[Hypothesis]] = [[] for _ in range(count)]

    def penalty(length: int) -> float:
        return float(((5 + length) / 6) ** alpha)

    for length in range(1, longest + 1):
        logits = np.asarray(step(prefixes.reshape(count * width, length), rows))
        if logits.ndim != 2 or len(logits) != count * width:
            raise ShapeError(f"expected logits ({count * width}, tokens), found {logits.shape}")
        classes = logits.shape[1]
        every = log_p[..., None] + log_softmax(np, logits.astype(np.float64)).reshape(
            count, width, classes
        )
        for example in range(count):
            for beam in np.flatnonzero(np.isfinite(every[example, :, end])):
                tokens = tuple(prefixes[example, beam, 1:].tolist())
                value = float(every[example, beam, end])
                done[example].append(Hypothesis(tokens, value, value / penalty(length)))
            done[example] = _best(done[example], width)
        every[..., end] = -np.inf
        flat = every.reshape(count, width * classes)
        order = np.argsort(-flat, axis=1, kind="stable")[:, :width]
        log_p = np.take_along_axis(flat, order, axis=1)
        parents, tokens_next = np.divmod(order, classes)
        prefixes = np.concatenate(
            [np.take_along_axis(prefixes, parents[..., None], axis=1), tokens_next[..., None]],
            axis=2,
        )
        rows = (np.arange(count)[:, None] * width + parents).reshape(-1)
        # The score of an unfinished sequence is at most that at the greatest length.
        bound = log_p[:, 0] / penalty(longest)
        if all(
            len(found) >= width and found[-1].score >= bound[example]
            for example, found in enumerate(done)
        ):
            return done
    for example in range(count):
        for beam in np.flatnonzero(np.isfinite(log_p[example])):
            value = float(log_p[example, beam])
            tokens = tuple(prefixes[example, beam, 1:].tolist())
            done[example].append(Hypothesis(tokens, value, value / penalty(longest)))
        done[example] = _best(done[example], width)
    return done


def _best(found: list[Hypothesis], width: int) -> list[Hypothesis]:
    return sorted(found, key=lambda each: (-each.score, each.tokens))[:width]
