"""WAV files: sound as numbers from -1 to 1, read piece by piece.

A RIFF file is a list of chunks: four letters, a little-endian length, so many bytes, and a byte
more where the length is odd. ``fmt`` says how a sample is written, ``data`` holds the samples. What
the lengths say is believed only as far as there are bytes. Microsoft and IBM, "Multimedia
programming interface and data specifications" (1991), and WAVEFORMATEXTENSIBLE.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from pullback.core.errors import DataError

PIECE = 1 << 20
"""Bytes that are read at once."""
LARGEST = 1 << 31
"""Bytes of sound that are read at most."""
STREAMED = 0x7FFFF000
"""Lengths from here on, and 0, are what programs write that do not know the length yet."""
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
NAMES = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 80: "MPEG", 85: "MP3"}
SUBFORMAT = bytes.fromhex("0000 0000 1000 8000 00aa 0038 9b71")
"""The last 14 bytes of a subformat that is one of the plain formats."""


@dataclass(frozen=True, eq=False)
class Sound:
    """Samples ``(n,)`` float32 in [-1, 1], and how many there are in a second."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class _Format:
    """How samples are written: ``kind`` is ``PCM`` or ``FLOAT``, ``size`` the bytes of one."""

    kind: int
    channels: int
    rate: int
    size: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.size


def read_wav(source: str | Path | bytes | IO[bytes], name: str = "") -> Sound:
    """Return the sound of a WAV file; of several channels, their mean.

    Whole numbers of 8, 16, 24 or 32 bits are divided by their largest size; floating-point numbers
    of 32 or 64 bits outside [-1, 1] are cut off there. A length of the data of 0 or of about 2 or
    4 GB, as programs write that stream, means all that follows. Memory is that of the result, and
    some megabytes.

    Args:
        source: a path, the bytes of a file, or an open file, which is read to its end and left
            open.
        name: what messages call it; by default its path.

    Raises:
        DataError: missing, cut short, damaged, without samples, larger than 2 GB, or of a kind
            that cannot be read; the message says the byte, what was expected and what was found.
    """
    with _opened(source, name) as stream:
        form = _header(stream)
        return Sound(_samples(stream, form), form.rate)


