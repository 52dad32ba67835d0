"""The ``tokenizers`` library behind the interface of our own tokenizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.data.text.tokens import TOKENIZERS, Tokenizer


@TOKENIZERS.register
@dataclass(frozen=True)
class Library(Tokenizer):
    """A tokenizer of the ``tokenizers`` library, as the text of its ``tokenizer.json``.

    Fast, and what published models come with. Needs ``pip install 'pullback[text]'``. Tokens that
    the library itself calls special are text here; ``specials`` come behind all of its own.

    Raises:
        ConfigError: the library is not installed, or the text is none of its tokenizers.
    """

    json: str
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))
        _ = self._own

    @classmethod
    def read(cls, path: str | Path, specials: Any = ()) -> Library:
        """Return the tokenizer of a ``tokenizer.json``.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            return cls(Path(path).read_text("utf-8"), tuple(specials))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read as text ({error})") from None

    @classmethod
    def train(cls, texts: Iterable[str], size: int, specials: Any = ()) -> Library:
        """Return byte pairs trained by the library; ``size`` counts the special tokens."""
        library = _library()
        own = library.Tokenizer(library.models.BPE())
        own.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        own.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size - len(specials), show_progress=False, special_tokens=[],
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        own.train_from_iterator(texts, trainer)
        return cls(own.to_str(), tuple(specials))

    @cached_property
    def _own(self) -> Any:
        library = _library()
        try:
            return library.Tokenizer.from_str(self.json)
        except Exception as error:  # the library has no class of its own for this
            reason = " ".join(str(error).split())
            raise ConfigError(f"Library: not a tokenizer of the library ({reason})") from None

    @property
    def plain(self) -> int:
        """The size of the library's vocabulary."""
        return int(self._own.get_vocab_size())

    def numbers(self, text: str) -> np.ndarray:
        """Return what the library makes of it, without tokens that it adds of itself."""
        return np.array(self._own.encode(text, add_special_tokens=False).ids, np.int64)

    def text(self, numbers: list[int]) -> str:
        """Return the text."""
        return str(self._own.decode(numbers, skip_special_tokens=False))

    def complete(self, text: str) -> int:
        """Return the place of the last space, where its tokenizers may be cut."""
        return max(0, text.rfind(" "))


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ConfigError(
            "the tokenizers library is not installed; pip install 'pullback[text]', or use "
            "BytePairs, which needs nothing"
        ) from None
    return tokenizers
