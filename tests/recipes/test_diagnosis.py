"""Diagnosis: files and figures; no patient has a part in what is said of it."""

from __future__ import annotations

import csv
import json
import signal

import numpy as np
import pytest
from runs import command_shows_figures, pullback

import pullback as pb
from pullback.data.patients import PATIENTS, described, numbers_of
from pullback.data.split import folds as fold_of_each
from pullback.recipes import diagnosis as module
from pullback.recipes.diagnosis import diagnosis, logits, with_calibration
from pullback.train.calibration import Platt, fit_platt


@pytest.fixture(scope="module")
def cancer():
    return pb.data.load("breast_cancer")


@pytest.fixture(scope="module")
def small(cancer):
    return pb.data.Data(cancer.train[:150], name="breast_cancer")


@pytest.fixture(scope="module")
def result(small, tmp_path_factory):
    return diagnosis(small, tmp_path_factory.mktemp("diagnosis") / "run", epochs=6, folds=3)


def rows_of(result):
    with (result.run.path / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_from_patients_to_files(result, small):
    folder = result.run.path
    files = {path.name for path in folder.iterdir()}
    wanted = {"model.safetensors", "figures.json", "predictions.png", "predictions.csv"}
    assert wanted <= files
    written = json.loads((folder / "figures.json").read_text())
    assert written["accuracy"] == result.figures["accuracy"] > 0.85
    for name, (low, high) in written["intervals"].items():
        assert low <= high
        assert 0 <= written[name] <= 1
    assert [row["true"] for row in rows_of(result)] == [small.classes[c] for c in small.train.y]


def test_figures_are_those_of_the_predictions(result):
    rows = rows_of(result)
    p = np.array([float(row["probability"]) for row in rows])
    true = np.array([row["true"] == "malignant" for row in rows])
    assert result.figures["accuracy"] == pytest.approx(((p > 0.5) == true).mean())
    assert result.figures["brier"] == pytest.approx(((p - true) ** 2).mean(), abs=1e-5)
    answered = np.array([row["answered"] == "yes" for row in rows])
    assert result.figures["answered"] == pytest.approx(answered.mean())
    assert result.figures["rejected"] == (~answered).sum()
    assert (answered == (np.maximum(p, 1 - p) >= 0.9)).all()
    wrong = (p > 0.5) != true
    assert result.figures["error_of_answered"] == pytest.approx(wrong[answered].mean())
    folds = np.array([int(row["fold"]) for row in rows])
    each = [((p > 0.5) == true)[folds == k].mean() for k in range(3)]
    assert result.figures["accuracy_fold_mean"] == pytest.approx(np.mean(each))
    assert result.figures["accuracy_fold_deviation"] == pytest.approx(np.std(each, ddof=1))


def test_no_network_is_trained_or_scaled_or_calibrated_on_whom_it_tells(small, monkeypatch):
    seen, calibrated = [], []

    def train(rows, kind, epochs, seed, **options):
        seen.append({row.tobytes() for row in rows.x})
        return trained(rows, kind, 1, seed, **options)

    def fit(true, z):
        calibrated.append(len(true))
        return fit_platt(true, z)

    def logits(model, x):
        told = {row.tobytes() for row in x}
        assert not told & seen[-1]
        return said(model, x)

    trained, said = module.train, module.logits
    for name, function in (("train", train), ("fit_platt", fit), ("logits", logits)):
        monkeypatch.setattr(module, name, function)
    parts = fold_of_each(small.train, 3, 0)
    module.tell(small.train, described(small), parts, 1, 0)
    assert len(seen) == 3 * (module.INNER + 1)
    assert calibrated == [(parts != k).sum() for k in range(3)]


def test_the_model_that_is_kept_is_calibrated(result, small):
    kept = pb.load_model(result.run.path)
    own, changed = (logits(model, small.train.x) for model in (retrained(small), kept))
    platt = np.polyfit(own, changed, 1)
    np.testing.assert_allclose(np.polyval(platt, own), changed, atol=1e-4)
    assert abs(platt[0] - 1) > 0.01


def retrained(data):
    return module.train(data.train, described(data), 6, 0).model


def test_calibration_changes_the_log_odds_by_slope_and_offset(small):
    model = retrained(small)
    changed = with_calibration(model, Platt(0.5, -1.0))
    expected = 0.5 * logits(model, small.train.x) - 1.0
    np.testing.assert_allclose(logits(changed, small.train.x), expected, atol=1e-5)


def test_a_run_can_be_repeated_and_depends_on_its_seed(small, tmp_path):
    settings = {"epochs": 1, "folds": 2}
    one, two = (diagnosis(small, tmp_path / name, **settings) for name in ("a", "b"))
    assert one.figures == two.figures
    np.testing.assert_array_equal(one.run.model.theta.flat, two.run.model.theta.flat)
    assert diagnosis(small, tmp_path / "c", seed=1, **settings).figures != one.figures


def test_predict_tells_new_patients(result, cancer, tmp_path):
    pytest.importorskip("pyarrow", reason="tables need pyarrow")
    names, x = PATIENTS["breast_cancer"].names, cancer.test.x[:3]
    with (tmp_path / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *x.tolist()])
    done = pullback("predict", result.run.path, "new.csv", cwd=tmp_path)
    told = list(csv.DictReader(done.stdout.splitlines()))
    model = pb.load_model(result.run.path)
    expected = model.predict_proba(numbers_of(model.table, x))[:, 1]
    np.testing.assert_allclose([float(row["P(malignant)"]) for row in told], expected, rtol=1e-5)


