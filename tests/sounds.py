"""WAV files made by hand for the tests."""

from __future__ import annotations

import struct

import numpy as np

KINDS = ("u8", "i16", "i24", "i32", "f32", "f64")
TAIL = bytes.fromhex("0000 0000 1000 8000 00aa 0038 9b71")


def encoded(values: np.ndarray, kind: str) -> bytes:
    """Numbers from -1 to 1 as samples of a kind."""
    bits = int(kind[1:])
    if kind[0] == "f":
        return values.astype(f"<f{bits // 8}").tobytes()
    whole = np.clip(np.rint(values * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if kind == "u8":
        return (whole + 128).astype(np.uint8).tobytes()
    raw = whole.astype("<i8").reshape(-1, 1).view(np.uint8)
    return raw[:, : bits // 8].tobytes()


def chunk(letters: bytes, content: bytes, pad: bool = True) -> bytes:
    return letters + struct.pack("<I", len(content)) + content + b"\0" * (pad and len(content) % 2)


def wav(
    values: np.ndarray, kind: str = "i16", *, channels: int = 1, rate: int = 8000,
    extensible: bool = False, before: bytes = b"", after: bytes = b"", length: int | None = None,
) -> bytes:  # fmt: skip
    bits = int(kind[1:])
    tag, frame = 3 if kind[0] == "f" else 1, channels * bits // 8
    head = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame, frame, bits
    )
    if extensible:
        head += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", tag) + TAIL
    data = encoded(values, kind)
    size = len(data) if length is None else length
    content = b"WAVE" + chunk(b"fmt ", head) + before + b"data" + struct.pack("<I", size) + data
    content += after
    return b"RIFF" + struct.pack("<I", len(content)) + content
