"""The IDX format of MNIST: a header that says type and shape, then the numbers.

Two zero bytes, a type code, the count of axes, each axis as a big-endian 32-bit number, and the
values in row-major order. Nothing is allocated on the word of the header alone.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pullback.core.errors import DataError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 16
"""Added to the window's size, it makes zlib read and check gzip's header and trailer."""
PIECE = 1 << 20
"""Bytes that are unpacked at once."""
DEFLATE_MOST = 1032
"""Deflate packs at most so many bytes into one."""
LARGEST = 1 << 31
"""Bytes of a decompressed file that are read at most."""


def read_idx(path: str | Path) -> np.ndarray:
    """Return the array of an IDX file, gzip-compressed or not.

    Raises:
        DataError: missing, cut short, damaged, or not IDX; the message names file and byte.
    """
    path = Path(path)
    content = _content(path)
    if len(content) < 4:
        _fail(path, len(content), "a header of at least 4 bytes", "the end of the file")
    zero, code, axes = struct.unpack(">HBB", content[:4].tobytes())
    if zero != 0 or code not in TYPES or not 1 <= axes <= 8:
        found = content[:4].tobytes().hex(" ")
        _fail(path, 0, "an IDX magic number such as 00 00 08 03", found)
    start = 4 + 4 * axes
    if len(content) < start:
        _fail(path, len(content), f"{axes} axis lengths", "the end of the file")
    shape = struct.unpack(f">{axes}I", content[4:start].tobytes())
    dtype = TYPES[code]
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        _fail(path, start, f"{expected:,} bytes for the shape {shape}", f"{len(content) - start:,}")
    try:
        array = content[start:].view(dtype).reshape(shape)
    except ValueError:  # an axis of length 0 beside others too long for an array
        _fail(path, 4, "axis lengths of an array that can exist", f"the shape {shape}")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _content(path: Path) -> np.ndarray:
    """Return the bytes of a file, unpacked."""
    try:
        if path.stat().st_size > LARGEST:
            raise _TooLarge
        raw = path.read_bytes()
        if raw.startswith(GZIP_MAGIC):
            return _unpacked(raw)
        return np.frombuffer(bytearray(raw), np.uint8)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check --data-dir") from None
    except (zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: damaged gzip data ({error}); download or copy the file again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _TooLarge:
        raise DataError(
            f"{path}: larger than {LARGEST:,} bytes; it is not one of these files"
        ) from None


class _TooLarge(Exception):
    """There are more than ``LARGEST`` bytes."""


def _unpacked(packed: bytes) -> np.ndarray:
    """Return what a gzip file of one member holds, unpacked into place piece by piece.

    The last four bytes of the file give the length (modulo 2^32); they are believed only as far
    as deflate could have packed so much.
    """
    length = int.from_bytes(packed[-4:], "little")
    if length > min(LARGEST, DEFLATE_MOST * len(packed)):
        raise _TooLarge if length > LARGEST else EOFError("it is cut short")
    content = np.empty(length, np.uint8)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | GZIP)
    filled, view = 0, memoryview(packed)
    for start in range(0, len(packed), PIECE):
        piece = unpacker.decompress(view[start : start + PIECE])
        if filled + len(piece) > length:
            raise EOFError("it holds more than it says")
        content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if not unpacker.eof:
        raise EOFError("it is cut short")
    return content[:filled]


def _fail(path: Path, byte: int, expected: str, found: str) -> NoReturn:
    raise DataError(
        f"{path}: byte {byte}: expected {expected}, found {found}; download or copy the file again"
    )
