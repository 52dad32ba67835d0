"""What is said, without the silence around it and at one loudness."""

from __future__ import annotations

import numpy as np

STEP, WIDTH = 80, 200
"""Samples from one frame to the next, and in each: 10 and 25 ms at 8,000 a second."""
LOWEST = 3
"""The first frequency of a frame that counts, 120 Hz: mains hum and wind lie below."""
QUIET = 0.01
"""The share of the loudest frame's power from which on a frame belongs to what is said: -20 dB."""
LEVEL = 0.05
"""The root mean square of the loudest frames."""
LOUDEST = 3


def utterance(samples: np.ndarray, around: int = 0) -> np.ndarray:
    """Return samples ``(n,)`` without their quiet beginning and end, at a loudness of 0.05.

    Power is that of frames of 200 samples, 80 apart, at frequencies from 3/200 of the rate on (120
    Hz at 8,000 samples a second). A frame is quiet whose power is below 1/100 of the loudest
    frame's. Loudness is the root of the mean power of the three loudest frames. Of silence
    everything is kept as it is.

    Args:
        samples: a recording.
        around: quiet samples that are kept on either side.
    """
    power = _power(samples)
    if not power.any():
        return samples
    loud = np.flatnonzero(power > QUIET * power.max())
    level = LEVEL / np.sqrt(np.sort(power)[-LOUDEST:].mean())
    first, last = max(0, loud[0] * STEP - around), loud[-1] * STEP + WIDTH + around
    kept: np.ndarray = (samples[first:last] * level).astype(np.float32)
    return kept


def _power(samples: np.ndarray) -> np.ndarray:
    """Return the mean square of each frame; the last is filled up with silence."""
    count = 1 + max(0, -(-(len(samples) - WIDTH) // STEP))
    whole = np.zeros((count - 1) * STEP + WIDTH)
    whole[: len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(whole, WIDTH)[::STEP]
    window = np.hanning(WIDTH)
    spectra = np.fft.rfft(frames * (window / np.sqrt(np.mean(window**2))))[:, LOWEST:]
    power: np.ndarray = 2 * (np.abs(spectra) ** 2).sum(axis=1) / WIDTH**2
    return power
