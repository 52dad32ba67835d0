"""The language model from a text to samples, in seconds."""

import json
import signal
from importlib import import_module

import numpy as np
import pytest

import pullback as pb
from pullback.data.text import Characters, windows
from pullback.decode import generate
from pullback.recipes.shakespeare import shakespeare

TEXT = "Now is the winter of our discontent\nMade glorious summer by this sun of York;\n" * 12
SMALL = {"epochs": 2, "steps_per_epoch": 4, "layers": 1, "width": 8}


@pytest.fixture(scope="module")
def data():
    letters = Characters("".join(sorted(set(TEXT))), unknown=False)
    ids = letters.encode(TEXT)
    return pb.data.Data(
        windows(ids[:800], 16), windows(ids[800:], 16, stride=16), name="plays", tokenizer=letters
    )


def test_from_a_text_to_samples(data, tmp_path):
    told = []
    result = shakespeare(data, tmp_path / "a", seed=1, callbacks=[told.append], **SMALL)
    folder = tmp_path / "a"
    model = pb.load_model(folder)
    figures = {"loss": model.evaluate(data.test)["loss"], "seed": 1, "steps": 8}
    assert result.figures == pytest.approx(figures, rel=1e-6)
    assert json.loads((folder / "figures.json").read_text()) == result.figures
    sampled = [event for event in told if isinstance(event, pb.events.Sampled)]
    assert [event.epoch for event in sampled] == [1, 2]
    last = "".join(generate(model, "\n", length=200, temperature=0.8, seed=1))
    assert sampled[1].text == last
    samples = (folder / "samples.txt").read_text()
    assert samples.count("--- after epoch") == 2
    assert all(event.text.strip() in samples for event in sampled)
    again = shakespeare(data, tmp_path / "b", seed=1, **SMALL)
    np.testing.assert_array_equal(again.run.model.theta.flat, result.run.model.theta.flat)


def test_an_interrupted_recipe_measures_nothing(data, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    result = shakespeare(data, tmp_path, callbacks=[interrupt], **SMALL)
    assert result.run.stopped == "interrupted"
    assert result.figures == {}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_shows_samples_and_figures(data, tmp_path, monkeypatch, capsys, flags):
    from pullback.cli.main import main

    import_module("pullback.cli.train")  # else it would import, and keep, what is put in place here
    small = {key: value for key, value in SMALL.items() if key != "epochs"}
    monkeypatch.setattr("pullback.data.load", lambda name, data_dir=None: data)
    monkeypatch.setattr(
        "pullback.recipes.shakespeare.shakespeare",
        lambda data, out, **options: shakespeare(data, out, **small, **options),
    )
    with pytest.raises(SystemExit) as ended:
        main(["train", "shakespeare", "--epochs", "1", "--out", str(tmp_path / "run"), *flags])
    assert not ended.value.code
    shown = capsys.readouterr().out
    sample = (tmp_path / "run" / "samples.txt").read_text().partition("\n")[2].strip()
    if flags:
        (record,) = [r for r in map(json.loads, shown.splitlines()) if r["event"] == "sample"]
        assert (record["epoch"], record["text"].strip()) == (1, sample)
    else:
        assert "\n".join(f"  | {line}" for line in sample.splitlines()) in shown
        assert "test loss " in shown
