"""Spoken words, and words in a row, to files, in seconds; tones that rise or fall are the words."""

import json
import signal

import numpy as np
import pytest
from runs import command_shows_figures, pullback
from sounds import wav

import pullback as pb
from pullback.core.errors import DataError
from pullback.data.audio import Recordings, Sound, joined, resample, utterance
from pullback.data.rows import padded
from pullback.recipes.connected import connected
from pullback.recipes.sounds import mel_of
from pullback.recipes.speech import both_ways, speech
from pullback.train.hearing import hears_words, sound_example, words_heard

CLASSES = ("up", "down", "both")


def tone(label, rng, seconds=0.12):
    """A word: a tone whose pitch changes, in noise."""
    t = np.arange(int(rng.uniform(0.8, 1.2) * seconds * 8000)) / 8000
    first, then = ((500, 2000), (2000, 500), (900, 900))[label]
    pitch = np.where(t < t[-1] / 2, first, then) * rng.uniform(0.9, 1.1)
    return (0.2 * np.sin(2 * np.pi * pitch * t) + 0.002 * rng.standard_normal(len(t))).astype("f4")


def words(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    samples = tuple(utterance(tone(label, rng)) for label in labels)
    return Recordings(samples, labels, CLASSES, ("one",) * count, labels, 8000, "tones")


@pytest.fixture(scope="module")
def data():
    return pb.data.Data(words(90, 0).dataset(1400), words(30, 1).dataset(1400), "tones", rate=8000)


@pytest.fixture(scope="module")
def rows():
    train, test = joined(words(90, 0), 60), joined(words(30, 1), 12)
    width = max(train.x.shape[1], test.x.shape[1])
    parts = [
        pb.data.Dataset(
            np.pad(part.x, ((0, 0), (0, width - part.x.shape[1])), constant_values=np.nan),
            part.y, lengths=part.lengths,
        )
        for part in (train, test)
    ]  # fmt: skip
    return pb.data.Data(*parts, "tones", rate=8000)


@pytest.fixture(scope="module")
def speech_run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    return folder, speech(data, folder / "run", epochs=10, units=16, readers=2, copies=3, seed=1)


def test_words_from_recordings_to_files(data, speech_run, tmp_path):
    folder, result = speech_run
    assert result.figures["accuracy"] > 0.9
    assert json.loads((folder / "run" / "figures.json").read_text()) == result.figures
    model = pb.load_model(folder / "run")
    assert (model.rate, model.classes, model.input.shape) == (8000, CLASSES, (1400,))
    found = (model.predict(data.test.x) == data.test.y).mean()
    assert found == result.figures["accuracy"] == model.evaluate(data.test)["accuracy"]
    again = speech(data, tmp_path, epochs=10, units=16, readers=2, copies=3, seed=1)
    assert again.figures == result.figures
    np.testing.assert_array_equal(again.run.model.theta.flat, result.run.model.theta.flat)


def test_the_model_hears_each_recording_at_three_speeds(data, speech_run):
    folder, result = speech_run
    readers, model = result.run.model, pb.load_model(folder / "run")
    np.testing.assert_array_equal(model.theta.flat, readers.theta.flat)
    sounds = [x[:n] for x, n in zip(data.test.x, data.test.lengths, strict=True)]
    scores = []
    for speed in (0.9, 1.0, 1.1):
        rows = [resample(Sound(x, round(8000 * speed)), 8000).samples for x in sounds]
        features, _ = mel_of(data).forward({}, padded(rows)[0], pb.Context())
        x, _ = pb.Padded(both_ways()).forward({}, features, pb.Context())
        x[np.isnan(features[..., 0])] = np.nan
        y, _ = readers.net.forward(readers.theta, x, pb.Context())
        scores.append(y.mean(axis=1))
    # played by the resampler, which leaves out the highest frequencies
    found = model.outputs(data.test.x)
    np.testing.assert_allclose(found, np.mean(scores, axis=0), atol=0.03)
    assert all(np.abs(found - each).max() > 0.1 for each in scores)


def test_a_file_is_heard_at_any_rate_and_loudness(speech_run, rng, capsys):
    folder, _ = speech_run
    silence = np.zeros(900)
    for label in range(3):
        said = np.concatenate([silence, tone(label, rng), silence])
        (folder / f"{label}.wav").write_bytes(wav(0.3 * said, "f32"))
        twice = np.repeat(np.repeat(said, 2), 2)  # two channels of twice the rate
        (folder / f"{label}s.wav").write_bytes(wav(twice, "i24", channels=2, rate=16000))
    files = [f"{label}{kind}.wav" for label in range(3) for kind in ("", "s")]
    done = pullback("predict", "run", *files, "--json", cwd=folder)
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["sound"] for line in lines] == files
    assert [line["class"] for line in lines] == [name for name in CLASSES for _ in range(2)]


