"""What is said, without the silence around it and at one loudness."""

from __future__ import annotations

import numpy as np

FRAME = 200
"""Samples over which loudness is measured: 25 ms at 8,000 a second."""
QUIET = 0.01
"""The share of the loudest frame's power from which on a frame belongs to what is said: -20 dB."""
LEVEL = 0.05
"""The root mean square of the loudest frames."""
LOUDEST = 3


def utterance(samples: np.ndarray) -> np.ndarray:
    """Return samples ``(n,)`` without their quiet beginning and end, at a loudness of 0.05.

    A frame of 200 samples is quiet whose power is below 1/100 of the loudest frame's. Loudness is
    the root of the mean power of the three loudest frames. Of silence everything is kept as it is.
    """
    count = max(1, -(-len(samples) // FRAME))
    whole = np.zeros(count * FRAME, np.float64)
    whole[: len(samples)] = samples
    power = (whole.reshape(count, FRAME) ** 2).mean(axis=1)
    if not power.any():
        return samples
    heard = np.flatnonzero(power > QUIET * power.max())
    loud = np.sqrt(np.sort(power)[-LOUDEST:].mean())
    kept = samples[heard[0] * FRAME : (heard[-1] + 1) * FRAME]
    level: np.ndarray = (kept * (LEVEL / loud)).astype(np.float32)
    return level
