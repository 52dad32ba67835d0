"""Features of sound: tones in their band, padding, and what cannot be."""

from dataclasses import replace

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.data.audio import Sound, resample
from pullback.maps import LogMel


def features(net, x):
    return net.forward({}, x, Context())


@pytest.mark.parametrize("frequency", [300, 1000, 2500, 3600])
def test_a_tone_is_loudest_in_its_band(frequency):
    net = LogMel(8000)
    x = np.sin(2 * np.pi * frequency * np.arange(4000) / 8000)[None]
    y, _ = features(net, x)
    assert y.shape == (1, net.frames(4000), 40)
    mel = 2595 * np.log10(1 + frequency / 700)
    top = 2595 * np.log10(1 + 4000 / 700)
    band = mel / top * 41 - 1  # the middle of band m is at m + 1
    assert np.all(np.abs(y[0].argmax(axis=1) - band) < 1.5)


def test_as_the_fast_transform(rng):
    net, x = LogMel(16000, mels=30, low=50.0), rng.standard_normal((2, 4000))
    framed = np.lib.stride_tricks.sliding_window_view(x, 400, axis=1)[:, ::160]
    window = np.hanning(401)[:400]
    power = np.abs(np.fft.rfft(framed * window, 512)) ** 2
    from pullback.maps.log_mel import mel_bands

    right = np.log(power @ mel_bands(16000, 512, 30, 50.0, 8000.0) + 1e-6)
    assert relative_error(features(net, x)[0], right) < 1e-12


def test_bands_overlap_by_half():
    from pullback.maps.log_mel import mel_bands

    bands = mel_bands(16000, 4096, 20, 100.0, 7000.0)
    f = np.arange(2049) * 16000 / 4096
    corners = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([100, 7000]) / 700)), 22)
                            / 2595) - 1)  # fmt: skip
    inside = (f >= corners[1]) & (f <= corners[-2])
    np.testing.assert_allclose(bands[inside].sum(axis=1), 1, atol=1e-12)
    assert np.all(bands[(f < 100) | (f > 7000)] == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_stays_padding(rng, dtype):
    net = LogMel(100, 8, 4, mels=2)
    x = rng.standard_normal((3, 40)).astype(dtype)
    lengths = (40, 21, 5)
    for row, length in zip(x, lengths, strict=True):
        row[length:] = np.nan
    y, res = features(net, x)
    for i, length in enumerate(lengths):
        frames = net.frames(length)
        assert np.all(np.isfinite(y[i, :frames]))
        assert np.all(np.isnan(y[i, frames:]))
        if frames:
            alone, _ = features(net, x[i : i + 1, :length])
            assert relative_error(y[i, :frames], alone[0]) < 1e-5
    gx, _ = net.pullback({}, res, np.ones_like(y))
    assert np.all(np.isfinite(gx))
    assert np.all(gx[1, 4 * (net.frames(21) - 1) + 8 :] == 0)
    assert np.all(gx[2] == 0)
    assert gx.dtype == y.dtype == dtype


def test_silence_is_the_floor():
    y, _ = features(LogMel(8000), np.zeros((1, 400)))
    np.testing.assert_allclose(y, np.log(1e-6))


@pytest.mark.parametrize("speed", [0.8, 0.9, 1.1, 1.25, 2.0])
def test_a_speed_is_that_of_the_sound_played(speed, rng):
    # tones that the resampler's filter keeps at each of the speeds, and sizes that stay whole
    t, every = np.arange(6000) / 8000, (rng.uniform(100, 1500, 30), rng.uniform(0, 6, 30))
    x = sum(np.sin(2 * np.pi * f * t + phase) / 10 for f, phase in zip(*every, strict=True))
    played = resample(Sound(x.astype("f4"), round(8000 * speed)), 8000).samples[None]
    as_it_is = LogMel(8000, fft=320, mels=24, floor=0.002)
    wanted = features(as_it_is, played.astype(float))[0][:, 3:-3]  # its ends are no tones
    found = features(replace(as_it_is, speed=speed), x[None])[0][:, 3:-3]
    np.testing.assert_allclose(found, wanted, atol=0.001)
    count = wanted.shape[1] // 2
    assert np.abs(features(as_it_is, x[None])[0][:, 3 : 3 + count] - wanted[:, :count]).mean() > 0.3


def test_played_slower_the_highest_bands_hear_nothing(rng):
    x = rng.standard_normal((1, 4000))
    y, _ = features(LogMel(8000, mels=24, speed=0.5), x)
    assert np.all(y[..., -4:] == np.log(1e-6))
    assert np.all(y[..., :16] > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate=0; expected a whole number of at least 1"),
        ({"hop": 1.5}, "hop=1.5; expected a whole number"),
        ({"frame": 600, "fft": 512}, "fft=512; expected at least the frame, 600 samples"),
        ({"high": 9000.0}, "expected frequencies from 0 to 8000 Hz"),
        ({"low": 500.0, "high": 400.0}, "the first below the second"),
        ({"floor": 0.0}, "floor=0.0; expected a small number above 0"),
        ({"speed": 0.0}, "speed=0.0; expected a number above 0"),
        ({"speed": float("nan")}, "speed=nan; expected a number above 0"),
        ({"mels": 200}, "band 0 of 200 holds no frequency of a transform of 512; choose fewer"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LogMel(**options)


@pytest.mark.parametrize("shape", [(), (399,), (400, 2)])
def test_other_inputs_are_refused(shape):
    with pytest.raises(ShapeError, match=r"LogMel needs examples of at least 400 samples"):
        init(LogMel(), Spec(shape))
