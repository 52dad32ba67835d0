"""Text to numbers and back: bytes, characters and words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.core.registry import Registry

UNKNOWN = "�"
"""What stands for a character that is not in the vocabulary."""
WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


class Tokenizer:
    """Base: text to token numbers ``0..size - 1`` and back; subclasses are frozen dataclasses.

    ``specials`` are names such as ``"<end>"`` of tokens that stand for no text. They come last in
    the numbers, text is never encoded as one of them, and decoding leaves them out.
    """

    specials: tuple[str, ...] = ()

    @property
    def plain(self) -> int:
        """How many tokens stand for text."""
        raise NotImplementedError

    def numbers(self, text: str) -> np.ndarray:
        """Return the token numbers of a text."""
        raise NotImplementedError

    def text(self, numbers: list[int]) -> str:
        """Return the text of token numbers below ``plain``."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.plain + len(self.specials)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest of int16 and int32 that holds all tokens, and -1 for padding."""
        return np.dtype(np.int16 if self.size <= np.iinfo(np.int16).max else np.int32)

    def special(self, name: str) -> int:
        """Return the number of a special token.

        Raises:
            ConfigError: there is none of this name.
        """
        if name not in self.specials:
            known = ", ".join(self.specials) or "none"
            raise ConfigError(f"no special token {name!r}; there are: {known}")
        return self.plain + self.specials.index(name)

    def encode(self, text: str) -> np.ndarray:
        """Return the token numbers ``(n,)`` of a text."""
        return self.numbers(text).astype(self.dtype, copy=False)

    def decode(self, ids: Any) -> str:
        """Return the text of token numbers; special tokens and padding (below 0) are left out.

        Raises:
            DataError: a number that is no token.
        """
        found = np.asarray(ids).reshape(-1)
        if found.size and found.max() >= self.size:
            raise DataError(f"token {int(found.max())}; expected numbers below {self.size}")
        return self.text(found[(found >= 0) & (found < self.plain)].tolist())

    def complete(self, text: str) -> int:
        """Return how much of ``text`` can be encoded whatever may follow it.

        A text may be encoded piece by piece: what is before this place, and the rest together
        with what comes next, give the same tokens as the whole.
        """
        return len(text)


TOKENIZERS: Registry[Tokenizer] = Registry("tokenizer")


@TOKENIZERS.register
@dataclass(frozen=True)
class Bytes(Tokenizer):
    """The 256 bytes of UTF-8: no vocabulary, nothing unknown, long sequences.

    >>> Bytes().encode("é").tolist()
    [195, 169]
    """

    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))

    @property
    def plain(self) -> int:
        """256."""
        return 256

    def numbers(self, text: str) -> np.ndarray:
        """Return the bytes."""
        return np.frombuffer(text.encode("utf-8", "replace"), np.uint8)

    def text(self, numbers: list[int]) -> str:
        """Return the text; bytes that are not UTF-8 become U+FFFD."""
        return bytes(numbers).decode("utf-8", "replace")


