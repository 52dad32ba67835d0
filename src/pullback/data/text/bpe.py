"""Byte-pair encoding: frequent neighbours become one token.

Training begins with the 256 bytes. Again and again, the pair of neighbouring tokens that is most
frequent in the text becomes a new token, until there are as many tokens as wanted. Encoding makes
the same mergers in the same order. Pairs are only looked for within words, so that a word is
encoded the same wherever it stands. Sennrich, Haddow, Birch, "Neural machine translation of rare
words with subword units" (2016), algorithm 1; on bytes, Radford and others (2019).
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.text.tokens import TOKENIZERS, Tokenizer, last_space

Pair = tuple[int, int]
LONGEST = 64
"""Characters of a word; a longer one is cut, so that no text takes more than linear time."""
PARTS = re.compile(rf" ?\w{{1,{LONGEST}}}| ?[^\w\s]{{1,{LONGEST}}}|\s")
"""A word or a run of signs, with the space before it, or a space: every text is a list of these."""
REMEMBERED = 1 << 16
"""Words whose tokens are kept for when they come again."""


@TOKENIZERS.register
@dataclass(frozen=True)
class BytePairs(Tokenizer):
    """Bytes, and tokens for frequent sequences of bytes; every text comes back exactly.

    Token ``256 + i`` stands for the two tokens ``merges[i]``.

    >>> pairs = BytePairs.train(["low lower lowest low"], size=259)
    >>> pairs.encode("lowly").tolist(), pairs.decode(pairs.encode("lowly"))
    ([257, 108, 121], 'lowly')

    Raises:
        ConfigError: a merger of tokens that are not there before it.
    """

    merges: tuple[Pair, ...] = ()
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        merges = tuple((int(a), int(b)) for a, b in self.merges)
        object.__setattr__(self, "merges", merges)
        object.__setattr__(self, "specials", tuple(self.specials))
        for i, pair in enumerate(merges):
            if not 0 <= min(pair) <= max(pair) < 256 + i:
                raise ConfigError(
                    f"BytePairs: merges[{i}]={pair}; expected tokens before {256 + i}"
                )
        if len(set(merges)) < len(merges):
            raise ConfigError("BytePairs: a pair is merged twice")

    @classmethod
    def train(cls, texts: Iterable[str], size: int, specials: Any = ()) -> BytePairs:
        """Return the tokens of ``texts``: 256 bytes, then mergers, until there are ``size``.

        There are fewer where no pair comes twice. Of equally frequent pairs the one with the
        smaller numbers is first. Special tokens are counted in ``size``.

        Raises:
            ConfigError: a size below that of the bytes and the special tokens.
        """
        wanted = size - 256 - len(specials)
        if wanted < 0:
            raise ConfigError(f"BytePairs: size={size}; expected at least {256 + len(specials)}")
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(PARTS.findall(text))
        return cls(tuple(_Trainer(counts).merges(wanted)), tuple(specials))

    @property
    def plain(self) -> int:
        """256 and the number of mergers."""
        return 256 + len(self.merges)

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: i for i, pair in enumerate(self.merges)}

    @cached_property
    def _bytes(self) -> list[bytes]:
        found = [bytes([i]) for i in range(256)]
        for a, b in self.merges:
            found.append(found[a] + found[b])
        return found

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        return {}

    def numbers(self, text: str) -> np.ndarray:
        """Return the tokens, word by word."""
        known, found = self._known, list[int]()
        for word in PARTS.findall(text):
            tokens = known.get(word)
            if tokens is None:
                tokens = self._merged(list(word.encode("utf-8", "replace")))
                if len(known) < REMEMBERED:
                    known[word] = tokens
            found += tokens
        return np.array(found, np.int64)

    def _merged(self, tokens: list[int]) -> list[int]:
        """Return the tokens of a word, the earliest merger first."""
        ranks, none = self._ranks, len(self.merges)
        while len(tokens) > 1:
            best = min((ranks.get(pair, none) for pair in pairwise(tokens)), default=none)
            if best == none:
                break
            tokens = _replaced(tokens, self.merges[best], 256 + best)
        return tokens

    def text(self, numbers: list[int]) -> str:
        """Return the text; bytes that are not UTF-8 become U+FFFD."""
        return b"".join([self._bytes[i] for i in numbers]).decode("utf-8", "replace")

    def complete(self, text: str) -> int:
        """Return where the last word begins, which may go on."""
        last = last_space(text)
        if last > 0:  # a space is always the first of a part
            return last
        for match in PARTS.finditer(text):
            last = match.start()
        return last


def _replaced(tokens: list[int], pair: Pair, new: int) -> list[int]:
    """Return a list with every ``pair``, from the left, replaced by ``new``."""
    found, i = list[int](), 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            found.append(new)
            i += 2
        else:
            found.append(tokens[i])
            i += 1
    return found


class _Trainer:
    """The words of a text as tokens, and how often each pair is in them."""

    def __init__(self, counts: Counter[str]) -> None:
        self._words = [list(word.encode("utf-8", "replace")) for word in counts]
        self._times = list(counts.values())
        self._pairs: Counter[Pair] = Counter()
        self._where: defaultdict[Pair, set[int]] = defaultdict(set)
        for i, word in enumerate(self._words):
            for pair in pairwise(word):
                self._pairs[pair] += self._times[i]
                self._where[pair].add(i)
        # Entries whose count is no longer true are thrown away when they come up.
        self._heap = [(-count, pair) for pair, count in self._pairs.items()]
        heapq.heapify(self._heap)

    def merges(self, wanted: int) -> list[Pair]:
        """Return up to ``wanted`` mergers."""
        found: list[Pair] = []
        while self._heap and len(found) < wanted:
            count, pair = heapq.heappop(self._heap)
            if -count != self._pairs[pair]:
                continue
            if -count < 2:
                break
            self._merge(pair, 256 + len(found))
            found.append(pair)
        return found

    def _merge(self, pair: Pair, new: int) -> None:
        changed: set[Pair] = set()
        for i in self._where.pop(pair):
            word, times = self._words[i], self._times[i]
            merged = _replaced(word, pair, new)
            for old in pairwise(word):
                self._pairs[old] -= times
                changed.add(old)
            for fresh in pairwise(merged):
                self._pairs[fresh] += times
                self._where[fresh].add(i)
                changed.add(fresh)
            self._words[i] = merged
        del self._pairs[pair]
        for each in changed - {pair}:
            if self._pairs[each] > 0:
                heapq.heappush(self._heap, (-self._pairs[each], each))
