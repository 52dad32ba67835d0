"""Sounds at another rate: tones stay tones, what is too high is taken out."""

import numpy as np
import pytest

from pullback.core.errors import ConfigError
from pullback.data.audio import Sound, resample

RATES = [(44100, 8000), (48000, 8000), (8000, 16000), (11025, 8000), (22050, 16000), (8000, 8001)]


def tone(rate, frequency, seconds=0.5):
    t = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * frequency * t).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), RATES)
@pytest.mark.parametrize("frequency", [50, 440, 3000])
def test_tones_stay(old, new, frequency):
    found = resample(Sound(tone(old, frequency), old), new)
    assert found.rate == new
    expected = tone(new, frequency)
    assert abs(len(found.samples) - len(expected)) <= 1
    inner = slice(new // 50, new // 2 - new // 50)
    assert np.abs(found.samples[inner] - expected[inner]).max() < 1e-3


@pytest.mark.parametrize("frequency", [4500, 5000, 8000, 15000])
def test_what_is_too_high_is_taken_out(frequency):
    found = resample(Sound(tone(44100, frequency), 44100), 8000).samples
    assert np.abs(found[200:-200]).max() < 1e-3


def test_steady_values_stay_and_lengths_are_rounded_up():
    for old, new in RATES:
        for count in (1, 7, 1000):
            found = resample(Sound(np.full(count, 0.5, np.float32), old), new).samples
            assert len(found) == -(-count * new // old)
        inner = found[400:-400]
        np.testing.assert_allclose(inner, 0.5, atol=1e-6)


def test_the_same_rate_changes_nothing():
    sound = Sound(tone(8000, 440), 8000)
    assert resample(sound, 8000) is sound


@pytest.mark.parametrize("rate", [0, -1, 8000.0])
def test_rates_that_are_none(rate):
    with pytest.raises(ConfigError, match="expected a whole number of samples a second"):
        resample(Sound(tone(8000, 440), 8000), rate)
