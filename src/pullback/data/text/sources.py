"""Texts that can be named: plays, film reviews, messages, translations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.data.dataset import Data, Dataset
from pullback.data.split import split
from pullback.data.text.bpe import BytePairs
from pullback.data.text.labelled import Pairs, Texts, read_files, read_pairs, read_table
from pullback.data.text.readers import read_text
from pullback.data.text.tokens import Characters, Tokenizer, Words
from pullback.data.text.windows import windows

FOLDS = 10
ATTRIBUTIONS = {
    "shakespeare": "Tiny Shakespeare: A. Karpathy, char-rnn",
    "reviews": "Polarity dataset 2.0: B. Pang and L. Lee (2004)",
    "messages": "SMS Spam Collection: T. Almeida, J. Gomez Hidalgo; UCI; CC BY 4.0",
    "translation": "Multi30k, task 1: D. Elliott and others (2016)",
}
FILES = {
    "shakespeare": ("text", "tinyshakespeare.txt"),
    "reviews": ("text", "review_polarity.tar.gz"),
    "messages": ("text", "SMSSpamCollection"),
    "translation": ("translation", "train.en.gz"),
}
"""The folder and the file (of several, the first) of each."""


def shakespeare(folder: Path, length: int = 64) -> Data:
    """Return plays of Shakespeare as windows of characters.

    The first 90% are for training, the last 10% for testing.

    Args:
        folder: where the file is.
        length: characters of a window.
    """
    text = read_text(_file(folder, "shakespeare"))
    letters = Characters("".join(sorted(set(text))), unknown=False)
    ids = letters.encode(text)
    cut = int(0.9 * len(ids))
    return Data(
        train=windows(ids[:cut], length, name="shakespeare"),
        test=windows(ids[cut:], length, stride=length, name="shakespeare (test)"),
        name="shakespeare",
        attribution=ATTRIBUTIONS["shakespeare"],
        tokenizer=letters,
    )


def read_reviews(folder: Path) -> Texts:
    """Return the 2,000 film reviews, negative and positive."""
    return read_files(_file(folder, "reviews"))


def folds(texts: Texts) -> np.ndarray:
    """Return ``(N,)`` which of ten parts a review is in: the hundreds of its number.

    Part 0 are ``cv000`` to ``cv099``, 100 reviews of each class.
    """
    numbers = [re.match(r"cv(\d)\d\d", Path(name).name) for name in texts.names]
    if not all(numbers):
        raise DataError(f"{texts.name}: a file whose name is not cv and a number of three digits")
    return np.array([int(found[1]) for found in numbers if found])


def reviews(folder: Path, fold: int = 9, length: int = 1000, vocabulary: int = 20000) -> Data:
    """Return film reviews as words, one of ten folds being for testing.

    Args:
        folder: where the archive is; it is read in place.
        fold: which fold is held out, from 0 to 9; see ``folds``.
        length: words of a review; of longer ones the last are left out.
        vocabulary: the most frequent words of the training part.
    """
    if fold not in range(FOLDS):
        raise ConfigError(f"reviews: fold={fold!r}; expected a whole number from 0 to {FOLDS - 1}")
    every = read_reviews(folder)
    held = folds(every) == fold
    train, test = every.rows(np.flatnonzero(~held)), every.rows(np.flatnonzero(held))
    return _labelled("reviews", train, test, Words.of(train.texts, most=vocabulary), length)


def read_messages(folder: Path) -> Texts:
    """Return the 5,574 text messages, ``ham`` and ``spam``."""
    return read_table(_file(folder, "messages"))


def messages(folder: Path, length: int = 100, size: int = 2000, seed: int = 0) -> Data:
    """Return text messages as byte pairs; a fifth of each class is for testing.

    Args:
        folder: where the file is.
        length: tokens of a message; of longer ones the last are left out.
        size: of the vocabulary, trained on the training part.
        seed: decides which messages are held out.
    """
    every = read_messages(folder)
    numbered = Dataset(np.arange(len(every)), every.labels, None, every.classes, "messages")
    rest, held = split(numbered, 1 / 5, seed, "stratified")
    train, test = every.rows(rest.x), every.rows(held.x)
    return _labelled("messages", train, test, BytePairs.train(train.texts, size), length)


def _labelled(name: str, train: Texts, test: Texts, tokenizer: Tokenizer, length: int) -> Data:
    return Data(
        train=replace(train, name=name).dataset(tokenizer, length),
        test=replace(test, name=f"{name} (test)").dataset(tokenizer, length),
        name=name,
        attribution=ATTRIBUTIONS[name],
        tokenizer=tokenizer,
    )


PARTS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}


def read_translations(
    folder: Path, part: str = "train", source: str = "en", target: str = "de"
) -> Pairs:
    """Return sentences and their translations: 29,000, 1,014 or 1,000.

    Args:
        folder: where the files are.
        part: ``"train"``, ``"validation"`` or ``"test"``.
        source, target: ``"en"`` and ``"de"``, or the other way round.
    """
    if part not in PARTS or {source, target} != {"en", "de"}:
        raise ConfigError(
            f"translation: part={part!r} from {source!r} to {target!r}; expected one of "
            f"{', '.join(PARTS)}, and en and de"
        )
    files = (folder / f"{PARTS[part]}.{language}.gz" for language in (source, target))
    return read_pairs(*files)


def translation(
    folder: Path,
    size: int = 4000,
    longest: int | None = None,
    source: str = "en",
    target: str = "de",
) -> Data:
    """Return sentences with translations as byte pairs; see ``Pairs.dataset`` for their layout.

    One vocabulary for both languages, trained on the training part.

    Args:
        folder: where the files are.
        size: of the vocabulary, with ``<begin>`` and ``<end>``.
        longest: tokens of a sentence in either language; longer ones are cut. By default none is.
        source, target: ``"en"`` and ``"de"``, or the other way round.
    """
    train, test = (read_translations(folder, part, source, target) for part in ("train", "test"))
    pairs = BytePairs.train((*train.sources, *train.targets), size, ("<begin>", "<end>"))
    both = Pairs((*train.sources, *test.sources), (*train.targets, *test.targets), "translation")
    every = both.dataset(pairs, pairs, longest)  # one width for both parts
    return Data(
        train=every[: len(train)],
        test=replace(every[len(train) :], name="translation (test)"),
        name="translation",
        attribution=ATTRIBUTIONS["translation"],
        tokenizer=pairs,
    )


READERS: dict[str, Callable[..., Data]] = {
    "shakespeare": shakespeare,
    "reviews": reviews,
    "messages": messages,
    "translation": translation,
}


def _file(folder: Path, name: str) -> Path:
    path = folder / FILES[name][1]
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; {ATTRIBUTIONS[name]}")
    return path