def test_zeros_that_are_no_values_are_missing(data_dir):
    pima = pb.data.load("pima", data_dir)
    kind, x = PATIENTS["pima"], module.whole(pima).x
    preparation = kind.preparation(x)
    found = numbers_of(preparation, x)
    assert found.shape == (768, 8 + 5)
    insulin = x[:, kind.names.index("insulin")]
    assert (insulin == 0).sum() == 374
    at = sum(column.width for column in preparation.columns[:4])
    np.testing.assert_array_equal(found[:, at + 1], insulin == 0)
    middle = np.median(insulin[insulin > 0]) - preparation.columns[4].mean
    np.testing.assert_allclose(
        found[insulin == 0, at], middle / preparation.columns[4].deviation, rtol=1e-5
    )
    zero = x[:, 0] == 0  # none before is a value
    expected = -preparation.columns[0].mean / preparation.columns[0].deviation
    np.testing.assert_allclose(found[zero, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds=1; expected from 2 to"),
        ({"folds": 500}, "the examples of the smallest class"),
        ({"sure": 0.3}, "expected a probability from 0.5 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(small, tmp_path, options, message):
    with pytest.raises(pb.errors.ConfigError, match=message):
        diagnosis(small, tmp_path, **options)


def test_two_classes_are_needed(tmp_path):
    with pytest.raises(pb.errors.ConfigError, match="10 classes; expected two"):
        diagnosis(pb.data.load("digits"), tmp_path)


def test_it_says_that_it_is_no_medical_device(small, tmp_path, caplog):
    with caplog.at_level("WARNING", "pullback"):
        diagnosis(small, tmp_path / "run", epochs=1, folds=2)
    assert "no medical device" in caplog.text


def test_an_interrupted_recipe_measures_nothing(small, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    found = diagnosis(small, tmp_path, epochs=2, folds=2, callbacks=[interrupt])
    assert found.run.stopped == "interrupted"
    assert found.figures == {}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_shows_the_figures(small, flags, tmp_path, monkeypatch, capsys):
    command_shows_figures(
        "diagnosis",
        lambda _, out, **given: diagnosis(small, out, folds=2, **given),
        tmp_path / "run", flags, monkeypatch, capsys,
    )  # fmt: skip


def test_options_of_the_command(tmp_path, data_dir):
    found = pullback(
        "train", "diagnosis", "--data", "pima", "--folds", "2", "--epochs", "1", "--out", "run",
        "--data-dir", data_dir, cwd=tmp_path,
    )  # fmt: skip
    assert "no medical device" in found.stderr
    assert "fold 2 of 2: accuracy" in found.stderr
    assert "test roc_auc_fold_mean" in found.stdout
    found = pullback("train", "diagnosis", "--data", "wine", cwd=tmp_path)
    assert found.stderr == "pullback: --data wine; expected one of breast_cancer, pima\n"
    found = pullback("train", "digits", "--folds", "3", cwd=tmp_path)
    assert found.stderr == "pullback: --folds goes with 'pullback train diagnosis'\n"
    assert found.returncode == 2
