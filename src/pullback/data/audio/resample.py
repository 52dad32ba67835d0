"""Another number of samples a second: sums over the sine cardinal, cut off by a window."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.audio.wav import Sound

ZEROS = 24
"""Zero crossings of the sine cardinal on either side."""
ROLLOFF = 0.92
"""Where the filter begins to fall, as a share of the highest frequency that can be kept."""
BLOCK = 4096
"""Results that are worked out at once, so that memory does not grow with the length."""


def resample(sound: Sound, rate: int) -> Sound:
    r"""Return the same sound with ``rate`` samples a second.

    :math:`y_n = \sum_k x_k\, h(n r - k)`, with ``r`` the old rate over the new one and
    :math:`h(t) = c\,\mathrm{sinc}(c t)\,w(t)`: the ideal low-pass, at the share ``c`` of the old
    highest frequency that the new rate can hold, times a Hann window over 24 zero crossings on
    either side. Before the start and after the end ``x`` is 0. The weights of each result add up
    to 1, so silence and steady values stay. There are only as many fractions of ``n r`` as the new
    rate over the common divisor, so the weights are a table. Crochiere and Rabiner, "Multirate
    digital signal processing" (1983), chapter 2.

    Raises:
        ConfigError: a rate that is not a whole number above 0.
    """
    if type(rate) is not int or rate < 1:
        raise ConfigError(f"rate={rate!r}; expected a whole number of samples a second")
    if rate == sound.rate:
        return sound
    common = math.gcd(rate, sound.rate)
    up, down = rate // common, sound.rate // common
    reach, table = _weights(up, down)
    x = np.concatenate([np.zeros(reach), sound.samples, np.zeros(reach + 1)])
    count = -(-len(sound.samples) * up // down)
    y = np.empty(count, np.float32)
    offsets = np.arange(2 * reach + 1)
    for start in range(0, count, BLOCK):
        place, phase = np.divmod(np.arange(start, min(start + BLOCK, count)) * down, up)
        seen = x[place[:, None] + offsets]
        y[start : start + BLOCK] = np.einsum("nk,nk->n", seen, table[phase])
    return Sound(y, rate)


@lru_cache(maxsize=8)
def _weights(up: int, down: int) -> tuple[int, np.ndarray]:
    """Return how far a result sees, and ``(up, 2 reach + 1)`` the weights for each fraction."""
    cut = ROLLOFF * min(1.0, up / down)
    reach = math.ceil(ZEROS / cut)
    t = np.arange(up)[:, None] / up - np.arange(-reach, reach + 1)
    window = np.where(np.abs(t) <= reach, np.cos(0.5 * np.pi * t / reach) ** 2, 0.0)
    table = cut * np.sinc(cut * t) * window
    return reach, table / table.sum(axis=1, keepdims=True)