@TOKENIZERS.register
@dataclass(frozen=True)
class Characters(Tokenizer):
    """A token for each character of an alphabet, and one for all others where ``unknown``.

    >>> letters = Characters.of(["a bad cab"])
    >>> letters.alphabet, letters.decode(letters.encode("bad"))
    ('a bcd', 'bad')

    Args:
        alphabet: the characters, each once.
        unknown: whether other characters become one token of their own, which is decoded as
            U+FFFD; else they are refused.
        specials: names of tokens that stand for no text.

    Raises:
        ConfigError: a character that comes twice.
    """

    alphabet: str
    unknown: bool = True
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))
        twice = [c for c, count in Counter(self.alphabet).items() if count > 1]
        if twice:
            raise ConfigError(f"Characters: {twice[0]!r} is twice in the alphabet")

    @classmethod
    def of(
        cls, texts: Iterable[str], fewest: int = 1, unknown: bool = True, specials: Any = ()
    ) -> Characters:
        """Return the characters that come at least ``fewest`` times, the most frequent first."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls("".join(_frequent(counts, fewest)), unknown, tuple(specials))

    @property
    def plain(self) -> int:
        """The length of the alphabet, and 1 for the unknown."""
        return len(self.alphabet) + self.unknown

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        codes = np.array([ord(c) for c in self.alphabet], np.uint32)
        places = np.argsort(codes)
        return codes[places], places

    def numbers(self, text: str) -> np.ndarray:
        """Return the places in the alphabet.

        Raises:
            DataError: a character that is not in it, where none may be unknown.
        """
        codes, places = self._sorted
        given = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        if not len(codes):
            found, known = np.zeros(len(given), np.int64), np.zeros(len(given), bool)
        else:
            near = np.minimum(np.searchsorted(codes, given), len(codes) - 1)
            found, known = places[near], codes[near] == given
        if not known.all():
            if not self.unknown:
                first = int(np.flatnonzero(~known)[0])
                raise DataError(
                    f"character {first}: {text[first]!r} is not one of the {len(self.alphabet)} "
                    "known ones; an alphabet with unknown=True takes others too"
                )
            found = np.where(known, found, len(self.alphabet))
        return found

    def text(self, numbers: list[int]) -> str:
        """Return the characters."""
        letters = self.alphabet + UNKNOWN
        return "".join([letters[i] for i in numbers])


@TOKENIZERS.register
@dataclass(frozen=True)
class Words(Tokenizer):
    """A token for each word of a vocabulary, and one for all others.

    Words are runs of letters and digits (with an apostrophe within), and other characters one by
    one; spaces are lost, so that decoding gives the words with spaces between.

    >>> words = Words.of(["to be or not to be"])
    >>> words.encode("To be!").tolist(), words.decode([1, 0])
    ([1, 0, 4], 'to be')

    Args:
        vocabulary: the words, each once.
        lower: whether upper case becomes lower case first.
        specials: names of tokens that stand for no text.
    """

    vocabulary: tuple[str, ...]
    lower: bool = True
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "specials", tuple(self.specials))
        if len(set(self.vocabulary)) < len(self.vocabulary):
            raise ConfigError("Words: a word is twice in the vocabulary")

    @classmethod
    def of(
        cls, texts: Iterable[str], fewest: int = 1, most: int | None = None,
        lower: bool = True, specials: Any = (),
    ) -> Words:  # fmt: skip
        """Return the ``most`` most frequent words that come at least ``fewest`` times."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(WORD.findall(text.lower() if lower else text))
        return cls(tuple(_frequent(counts, fewest)[:most]), lower, tuple(specials))

    @property
    def plain(self) -> int:
        """The length of the vocabulary, and 1 for the unknown."""
        return len(self.vocabulary) + 1

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.vocabulary)}

    def numbers(self, text: str) -> np.ndarray:
        """Return the places in the vocabulary."""
        places, unknown = self._places, len(self.vocabulary)
        words = WORD.findall(text.lower() if self.lower else text)
        return np.array([places.get(word, unknown) for word in words], np.int64)

    def text(self, numbers: list[int]) -> str:
        """Return the words with spaces between."""
        return " ".join([(*self.vocabulary, UNKNOWN)[i] for i in numbers])

    def complete(self, text: str) -> int:
        """Return the place behind the last space."""
        return last_space(text) + 1


def last_space(text: str) -> int:
    """Return the place of the last white space, or -1."""
    return next((i for i in range(len(text) - 1, -1, -1) if text[i].isspace()), -1)


def _frequent(counts: Counter[str], fewest: int) -> list[str]:
    """Return what comes at least ``fewest`` times, the most frequent first, then by its letters."""
    found = [item for item, count in counts.items() if count >= fewest]
    return sorted(found, key=lambda item: (-counts[item], item))
