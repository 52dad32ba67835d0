"""Columns of many words: a vector and the target's mean for each; no row is told its own target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pullback as pb
from pullback.cli.main import cli
from pullback.cli.recipe import settings_of
from pullback.data.dataset import Data
from pullback.train.fit import run_settings

pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra 'tables')")
pytest.importorskip("narwhals", reason="narwhals is not installed (the extra 'tables')")

import pyarrow

from pullback.data.tables import table
from pullback.data.tables.means import FOLDS

SEED = {"seed": 0, "epochs": 2}


def towns(rows: int = 6_000, kinds: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return words, their own effects, and noise; the last kind is there once."""
    rng = np.random.default_rng(0)
    town = rng.integers(0, kinds - 1, rows)
    town[-1] = kinds - 1
    return town, rng.normal(size=kinds), rng.normal(size=rows)


def priced(noise: float = 0.1, target: str = "price") -> pyarrow.Table:
    town, effect, other = towns()
    said = effect[town] + noise * other
    y = said if target == "price" else np.digitize(said, [-0.5, 0.5]).astype(str)
    return pyarrow.table({"town": [f"town {i}" for i in town], "size": other, target: y})


def of_kind(data: Data, kind: str) -> list:
    return [column for column in data.table.columns if type(column).__name__ == kind]


def test_the_columns(tmp_path):
    data = table(priced())
    assert [type(column).__name__ for column in data.table.columns] == [
        "Numbers", "Means", "Embedded",
    ]  # fmt: skip
    (embedded,) = of_kind(data, "Embedded")
    assert data.table.embedded == (embedded.places,)
    assert "town" in data.table.words
    places = data.train.x[:, -1].astype(int)
    town = towns()[0]
    assert all(
        embedded.words[at] == f"town {i}" for at, i in zip(places[:-1], town[:-1], strict=True)
    )
    assert places[-1] == embedded.places - 1  # seen once: one of all others


@pytest.mark.parametrize("target", ["price", "kind"])
def test_the_means_are_those_of_scikit_learn(target):
    preprocessing = pytest.importorskip(
        "sklearn.preprocessing", reason="scikit-learn is not installed (the extra 'sklearn')"
    )
    cells = priced(target=target)
    data = table(cells)
    (found,) = of_kind(data, "Means")
    y = cells[target].to_numpy(zero_copy_only=False)
    kinds = [None] if target == "price" else list(data.classes[1:])
    for at, kind in enumerate(kinds):
        t = y.astype(float) if kind is None else (y == kind).astype(float)
        t = (t - t.mean()) / t.std()
        towns = np.array(cells["town"].to_pylist())
        encoder = preprocessing.TargetEncoder(target_type="continuous", smooth=_ratio(towns, t))
        encoder.fit(towns[:, None], t)
        theirs = dict(zip(encoder.categories_[0], encoder.encodings_[0], strict=True))
        ours = np.array(found.means).reshape(-1, found.width)[: len(found.words), at]
        np.testing.assert_allclose(ours, [theirs[word] for word in found.words], atol=1e-9)


def _ratio(words: np.ndarray, t: np.ndarray) -> float:
    """Return the variance within words over that between, by the table of a one-way analysis."""
    groups = [t[words == word] for word in np.unique(words)]
    sizes = np.array([len(group) for group in groups])
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (len(t) - len(groups))
    means = np.array([group.mean() for group in groups])
    between = (sizes * (means - t.mean()) ** 2).sum() / (len(groups) - 1)
    size = (len(t) - (sizes**2).sum() / len(t)) / (len(groups) - 1)
    return float(within / ((between - within) / size))


def test_a_row_is_told_of_the_other_parts_alone():
    cells = priced()
    data = table(cells)
    town, y = towns()[0], cells["price"].to_numpy()
    t, part = (y - y.mean()) / y.std(), np.arange(len(y)) % FOLDS
    smoothing = _ratio(town, t)
    for row in range(200):
        others = t[(town == town[row]) & (part != part[row])]
        told = others.sum() / (len(others) + smoothing)
        assert data.train.x[row, -2] == pytest.approx(told, abs=1e-6)
    (column,) = of_kind(data, "Means")
    assert len(set(data.train.x[town == town[0], -2])) > 1
    assert len(set(column.numbers(column.values(cells["town"].combine_chunks()))[:, 0])) <= 300


def test_words_that_say_nothing_have_no_means():
    rng = np.random.default_rng(1)
    words = [f"w{i}" for i in rng.integers(0, 300, 4_000)]
    data = table(pyarrow.table({"word": words, "y": rng.normal(size=4_000)}))
    assert np.abs(data.train.x[:, 0]).max() < 0.1  # plain means would be 0.27 on the average


def test_a_network_learns_the_words(tmp_path):
    cells = priced()
    data = table(cells.slice(0, 5_000), test=cells.slice(5_000))
    model = run_settings(settings_of("table", data, {}, {"seed": 0, "epochs": 10}), data).model
    said = data.table.in_units(model.outputs(data.test.x))
    y = cells["price"].to_numpy()[5_000:]
    assert 1 - np.mean((said - y) ** 2) / y.var() > 0.9
    model.save(tmp_path / "towns.safetensors")
    again = pb.load_model(tmp_path / "towns.safetensors")
    assert again.table == data.table
    np.testing.assert_array_equal(again.outputs(data.test.x), model.outputs(data.test.x))


def test_unknown_and_missing_words_are_predicted(tmp_path, monkeypatch):
    from pyarrow import csv

    monkeypatch.chdir(tmp_path)
    csv.write_csv(priced(target="kind"), "towns.csv")
    given = ["train", "towns.csv", "--target", "kind", "--epochs", "1", "--out", "run"]
    cli.main(given, standalone_mode=False)
    Path("new.csv").write_text("size,town\n0.5,nowhere\n0.1,\n-1,town 5\n")
    cli.main(["predict", "run", "new.csv", "--out", "said.csv"], standalone_mode=False)
    lines = Path("said.csv").read_text().splitlines()
    assert len(lines) == 4
    assert all(0 <= float(cell) <= 1 for line in lines[1:] for cell in line.split(",")[-3:])


def test_the_network_in_other_hands(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from pullback.exchange.onnx import to_onnx

    data = table(priced())
    model = run_settings(settings_of("table", data, {}, SEED), data).model
    to_onnx(model, tmp_path / "towns.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "towns.onnx", providers=["CPUExecutionProvider"]
    )
    (theirs,) = session.run(None, {session.get_inputs()[0].name: data.train.x[:64]})
    np.testing.assert_allclose(theirs, model.outputs(data.train.x[:64]), atol=1e-5)
