"""MNIST from its four files (IDX, gzip), for programs that do without Pullback."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

HEADER = {"images-idx3": 16, "labels-idx1": 8}


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``(N, 784)`` and labels of ``"train"`` or ``"t10k"``, in bytes."""
    images, labels = (_content(folder, part, kind) for kind in HEADER)
    return images.reshape(-1, 784), labels


def _content(folder: Path, part: str, kind: str) -> np.ndarray:
    content = gzip.decompress((folder / f"{part}-{kind}-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=HEADER[kind])
