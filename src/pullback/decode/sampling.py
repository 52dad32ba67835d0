"""Tokens drawn from the outputs of a language model."""

from __future__ import annotations

import numpy as np

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.random import uniform_rows
from pullback.core.stable import softmax


def token_probabilities(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    r"""Return the probabilities ``(N, K)`` that tokens are drawn with.

    ``softmax(logits / temperature)``, of which only the ``top_k`` largest are kept, and of these
    the fewest whose sum reaches ``top_p``; what is kept is divided by its sum. Of equal ones the
    first are kept. Temperature 0 keeps the largest alone. Top-k: Fan, Lewis, Dauphin (2018); top-p:
    Holtzman and others, "The curious case of neural text degeneration" (2020), equation 2.

    Raises:
        ConfigError: a temperature below 0, ``top_k`` below 1, or ``top_p`` outside (0, 1].
        ShapeError: logits other than ``(N, K)``.
    """
    if logits.ndim != 2 or not logits.shape[1]:
        raise ShapeError(f"expected logits (N, tokens), found {logits.shape}")
    if not temperature >= 0:
        raise ConfigError(f"temperature={temperature!r}; expected a number of at least 0")
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise ConfigError(f"top_k={top_k!r}; expected a whole number of at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p={top_p!r}; expected a number above 0, and at most 1")
    wide = np.asarray(logits, np.float64)
    if temperature == 0:
        p = np.zeros_like(wide)
        p[np.arange(len(wide)), wide.argmax(axis=1)] = 1.0
        return p
    # the largest first taken out, so that a small temperature does not overflow
    p = softmax(np, (wide - wide.max(axis=1, keepdims=True)) / temperature)
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=1)
    if top_k is not None:
        ranked[:, top_k:] = 0
    if top_p is not None:
        ranked /= ranked.sum(axis=1, keepdims=True)
        # a token is kept while those before it do not reach the sum
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[before >= top_p] = 0
    np.put_along_axis(p, order, ranked, axis=1)
    kept: np.ndarray = p / p.sum(axis=1, keepdims=True)
    return kept


def sample_tokens(
    logits: np.ndarray,
    *,
    seed: int,
    step: int,
    first: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """Return a token ``(N,)`` for each row of logits ``(N, K)``.

    The draw is a function of the seed, the step (the place in the text) and the row: the same text
    comes out however many rows are drawn at once, and with a cache as without.

    Args:
        logits: outputs of the model.
        seed: another seed draws other tokens.
        step: the place of the token in the text.
        first: the number of the first row, where these are a part of more.
        temperature, top_k, top_p: see ``token_probabilities``.
    """
    p = token_probabilities(logits, temperature, top_k, top_p)
    u = uniform_rows(seed, "decode", "sample", step=step, first=first, shape=(len(p), 1))
    sums = np.cumsum(p, axis=1)
    # u is below 1, but rounding may leave the last sum below u
    chosen = (sums <= u * sums[:, -1:]).sum(axis=1)
    tokens: np.ndarray = np.minimum(chosen, p.shape[1] - 1)
    return tokens
