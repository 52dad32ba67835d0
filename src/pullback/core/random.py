"""Counter-based random streams: what is drawn depends on names and positions, never on history.

A stream is named by a seed, a path and a purpose, which make the 128-bit key of a Philox
generator (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011); the
step stands in the counter. Any step, and any row of a batch, can be drawn again by itself.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np


def stream_key(seed: int, *names: str) -> int:
    """Return the 128-bit key of the stream with this seed and these names.

    BLAKE2b of the parts, each preceded by its length, so that no two lists of names collide and
    the key is the same in every process and on every machine.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (str(seed), *names):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "little") + raw)
    return int.from_bytes(digest.digest(), "little")


def generator(seed: int, *names: str, step: int = 0) -> np.random.Generator:
    """Return the generator of a stream at a step."""
    counter = np.array([0, 0, step, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *names), counter=counter))


def uniform_rows(
    seed: int, *names: str, step: int, first: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Return float64 numbers in [0, 1) for the rows ``first, first + 1, ...`` of a batch.

    ``shape[0]`` rows of ``shape[1:]`` numbers. Row ``i`` of the batch gets the same numbers
    however the batch is cut into pieces.
    """
    row = math.prod(shape[1:])
    skip = first * row
    # Philox yields four 64-bit numbers a count, and a float64 takes one of them.
    counter = np.array([skip // 4, 0, step, 0], dtype=np.uint64)
    stream = np.random.Generator(np.random.Philox(key=stream_key(seed, *names), counter=counter))
    extra = skip % 4
    return stream.random(extra + shape[0] * row)[extra:].reshape(shape)