def test_what_cannot_be_heard_is_refused(speech_run, rng):
    folder, _ = speech_run
    (folder / "long.wav").write_bytes(wav(rng.uniform(-0.5, 0.5, 8000)))
    (folder / "bad.wav").write_bytes(b"no sound at all")
    for name, said in (("long.wav", "1.0 s of sound"), ("bad.wav", "expected RIFF")):
        done = pullback("predict", "run", name, cwd=folder)
        assert done.returncode != 0
        assert name in done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    with pytest.raises(DataError, match=r"this model hears up to 0\.2 s"):
        sound_example(pb.load_model(folder / "run"), folder / "long.wav")


def test_words_in_a_row(rows, tmp_path):
    result = connected(rows, tmp_path / "run", epochs=200, units=16, seed=1)
    assert result.figures["error_rate"] < 0.3
    assert json.loads((tmp_path / "run" / "figures.json").read_text()) == result.figures
    model = pb.load_model(tmp_path / "run")
    assert hears_words(model)
    right = [[label for label in row if label >= 0] for row in rows.test.y.tolist()]
    found = words_heard(model, rows.test.x)
    assert np.mean([a == b for a, b in zip(found, right, strict=True)]) == pytest.approx(
        result.figures["all_right"]
    )
    first = rows.test.x[0, : rows.test.lengths[0]]
    (tmp_path / "row.wav").write_bytes(wav(first.astype(float), "f32"))
    done = pullback("predict", "run", "row.wav", cwd=tmp_path)
    example = sound_example(model, tmp_path / "row.wav")[None]
    assert done.stdout == f"row.wav: {' '.join(map(str, words_heard(model, example)[0]))}\n"


@pytest.mark.parametrize("recipe", [speech, connected])
def test_an_interrupted_recipe_measures_nothing(recipe, data, rows, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    part = data if recipe is speech else rows
    result = recipe(part, tmp_path, epochs=3, units=4, callbacks=[interrupt])
    assert result.run.stopped == "interrupted"
    assert result.figures == {}


def loudness(samples):
    frames = np.sort((samples[: len(samples) // 200 * 200].reshape(-1, 200) ** 2).mean(axis=1))
    return np.sqrt(frames[-3:].mean())


def test_an_utterance_is_what_is_said(rng):
    said = tone(1, rng, 0.2)
    quiet = 1e-4 * rng.standard_normal(1000).astype("f4")
    found = utterance(np.concatenate([quiet, said, quiet]))
    assert len(said) <= len(found) < len(said) + 400
    assert loudness(found) == pytest.approx(0.05, rel=0.02)
    hum = 0.1 * np.sin(2 * np.pi * 50 / 8000 * np.arange(len(said) + 4000)).astype("f4")
    hummed = utterance(hum + np.concatenate([np.tile(quiet, 2), said, np.tile(quiet, 2)]))
    assert len(said) <= len(hummed) < len(said) + 400
    wider = utterance(np.concatenate([quiet, said, quiet]), around=300)
    assert len(found) + 500 < len(wider) <= len(found) + 600
    np.testing.assert_allclose(utterance(wider, around=len(wider)), wider, rtol=1e-3)
    np.testing.assert_allclose(
        utterance(7 * np.concatenate([quiet, said, quiet])), found, rtol=1e-5
    )
    np.testing.assert_array_equal(utterance(np.zeros(500, "f4")), np.zeros(500, "f4"))
    assert utterance(np.zeros(0, "f4")).shape == (0,)
    assert utterance(np.full(30, 0.5, "f4")).shape == (30,)


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("recipe", [speech, connected])
def test_the_command_shows_the_figures(recipe, flags, data, rows, tmp_path, monkeypatch, capsys):
    part = data if recipe is speech else rows
    command_shows_figures(
        recipe.__name__, lambda _, out, **given: recipe(part, out, units=4, **given),
        tmp_path / "run", flags, monkeypatch, capsys,
    )  # fmt: skip
