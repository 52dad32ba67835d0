"""Texts with classes, and translations, from texts to files, in seconds."""

import json
import signal

import numpy as np
import pytest
from runs import command_shows_figures, pullback

import pullback as pb
from pullback.core.errors import ConfigError
from pullback.data.text import BytePairs, Pairs, Texts, Words
from pullback.recipes.messages import messages
from pullback.recipes.reviews import reviews
from pullback.recipes.texts import f1
from pullback.recipes.translate import translate
from pullback.train.reading import text_examples
from pullback.train.translation import translates, translations

GOOD, BAD = ("a fine film", "fine, moving work", "what a moving story"), ("dull", "a dull mess")
NUMBERS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}


def texts(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    found = tuple(" ".join(rng.choice((BAD, GOOD)[label], 2)) for label in labels)
    return Texts(found, labels, ("bad", "good"), found, "reviews")


@pytest.fixture(scope="module")
def data():
    train, test = texts(60, 0), texts(20, 1)
    words = Words.of(train.texts)
    return pb.data.Data(
        train.dataset(words, 12), test.dataset(words, 12), "reviews", tokenizer=words
    )


@pytest.mark.parametrize("recipe", [reviews, messages])
def test_classes_of_texts(recipe, data, tmp_path):
    result = recipe(data, tmp_path / "run", epochs=60, width=8, seed=1)
    assert result.figures["accuracy"] == 1
    assert result.figures["f1_good"] == 1
    assert json.loads((tmp_path / "run" / "figures.json").read_text()) == result.figures
    assert (tmp_path / "run" / "mistakes.txt").read_text() == ""
    again = recipe(data, tmp_path / "again", epochs=60, width=8, seed=1)
    np.testing.assert_array_equal(again.run.model.theta.flat, result.run.model.theta.flat)
    done = pullback("predict", "run", "a dull mess", "moving", "--top", 2, cwd=tmp_path)
    first, second = done.stdout.splitlines()
    assert first.startswith("a dull mess: bad  (")
    assert second.startswith("moving: good  (")
    done = pullback("predict", "run", "moving", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    model = pb.load_model(tmp_path / "run")
    (row,) = model.predict_proba(text_examples(model, ["moving"]))
    assert (found["text"], found["class"]) == ("moving", "good")
    assert found["probabilities"] == pytest.approx(dict(zip(("bad", "good"), row, strict=True)))
    done = pullback("predict", "run", "fine", "", cwd=tmp_path)
    assert done.returncode != 0
    assert "'': there is nothing in this text" in done.stderr


def test_the_worst_mistakes_are_written(data, tmp_path):
    test = pb.data.Dataset(
        data.test.x, 1 - data.test.y, None, data.classes, "turned", data.test.lengths
    )
    turned = pb.data.Data(data.train, test, "reviews", tokenizer=data.tokenizer)
    result = reviews(turned, tmp_path, epochs=60, width=8)
    assert result.figures["accuracy"] == result.figures["f1_good"] == 0
    said = (tmp_path / "mistakes.txt").read_text()
    assert said.count("% probable:") == len(test)
    assert all(data.tokenizer.decode(row) in said for row in np.asarray(test.x))


def test_f1_is_the_definition():
    found, true = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 1, 1, 0], bool)
    precision, recall = 2 / 3, 2 / 3
    assert f1(found, true) == pytest.approx(2 * precision * recall / (precision + recall))
    assert f1(~true, true) == 0
    assert f1(np.zeros(3, bool), np.zeros(3, bool)) == 0


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    rows = [rng.choice(list(NUMBERS), rng.integers(4, 8)) for _ in range(240)]
    sources = tuple(" ".join(row) for row in rows)
    targets = tuple(" ".join(NUMBERS[word] for word in row) for row in rows)
    tokens = BytePairs.train((*sources, *targets), 290, ("<begin>", "<end>"))
    both = Pairs(sources, targets).dataset(tokens, tokens)
    return pb.data.Data(both[:220], both[220:], "numbers", tokenizer=tokens)


@pytest.fixture(scope="module")
def translated(pairs, tmp_path_factory):
    pytest.importorskip("sacrebleu", reason="BLEU needs sacrebleu")
    folder = tmp_path_factory.mktemp("translate")
    return folder, translate(pairs, folder / "run", epochs=120, layers=1, heads=2, width=32)


def test_translations(pairs, translated):
    folder, result = translated
    assert result.figures["bleu"] > 80
    assert json.loads((folder / "run" / "figures.json").read_text()) == result.figures
    model = pb.load_model(folder / "run")
    assert translates(model)
    sources = [pairs.tokenizer.decode(row[:, 0]) for row in pairs.test.x]
    found = translations(model, sources)
    said = (folder / "run" / "translations.txt").read_text()
    assert all(f"{a}\n  {b}\n" in said for a, b in zip(sources, found, strict=True))
    each = [translations(model, [source])[0] for source in sources]
    assert each == found  # what stands beside a text does not matter


def test_predict_translates(translated):
    folder, _ = translated
    done = pullback("predict", "run", "one two", cwd=folder)
    assert (
        done.stdout == f"one two: {translations(pb.load_model(folder / 'run'), ['one two'])[0]}\n"
    )
    done = pullback("predict", "run", "one", "--json", cwd=folder)
    assert (
        json.loads(done.stdout)["said"] == translations(pb.load_model(folder / "run"), ["one"])[0]
    )
    done = pullback("predict", "run", " ", cwd=folder)
    assert "a text without a word cannot be translated" in done.stderr


def test_what_translates_nothing_is_refused(data, tmp_path):
    model = reviews(data, tmp_path, epochs=1, width=4).run.model
    assert not translates(model)
    with pytest.raises(ConfigError, match="this model translates nothing"):
        translations(model, ["one"])


def test_bleu_needs_its_library(pairs, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(ConfigError, match=r"pip install 'pullback\[translate\]'"):
        translate(pairs, tmp_path, epochs=1)


@pytest.mark.parametrize("recipe", [reviews, messages, translate])
def test_an_interrupted_recipe_measures_nothing(recipe, data, pairs, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    if recipe is translate:
        pytest.importorskip("sacrebleu", reason="BLEU needs sacrebleu")
    part = pairs if recipe is translate else data
    result = recipe(part, tmp_path, epochs=2, width=8, callbacks=[interrupt])
    assert result.run.stopped == "interrupted"
    assert result.figures == {}


SMALL = {
    "reviews": (reviews, {"width": 4}),
    "messages": (messages, {"width": 4}),
    "translate": (translate, {"layers": 1, "heads": 2, "width": 8}),
}


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("name", SMALL)
def test_the_command_shows_the_figures(name, flags, data, pairs, tmp_path, monkeypatch, capsys):
    if name == "translate":
        pytest.importorskip("sacrebleu", reason="BLEU needs sacrebleu")
    recipe, options = SMALL[name]
    part = pairs if name == "translate" else data
    command_shows_figures(
        name, lambda _, out, **given: recipe(part, out, **options, **given),
        tmp_path / "run", flags, monkeypatch, capsys,
    )  # fmt: skip
