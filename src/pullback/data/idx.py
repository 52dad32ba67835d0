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
    zero, code, axes = struct.unpack(">HBB", content[:4])
    if zero != 0 or code not in TYPES or not 1 <= axes <= 8:
        found = content[:4].hex(" ")
        _fail(path, 0, "an IDX magic number such as 00 00 08 03", found)
    start = 4 + 4 * axes
    if len(content) < start:
        _fail(path, len(content), f"{axes} axis lengths", "the end of the file")
    shape = struct.unpack(f">{axes}I", content[4:start])
    dtype = TYPES[code]
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        _fail(path, start, f"{expected:,} bytes for the shape {shape}", f"{len(content) - start:,}")
    try:
        array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    except ValueError:  # an axis of length 0 beside others too long for an array
        _fail(path, 4, "axis lengths of an array that can exist", f"the shape {shape}")
    return array.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    try:
        too_large = path.stat().st_size > LARGEST
        content = b"" if too_large else path.read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = _unpacked(content)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check --data-dir") from None
    except (zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: damaged gzip data ({error}); download or copy the file again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if too_large or len(content) > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST:,} bytes; it is not one of these files")
    return content


def _unpacked(packed: bytes) -> bytes:
    """Return at most ``LARGEST + 1`` bytes of what a gzip file holds.

    One call for the whole, during which other threads can run; ``gzip`` would make thousands.
    """
    content = b""
    while packed and len(content) <= LARGEST:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | GZIP)
        content += unpacker.decompress(packed, LARGEST + 1 - len(content))
        if not unpacker.eof and len(content) <= LARGEST:
            raise EOFError("it is cut short")
        packed = unpacker.unused_data
    return content


def _fail(path: Path, byte: int, expected: str, found: str) -> NoReturn:
    raise DataError(
        f"{path}: byte {byte}: expected {expected}, found {found}; download or copy the file again"
    )