class _Stream:
    """A file that is read forwards, and where in it we are."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self.name, self.place = file, name, 0
        self._kept = b""

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end."""
        found = self._kept[:count]
        self._kept = self._kept[count:]
        while len(found) < count and (more := self._file.read(count - len(found))):
            found += more
        self.place += len(found)
        return found

    def peek(self, count: int) -> bytes:
        """Return the next ``count`` bytes, which will be read again."""
        found = self.read(count)
        self._kept, self.place = found + self._kept, self.place - len(found)
        return found

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes; return how many there were."""
        left = count
        while left and (piece := self.read(min(left, PIECE))):
            left -= len(piece)
        return count - left

    def fail(self, byte: int, expected: str, found: str) -> NoReturn:
        """Raise the error that says so."""
        raise DataError(f"{self.name}: byte {byte:,}: expected {expected}, found {found}")

    def need(self, count: int, what: str) -> bytes:
        """Return exactly ``count`` bytes."""
        byte = self.place
        found = self.read(count)
        if len(found) < count:
            self.fail(byte, f"{what} of {count} bytes", f"the end of the file after {len(found)}")
        return found


@contextmanager
def _opened(source: str | Path | bytes | IO[bytes], name: str) -> Iterator[_Stream]:
    if isinstance(source, bytes):
        yield _Stream(BytesIO(source), name or "sound")
        return
    if not isinstance(source, str | Path):
        yield _Stream(source, name or str(getattr(source, "name", "sound")))
        return
    try:
        with Path(source).open("rb") as file:
            yield _Stream(file, name or str(source))
    except FileNotFoundError:
        raise DataError(f"{source}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror or error})") from None


def _header(stream: _Stream) -> _Format:
    """Return the format; the stream then stands before the length of the data."""
    if not stream.peek(1):
        raise DataError(f"{stream.name}: the file is empty; expected a WAV file")
    kind = stream.need(12, "a header")
    if kind[:4] not in (b"RIFF", b"RF64", b"BW64") or kind[8:] != b"WAVE":
        stream.fail(0, "RIFF, a length and WAVE", _text(kind))
    form = None
    while True:
        byte = stream.place
        letters = stream.read(4)
        if len(letters) < 4:
            stream.fail(byte, "a data chunk", "the end of the file")
        if letters == b"data":
            break
        (length,) = struct.unpack("<I", stream.need(4, "the length of a chunk"))
        if letters == b"fmt ":
            form = _format(stream, length)
        elif stream.skip(length) < length:
            stream.fail(
                byte, f"a chunk {_text(letters)} of {length:,} bytes", "the end of the file"
            )
        # Some programs leave out the byte that makes the length even; no chunk begins with 0.
        if length % 2 and stream.peek(1) == b"\0":
            stream.read(1)
    if form is None:
        stream.fail(byte, "a fmt chunk before the data", "none")
    return form


def _format(stream: _Stream, length: int) -> _Format:
    byte = stream.place
    if length < 16:
        stream.fail(byte - 4, "a fmt chunk of at least 16 bytes", f"{length}")
    content = stream.need(min(length, 40), "a fmt chunk")
    stream.skip(length - len(content))
    tag, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == EXTENSIBLE:
        if len(content) < 40:
            stream.fail(byte, "an extensible fmt chunk of 40 bytes", f"{length}")
        (tag,) = struct.unpack("<H", content[24:26])
        if content[26:40] != SUBFORMAT:
            stream.fail(byte + 24, "a subformat of PCM or floating point", content[24:40].hex(" "))
    if tag not in (PCM, FLOAT):
        stream.fail(
            byte, "format 1 (PCM) or 3 (floating point)", f"{tag} ({NAMES.get(tag, 'unknown')})"
        )
    if channels == 0:
        stream.fail(byte + 2, "at least one channel", "0")
    if rate == 0:
        stream.fail(byte + 4, "a rate above 0", "0")
    size, left = divmod(frame, channels)
    sizes = (1, 2, 3, 4) if tag == PCM else (4, 8)
    if left or size not in sizes:
        stream.fail(
            byte + 12, f"{channels} samples of {' or '.join(map(str, sizes))} bytes", f"{frame}"
        )
    low = 8 * size - 7 if tag == PCM else 8 * size
    if not low <= bits <= 8 * size:
        stream.fail(byte + 14, f"{low} to {8 * size} bits in {size} bytes", f"{bits}")
    return _Format(tag, channels, rate, size)


def _samples(stream: _Stream, form: _Format) -> np.ndarray:
    byte = stream.place
    (length,) = struct.unpack("<I", stream.need(4, "the length of the data"))
    streamed = length == 0 or length >= STREAMED
    if length == 0 and _another_chunk(stream.peek(8)):
        raise DataError(f"{stream.name}: byte {byte:,}: there are no samples")
    if not streamed and length % form.frame:
        stream.fail(byte, f"a multiple of {form.frame} bytes", f"{length:,}")
    pieces: list[np.ndarray] = []
    step = max(1, PIECE // form.frame) * form.frame
    left = LARGEST if streamed else length
    while left:
        start = stream.place
        piece = stream.read(min(step, left))
        left -= len(piece)
        whole = len(piece) - len(piece) % form.frame
        if whole:
            pieces.append(_numbers(stream, start, piece[:whole], form))
        if len(piece) < step and left and not streamed:
            found = f"{length - left:,} before the end of the file"
            stream.fail(byte, f"{length:,} bytes of data", found)
        if len(piece) < step:
            break
    if streamed and stream.peek(1) and not left:
        raise DataError(f"{stream.name}: more than {LARGEST:,} bytes of sound; cut it into parts")
    if not pieces:
        raise DataError(f"{stream.name}: byte {byte:,}: there are no samples")
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _another_chunk(head: bytes) -> bool:
    """Whether what follows data of length 0 is another chunk, rather than samples, or nothing."""
    return not head or (
        len(head) == 8 and head[:4] in (b"LIST", b"id3 ", b"fact", b"cue ", b"bext")
    )


def _numbers(stream: _Stream, start: int, raw: bytes, form: _Format) -> np.ndarray:
    """Return the samples in some bytes, float32, the channels averaged."""
    values: Any
    if form.kind == FLOAT:
        values = np.frombuffer(raw, f"<f{form.size}")
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            byte = start + first * form.size
            stream.fail(byte, "a number", str(float(values[first])))
        values = np.clip(values, -1, 1)
    elif form.size == 1:
        values = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    elif form.size == 3:
        # as the three upper bytes of 32 bits
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values = wide.view("<i4")[:, 0] / np.float64(1 << 31)
    else:
        values = np.frombuffer(raw, f"<i{form.size}") / np.float64(1 << (8 * form.size - 1))
    if form.channels > 1:
        values = values.reshape(-1, form.channels).mean(axis=1, dtype=np.float64)
    found: np.ndarray = values.astype(np.float32)
    return found


def _text(raw: bytes) -> str:
    return repr(raw.decode("latin-1"))
