"""Text from files, piece by piece: no file and no line is too long for the memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from pullback.core.errors import DataError
from pullback.data.text.tokens import Bytes, Tokenizer

PIECE = 1 << 20
"""Bytes that are read at once."""
LONGEST_LINE = 1 << 20
"""Bytes of a line, where lines mean something."""
LARGEST_TEXT = 1 << 30
"""Bytes of what is read as one text."""
GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacking it where it is packed by gzip.

    Raises:
        DataError: it is missing, empty, damaged, or cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            magic = raw.read(2)
            raw.seek(0)
            if not magic:
                raise DataError(f"{path}: the file is empty")
            if magic == GZIP_MAGIC:
                with gzip.open(raw) as unpacked:
                    yield unpacked  # type: ignore[misc]
            else:
                yield raw
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); copy the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def byte_pieces(path: str | Path) -> Iterator[bytes]:
    """Yield the bytes of a file (of what is packed in it), at most a megabyte at a time.

    Raises:
        DataError: see ``opened``; or nothing is packed in it.
    """
    some = False
    with opened(path) as file:
        while piece := file.read(PIECE):
            some = True
            yield piece
    if not some:
        raise DataError(f"{path}: the file is empty")


def text_pieces(path: str | Path) -> Iterator[str]:
    """Yield the text of a UTF-8 file piece by piece; a byte order mark is left out.

    Raises:
        DataError: as ``byte_pieces``; or the file is not UTF-8, with the byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    place, start = 0, True
    for raw in byte_pieces(path):
        kept = len(decoder.getstate()[0])
        try:
            text = decoder.decode(raw)
        except UnicodeDecodeError as error:
            _not_utf8(path, place - kept + error.start, error)
        place += len(raw)
        if start and text:
            text, start = text.removeprefix("\ufeff"), False
        if text:
            yield text
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        _not_utf8(path, place - len(error.object), error)


def _not_utf8(path: str | Path, byte: int, error: UnicodeDecodeError) -> None:
    found = error.object[error.start : error.start + 4].hex(" ")
    raise DataError(
        f"{path}: byte {byte:,}: expected UTF-8, found {found} ({error.reason}); convert the file, "
        "or read it as bytes"
    ) from None


def read_text(path: str | Path) -> str:
    """Return a UTF-8 file as one text.

    Raises:
        DataError: as ``text_pieces``; or it is larger than 1 GB.
    """
    pieces, size = [], 0
    for piece in text_pieces(path):
        size += len(piece)
        if size > LARGEST_TEXT:
            raise DataError(f"{path}: more than {LARGEST_TEXT:,} characters; use read_tokens")
        pieces.append(piece)
    return "".join(pieces)


def read_tokens(
    path: str | Path, tokenizer: Tokenizer, out: str | Path | None = None
) -> np.ndarray:
    """Return the tokens ``(n,)`` of a text file, which may be larger than the memory.

    The file is read and encoded piece by piece. With ``Bytes`` it need not be UTF-8.

    Args:
        path: a text file, packed by gzip or not.
        tokenizer: makes the tokens; 2 or 4 bytes each.
        out: a file that the tokens are written to, and of which the result is then a view that is
            read when it is used; by default they are kept in memory.

    Raises:
        DataError: as ``text_pieces``; or a text that the tokenizer refuses.
        OSError: ``out`` cannot be written.
    """
    if out is None:
        return np.concatenate(list(_token_pieces(path, tokenizer)))
    with Path(out).open("wb") as file:
        for tokens in _token_pieces(path, tokenizer):
            file.write(tokens.tobytes())
    return np.memmap(out, tokenizer.dtype, "r")


def _token_pieces(path: str | Path, tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    if isinstance(tokenizer, Bytes):
        for raw in byte_pieces(path):
            yield np.frombuffer(raw, np.uint8).astype(tokenizer.dtype)
        return
    rest, place = "", 0
    for text in text_pieces(path):
        rest += text
        end = tokenizer.complete(rest)
        if not end and len(rest) > LONGEST_LINE:
            raise DataError(
                f"{path}: character {place:,}: more than {LONGEST_LINE:,} without a space; "
                "use Bytes, Characters or BytePairs"
            )
        if end:
            yield tokenizer.encode(rest[:end])
            rest, place = rest[end:], place + end
    yield tokenizer.encode(rest)


def lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their ends.

    Raises:
        DataError: as ``text_pieces``; or a line is longer than a megabyte, with its number.
    """
    rest, number = "", 1
    for text in text_pieces(path):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            _check_line(path, number, line)
            yield line.removesuffix("\r")
            number += 1
        _check_line(path, number, rest)
    if rest:
        yield rest.removesuffix("\r")


def _check_line(path: str | Path, number: int, line: str) -> None:
    if len(line) > LONGEST_LINE:
        raise DataError(
            f"{path}: line {number:,}: longer than {LONGEST_LINE:,} characters; expected one "
            "example a line"
        )


def read_rows(path: str | Path, separator: str = "\t") -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the fields of each row of a TSV or CSV file.

    A field may stand in quotation marks, and then hold separators and ends of lines. Empty lines
    are left out.

    Raises:
        DataError: as ``lines``; or marks that do not end, with the line.
    """
    reader = csv.reader((line + "\n" for line in lines(path)), delimiter=separator, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num:,}: {error}") from None
