"""Texts that a language model writes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.text.tokens import UNKNOWN, Tokenizer
from pullback.decode import Incremental, sample_tokens, token_probabilities
from pullback.train.model import Model

TEXT = {
    "no_text": "this model was not trained on text: it has no tokenizer",
    "no_writer": "this model writes no text: expected scores of the next token at every step",
    "no_prompt": "the prompt is empty; expected at least one character",
    "length": "length={length!r}; expected a whole number of at least 1",
}


def generate(
    model: Model,
    prompt: str = "\n",
    *,
    length: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    cache: bool = True,
) -> Iterator[str]:
    """Return, piece by piece, the text with which a language model goes on from ``prompt``.

    Each token is drawn with the probabilities that the model gives it after those before. Where
    the network has a longest sequence and it is full, the second half of it is read anew, and
    becomes the first half. The same seed draws the same text, with the cache as without.

    Args:
        model: a network that scores the next token at each step, trained on text.
        prompt: what the text begins with; it is not repeated.
        length: tokens to write.
        temperature, top_k, top_p: see ``pullback.decode.token_probabilities``.
        seed: another seed draws another text.
        cache: whether to keep what is needed of the tokens before (``pullback.decode.Incremental``)
            or to read everything anew for each token.

    Raises:
        ConfigError: the model writes no text, the prompt is empty, or a value cannot be used.
        DataError: a character of the prompt that the model does not know.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise ConfigError(TEXT["no_text"])
    if len(model.net.spec(model.spec).shape) != 2:  # type: ignore[union-attr]
        raise ConfigError(TEXT["no_writer"])
    if type(length) is not int or length < 1:
        raise ConfigError(TEXT["length"].format(length=length))
    given = [int(token) for token in tokenizer.encode(prompt)]
    if not given:
        raise ConfigError(TEXT["no_prompt"])
    token_probabilities(np.zeros((1, 1)), temperature, top_k, top_p)  # refused before the first
    writer = _Writer(model, given, cache)

    def tokens() -> Iterator[int]:
        for step in range(length):
            chosen = sample_tokens(
                writer.scores(), seed=seed, step=step, temperature=temperature, top_k=top_k,
                top_p=top_p,
            )  # fmt: skip
            writer.tokens.append(int(chosen[0]))
            yield writer.tokens[-1]

    return _pieces(tokenizer, tokens())


class _Writer:
    """The tokens so far, and the scores of the next one."""

    def __init__(self, model: Model, tokens: list[int], cache: bool) -> None:
        self.tokens, self._cache = list(tokens), cache
        self._net = Incremental(model.net, model.theta, model.state)
        self._most = model.net.most_steps
        self._first = max(0, len(tokens) - (self._most or len(tokens)))

    def scores(self) -> np.ndarray:
        """Return ``(1, tokens)``."""
        if self._most is not None and len(self.tokens) - self._first > self._most:
            self._first = len(self.tokens) - max(1, self._most // 2)
            self._net.restart()
        if not self._cache:
            self._net.restart()
        new = self.tokens[self._first + self._net.done :]
        return self._net.step(np.array([new]))[:, -1]


def _pieces(tokenizer: Tokenizer, tokens: Iterator[int]) -> Iterator[str]:
    """Return the text as it comes; the bytes of a character may be those of several tokens."""
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        text = tokenizer.decode(waiting)
        if not text.endswith(UNKNOWN):
            yield text
            waiting = []
    if waiting:
        yield tokenizer.decode(waiting)
