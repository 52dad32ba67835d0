"""Texts that a language model writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.core.map import Map, Params
from pullback.core.spec import Spec
from pullback.decode.incremental import Incremental
from pullback.decode.sampling import sample_tokens, token_probabilities

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What bytes are decoded as that are no whole character."""
TEXT = {
    "no_text": "this model was not trained on text: it has no tokenizer",
    "no_writer": "this model writes no text: it does not score the next token after each token",
    "length": "length={length!r}; expected a whole number of at least 1",
    "empty": "the prompt is empty; expected at least one character",
    "unknown": "the prompt: {error}",
}


class Codec(Protocol):
    """A tokenizer, as ``pullback.data.text`` has them."""

    @property
    def size(self) -> int:
        """How many tokens there are."""

    def encode(self, text: str) -> np.ndarray:
        """Return the tokens of a text."""

    def decode(self, ids: Any) -> str:
        """Return the text of tokens."""


class LanguageModel(Protocol):
    """A trained network with its tokenizer, as ``pullback.Model`` is one."""

    @property
    def net(self) -> Map:
        """The network."""

    @property
    def theta(self) -> Params:
        """Its parameters."""

    @property
    def state(self) -> Mapping[str, Any]:
        """Its state."""

    @property
    def spec(self) -> Spec:
        """The spec of the windows that it was trained on."""

    @property
    def tokenizer(self) -> Codec | None:
        """What makes tokens of text, if anything does."""


def generate(
    model: LanguageModel,
    prompt: str,
    *,
    length: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    cache: bool = True,
) -> Iterator[str]:
    """Return, piece by piece, the text with which a language model goes on from ``prompt``.

    Each token is drawn with the probabilities that the model gives it after those before. A network
    with attention or positions (``Map.windowed``) sees no more tokens at once than in training:
    when such a window is full, its last half becomes the first half of the next one. The same seed
    draws the same text, with the cache as without.

    Args:
        model: a network that scores the next token after each token, trained on text.
        prompt: what the text begins with; it is not repeated.
        length: how many tokens to write.
        temperature, top_k, top_p: see ``token_probabilities``.
        seed: another seed draws another text.
        cache: whether to keep what is needed of the tokens before (``Incremental``), or to read the
            whole window anew for each token.

    Raises:
        ConfigError: the model writes no text, the prompt is empty, or a value cannot be used.
        DataError: a character of the prompt that the model does not know.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise ConfigError(TEXT["no_text"])
    if getattr(model.net.spec(model.spec), "shape", ())[1:] != (tokenizer.size,):
        raise ConfigError(TEXT["no_writer"])
    if type(length) is not int or length < 1:
        raise ConfigError(TEXT["length"].format(length=length))
    token_probabilities(np.zeros((1, 1)), temperature, top_k, top_p)  # refuses what it cannot use
    try:
        given: list[int] = tokenizer.encode(prompt).tolist()
    except DataError as error:
        raise DataError(TEXT["unknown"].format(error=error)) from None
    if not given:
        raise ConfigError(TEXT["empty"])
    writer = _Writer(model, given, cache)

    def drawn() -> Iterator[int]:
        for step in range(length):
            (token,) = sample_tokens(
                writer.scores(), seed=seed, step=step, temperature=temperature, top_k=top_k,
                top_p=top_p,
            )  # fmt: skip
            writer.tokens.append(int(token))
            yield writer.tokens[-1]

    return _pieces(tokenizer, given[-1:], drawn())


class _Writer:
    """The tokens so far, and the scores of the next one."""

    def __init__(self, model: LanguageModel, tokens: list[int], cache: bool) -> None:
        self.tokens, self._cache, self._first = tokens, cache, 0
        self._net = Incremental(model.net, model.theta, model.state)
        self._most = model.spec.shape[0] if model.net.windowed else None

    def scores(self) -> np.ndarray:
        """Return ``(1, K)``."""
        if self._most is not None and len(self.tokens) - self._first > self._most:
            self._first = len(self.tokens) - (self._most // 2 or 1)
            self._net.restart()
        if not self._cache:
            self._net.restart()
        new = self.tokens[self._first + self._net.done :]
        return self._net.step(np.array([new]))[:, -1]


def _pieces(tokenizer: Codec, before: list[int], tokens: Iterator[int]) -> Iterator[str]:
    """Return the text as it comes, when the bytes of a character are complete."""
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        text = _text_after(tokenizer, before, waiting)
        if text and not text.endswith(UNFINISHED):
            yield text
            before, waiting = waiting[-1:], []
    if rest := _text_after(tokenizer, before, waiting):
        yield rest


def _text_after(tokenizer: Codec, before: list[int], tokens: list[int]) -> str:
    """Return what tokens add to the text before them, a space between words included."""
    return tokenizer.decode(before + tokens)[len(tokenizer.decode(before)) :]
