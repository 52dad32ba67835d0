"""Texts with classes, and texts with their translations: from tables, folders and archives."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pullback.core.errors import DataError
from pullback.data.dataset import Dataset
from pullback.data.rows import padded
from pullback.data.text.readers import LARGEST_TEXT, lines, read_rows, read_text
from pullback.data.text.tokens import Tokenizer

LARGEST_FILE = 1 << 24
"""Bytes of one text in an archive."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts, each of a class.

    Attributes:
        texts: the texts.
        labels: ``(N,)`` class numbers.
        classes: their names.
        names: of the file or line that each came from.
        name: what messages call them.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    names: tuple[str, ...]
    name: str = "texts"

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, index: np.ndarray) -> Texts:
        """Return those at the positions ``index``."""
        return replace(
            self,
            texts=tuple(self.texts[i] for i in index),
            labels=self.labels[index],
            names=tuple(self.names[i] for i in index),
        )

    def dataset(self, tokenizer: Tokenizer, length: int | None = None) -> Dataset:
        """Return them as tokens ``(N, length)``, -1 behind the end of each.

        Args:
            tokenizer: makes the tokens.
            length: by default that of the longest text; longer ones lose their end.
        """
        x, lengths = padded([tokenizer.encode(text) for text in self.texts], length)
        return Dataset(x, self.labels, None, self.classes, self.name, lengths)


def _texts(found: Sequence[tuple[str, str, str]], name: str) -> Texts:
    """Return what was found as (class, text, name)."""
    classes = tuple(sorted({label for label, *_ in found}))
    number = {label: i for i, label in enumerate(classes)}
    labels = np.array([number[label] for label, *_ in found], np.int64)
    texts, names = (tuple(each[i] for each in found) for i in (1, 2))
    return Texts(texts, labels, classes, names, name)


def read_table(
    path: str | Path, separator: str = "\t", label: int = 0, text: int = 1, header: bool = False
) -> Texts:
    """Return the texts of a TSV or CSV file, a text a row.

    Args:
        path: the file, packed by gzip or not.
        separator: between the fields.
        label, text: which fields hold the class and the text, from 0.
        header: whether the first row holds names of fields.

    Raises:
        DataError: see ``read_rows``; or a row has too few fields, or there are no rows.
    """
    found = []
    for i, (line, row) in enumerate(read_rows(path, separator)):
        if i == 0 and header:
            continue
        if len(row) <= max(label, text):
            raise DataError(
                f"{path}: line {line:,}: {len(row)} fields; expected at least "
                f"{max(label, text) + 1} with {separator!r} between"
            )
        found.append((row[label], row[text], f"line {line}"))
    if not found:
        raise DataError(f"{path}: there are no rows in it")
    return _texts(found, Path(path).stem)


def read_files(path: str | Path) -> Texts:
    """Return the texts of ``class/name.txt``: a folder of folders, or a tar archive of them.

    The class of a file is the name of the folder it is in; an archive is read in place, packed or
    not, and nothing is written anywhere. Only plain files whose names end in ``.txt`` count, in the
    order of their names.

    Raises:
        DataError: there is nothing there, a text is not UTF-8 or larger than 16 MB, or the archive
            is damaged or holds more than 1 GB.
    """
    path = Path(path)
    found = sorted(_in_folder(path) if path.is_dir() else _in_archive(path), key=lambda f: f[2])
    if not found:
        raise DataError(f"{path}: no files class/name.txt in it")
    return _texts(found, path.name.partition(".")[0])


def _in_folder(root: Path) -> Iterator[tuple[str, str, str]]:
    for path in root.rglob("*.txt"):
        name = str(path.relative_to(root))
        if path.is_file() and path.parent != root and not name.startswith("."):
            yield path.parent.name, read_text(path), name


def _in_archive(path: Path) -> Iterator[tuple[str, str, str]]:
    total = 0
    try:
        # as a stream: what an archive says about places in it is not followed
        with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
            for member in archive:
                inside = Path(member.name)
                if not member.isreg() or inside.suffix != ".txt" or len(inside.parts) < 2:
                    continue
                total += member.size
                if member.size > LARGEST_FILE or total > LARGEST_TEXT:
                    raise DataError(f"{path}: {member.name}: {member.size:,} bytes are too many")
                file = archive.extractfile(member)
                content = file.read(member.size) if file else b""
                yield inside.parent.name, _decoded(content, f"{path}: {member.name}"), member.name
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: not a tar archive that can be read ({error})") from None


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: byte {error.start:,}: expected UTF-8, found "
            f"{content[error.start : error.start + 4].hex(' ')}"
        ) from None


@dataclass(frozen=True, eq=False)
class Pairs:
    """Texts and their translations, line by line."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    name: str = "pairs"

    def __len__(self) -> int:
        return len(self.sources)

    def dataset(
        self, source: Tokenizer, target: Tokenizer, longest: int | None = None,
        begin: str = "<begin>", end: str = "<end>",
    ) -> Dataset:  # fmt: skip
        """Return examples of a network that reads a text and writes its translation.

        An example is two sequences side by side, ``(T, 2)``: the tokens of the source with ``end``
        behind them, and ``begin`` with those of the target behind it; its target, ``(T,)``, is the
        next token of the latter, at last ``end``. Padding is -1.

        Args:
            source, target: tokenizers with the special tokens ``begin`` and ``end``.
            longest: the most tokens of a text with a special one; what is longer is cut. By
                default those of the longest.
            begin, end: names of the special tokens.
        """
        most = None if longest is None else longest - 1
        first, last = target.special(begin), target.special(end)
        dtype = np.promote_types(source.dtype, target.dtype)
        read = [_row(source, text, most, after=source.special(end)) for text in self.sources]
        written = [_row(target, text, most) for text in self.targets]
        one, stop = (np.array([each], dtype) for each in (first, last))
        lengths = np.array([max(len(a), len(b) + 1) for a, b in zip(read, written, strict=True)])
        most = longest or int(lengths.max(initial=1))
        sides = padded(read, most)[0], padded([np.append(one, row) for row in written], most)[0]
        after, _ = padded([np.append(row, stop) for row in written], most)
        return Dataset(np.stack(sides, axis=2), after, name=self.name, lengths=lengths)


def _row(tokenizer: Tokenizer, text: str, most: int | None, after: int | None = None) -> np.ndarray:
    """Return up to ``most`` tokens of a text, and one more where it is given."""
    tokens = tokenizer.encode(text)[:most]
    return tokens if after is None else np.append(tokens, np.array(after, tokens.dtype))


def read_pairs(sources: str | Path, targets: str | Path) -> Pairs:
    """Return the lines of two files that belong together.

    Raises:
        DataError: see ``lines``; or one file has more lines than the other.
    """
    left, right = tuple(lines(sources)), tuple(lines(targets))
    if len(left) != len(right):
        raise DataError(
            f"{targets}: {len(right):,} lines for the {len(left):,} of {sources}; expected a "
            "translation of every line"
        )
    return Pairs(left, right, Path(sources).name.partition(".")[0])
