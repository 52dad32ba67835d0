"""Recordings from zip files and folders, their parts, and sequences of them."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sounds import wav

from pullback.core.context import Context
from pullback.core.errors import ConfigError, DataError
from pullback.data.audio import (
    at_speeds,
    coloured,
    for_ctc,
    heard,
    in_rooms,
    joined,
    read_digits,
    read_recordings,
    transformed,
)
from pullback.data.dataset import Dataset
from pullback.losses import CTC
from pullback.maps import LogMel

SPEAKERS, TAKES = ("ann", "bob"), 4


def sound(digit, speaker, take):
    rng = np.random.default_rng([digit, len(speaker), take])
    return rng.uniform(-1, 1, int(rng.integers(300, 900)))


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "words.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        for digit in range(3):
            for i, speaker in enumerate(SPEAKERS):
                for take in range(TAKES):
                    values = sound(digit, speaker + "x" * i, take)
                    content.writestr(f"all/{digit}_{speaker}_{take}.wav", wav(values, rate=8000))
        content.writestr("all/README", "text")
        content.writestr("__MACOSX/0_ann_0.wav", "no sound")
        content.writestr("all/.0_ann_9.wav", "no sound")
    return path


def test_a_zip_file_and_a_folder(archive, tmp_path):
    found = read_recordings(archive)
    assert (len(found), found.classes, found.rate) == (24, ("0", "1", "2"), 8000)
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1, 2], 8))
    assert found.speakers[:8] == ("ann",) * 4 + ("bob",) * 4
    np.testing.assert_array_equal(found.takes[:8], [0, 1, 2, 3] * 2)
    np.testing.assert_allclose(found.samples[0], sound(0, "ann", 0), atol=2**-15)
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "folder")
    again = read_recordings(tmp_path / "folder")
    assert again.speakers == found.speakers
    assert all(map(np.array_equal, again.samples, found.samples))


def test_folders_are_classes_and_rates_are_made_the_same(tmp_path):
    for label, rate in (("yes", 16000), ("no", 8000)):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.wav").write_bytes(wav(np.zeros(rate // 10), rate=rate))
    found = read_recordings(tmp_path)
    assert found.classes == ("no", "yes")
    assert [len(samples) for samples in found.samples] == [800, 800]


def test_parts(archive):
    every = read_recordings(archive)
    rest, held = every.by_speaker("bob")
    assert set(held.speakers) == {"bob"}
    assert set(rest.speakers) == {"ann"}
    rest, held = every.by_take(range(1))
    assert (len(rest), len(held), set(held.takes)) == (18, 6, {0})
    with pytest.raises(ConfigError, match="no speaker 'eve'; expected one of ann, bob"):
        every.by_speaker("eve")


def test_examples_end_with_nan(archive):
    every = read_recordings(archive)
    data = every.dataset()
    for row, length, samples in zip(data.x, data.lengths, every.samples, strict=True):
        np.testing.assert_array_equal(row[:length], samples)
        assert np.all(np.isnan(row[length:]))
    assert every.dataset(100).x.shape == (24, 100)


def test_features_are_those_of_each_alone(archive):
    every, net = read_recordings(archive), LogMel(8000)
    data = transformed(every.dataset(), net, at_once=7)
    assert data.x.shape == (24, net.frames(max(map(len, every.samples))), 40)
    for row, length, samples in zip(data.x, data.lengths, every.samples, strict=True):
        alone, _ = net.forward({}, samples[None], Context())
        assert length == net.frames(len(samples))
        np.testing.assert_allclose(row[:length], alone[0], atol=1e-4)


def test_sequences_are_recordings_of_one_speaker_in_a_row(archive):
    every = read_recordings(archive)
    data = joined(every, 12, seed=3, fewest=2, most=4, pause=0.0)
    assert data.y.shape == (12, 4)
    speakers = set()
    for row, length, labels in zip(data.x, data.lengths, data.y, strict=True):
        rest, spoken = row[:length], []
        while len(rest):
            (i,) = [
                i
                for i, samples in enumerate(every.samples)
                if len(samples) <= len(rest) and np.array_equal(samples, rest[: len(samples)])
            ]
            rest, spoken = rest[len(every.samples[i]) :], [*spoken, i]
        np.testing.assert_array_equal(every.labels[spoken], labels[labels >= 0])
        assert 2 <= len(spoken) <= 4
        assert len({every.speakers[i] for i in spoken}) == 1
        speakers.add(every.speakers[spoken[0]])
    assert speakers == set(SPEAKERS)


def test_sequences_are_a_function_of_their_number(archive):
    every = read_recordings(archive)
    few, many = joined(every, 3, seed=1), joined(every, 6, seed=1)
    for i in range(3):
        np.testing.assert_array_equal(few.y[i], many.y[i])
        np.testing.assert_array_equal(few.x[i, : few.lengths[i]], many.x[i, : few.lengths[i]])
    assert not np.array_equal(joined(every, 6, seed=2).y, many.y)
    pauses = joined(every, 6, seed=1, pause=0.0).lengths
    assert np.all(many.lengths >= pauses)
    assert np.any(many.lengths > pauses)


def test_targets_of_ctc(archive):
    data = for_ctc(joined(read_recordings(archive), 5, through=LogMel(8000)))
    np.testing.assert_array_equal(data.y[:, 0], data.lengths)
    assert data.y[:, 1:].max() == 3
    y = np.zeros((5, data.x.shape[1], 4))
    assert np.all(np.isfinite(CTC().forward(y, data.y)[0]))
    lengths = data.lengths
    for stride in (2, 3):
        again = for_ctc(joined(read_recordings(archive), 5, through=LogMel(8000)), stride)
        np.testing.assert_array_equal(again.y[:, 0], [-(-int(n) // stride) for n in lengths])
    single = for_ctc(transformed(read_recordings(archive).dataset(), LogMel(8000)))
    np.testing.assert_array_equal(single.y[:, 1], np.repeat([1, 2, 3], 8))


def test_what_is_refused(archive, tmp_path):
    every = read_recordings(archive)
    for options in ({"fewest": 0}, {"fewest": 4, "most": 3}, {"pause": -1.0}):
        with pytest.raises(ConfigError, match="expected 1 <= fewest <= most"):
            joined(every, 2, **options)
    with pytest.raises(DataError, match=r"none\.zip: there is no such file"):
        read_recordings(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_bytes(b"text")
    with pytest.raises(DataError, match="not a zip file that can be read"):
        read_recordings(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as content:
        content.writestr("README", "text")
    with pytest.raises(DataError, match=r"no files class_speaker_take\.wav"):
        read_recordings(tmp_path / "empty.zip")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as content:
        content.writestr("0_ann_0.wav", b"OggS" + bytes(40))
    with pytest.raises(DataError, match=r"bad\.zip: 0_ann_0\.wav: byte 0: expected RIFF"):
        read_recordings(tmp_path / "bad.zip")


@pytest.mark.parametrize("seed", range(20))
def test_damaged_zip_files_are_read_or_refused(archive, tmp_path, seed):
    rng, content = np.random.default_rng(seed), bytearray(archive.read_bytes())
    for at in rng.integers(0, len(content), 5):
        content[at] = rng.integers(256)
    if seed % 4 == 0:
        del content[len(content) // 2 :]
    path = tmp_path / "damaged.zip"
    path.write_bytes(content)
    try:
        found = read_recordings(path)
    except DataError as error:
        message = str(error)
    else:
        message = str(path)
        assert len(found) <= 24
    assert str(path) in message


def test_more_than_fits_is_refused(archive, monkeypatch):
    monkeypatch.setattr("pullback.data.audio.recordings.MOST_SAMPLES", 2000)
    with pytest.raises(DataError, match="more than 2,000 samples"):
        read_recordings(archive)


def test_the_spoken_digits(data_dir):
    if not (data_dir / "speech").is_dir():
        pytest.skip("the spoken digits are not at hand")
    every = read_digits(data_dir / "speech")
    assert (len(every), every.rate) == (3000, 8000)
    assert every.classes == tuple("0123456789")
    assert len(set(every.speakers)) == 6
    rest, held = every.by_take()
    assert (len(rest), len(held)) == (2700, 300)
    assert [len(part) for part in every.by_speaker("theo")] == [2500, 500]
    np.testing.assert_array_equal(np.bincount(held.labels), np.full(10, 30))


def test_other_speeds_are_other_lengths_and_pitches(archive):
    t = np.arange(4000) / 8000
    found = read_recordings(archive)
    one = replace(found, samples=tuple(np.sin(2 * np.pi * 500 * t).astype("f4") for _ in range(24)))
    played = at_speeds(one, (0.8, 1, 1.25), seed=2)
    pitches = {4000: 500, 5000: 400, 3200: 625}
    assert {len(x) for x in played.samples} == set(pitches)
    for x, original in zip(played.samples, one.samples, strict=True):
        power = np.abs(np.fft.rfft(x))
        assert power.argmax() * 8000 / len(x) == pytest.approx(pitches[len(x)], abs=2)
        assert (len(x) == 4000) == (x is original)
    np.testing.assert_array_equal(played.labels, found.labels)
    assert played.speakers == found.speakers
    again, other = (
        [len(x) for x in at_speeds(one, (0.8, 1, 1.25), seed=seed).samples] for seed in (2, 3)
    )
    assert again == [len(x) for x in played.samples] != other


def test_other_rooms_have_another_floor(archive):
    features = transformed(read_recordings(archive).dataset(), LogMel(8000, floor=1e-9))
    found = in_rooms(features, 1e-3, 10.0, seed=3)
    np.testing.assert_array_equal(np.isnan(found.x), np.isnan(features.x))
    added = np.exp(found.x.astype(float)) - np.exp(features.x.astype(float))
    floors = 10 * np.log10(np.nanmedian(added, axis=(1, 2)) / 1e-3)
    assert np.abs(floors).max() < 10.1
    assert floors.std() == pytest.approx(20 / 12**0.5, rel=0.4)
    quiet = features.x < np.log(1e-7)
    level = np.broadcast_to(np.log(1e-3) + floors[:, None, None] * np.log(10) / 10, quiet.shape)
    np.testing.assert_allclose(found.x[quiet], level[quiet], atol=2e-3)
    np.testing.assert_array_equal(in_rooms(features, 1e-3, 10.0, seed=3).x, found.x)
    assert not np.array_equal(in_rooms(features, 1e-3, 10.0, seed=4).x, found.x, equal_nan=True)


def test_what_is_quiet_is_not_heard():
    power = np.full((3, 8, 4), 1e-6)
    power[0, 2:5] = [[1.0], [0.5], [0.02]]
    power[0, 6] = 0.005
    power[1, 0], power[1, 3] = 0.3, 0.004
    lengths = np.array([7, 4, 5])
    x = np.where(np.arange(8)[:, None] < lengths[:, None, None], np.log(power), np.nan)
    features = Dataset(x, np.arange(3), None, None, "s", lengths)
    found = heard(features)
    assert found.lengths.tolist() == [3, 4, 5]  # the last is equally quiet throughout
    np.testing.assert_allclose(found.x[0, :3], np.log(power[0, 2:5]))
    np.testing.assert_allclose(found.x[1, :4], np.log(power[1, :4]))
    assert np.isnan(found.x[0, 3:]).all()
    assert heard(features, quiet=0.9).lengths.tolist() == [1, 1, 5]


def test_other_microphones_add_a_smooth_curve(archive):
    features = transformed(read_recordings(archive).dataset(), LogMel(8000))
    found = coloured(features, 2.0, seed=3)
    added = found.x - features.x
    np.testing.assert_array_equal(np.isnan(found.x), np.isnan(features.x))
    curves = np.nanmean(added, axis=1)
    steps = np.broadcast_to(curves[:, None], added.shape)
    np.testing.assert_allclose(added, np.where(np.isnan(added), np.nan, steps), atol=1e-4)
    waves = np.cos(np.pi * np.outer(np.arange(6), np.linspace(0, 1, 40)))
    parts, rest, *_ = np.linalg.lstsq(waves.T, curves.T, rcond=None)
    assert np.abs(rest).max() < 1e-6
    expected = 2 / np.sqrt([1, 1, 2, 3, 4, 5])
    assert (0.5 * expected < parts.std(axis=1)).all()
    assert (parts.std(axis=1) < 1.7 * expected).all()
    np.testing.assert_array_equal(coloured(features, 2.0, seed=3).x, found.x)
    assert not np.array_equal(coloured(features, 2.0, seed=4).x, found.x, equal_nan=True)
