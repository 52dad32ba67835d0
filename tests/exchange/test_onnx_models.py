"""Whole models: from raw examples to predictions, by Python and by the command line."""

import numpy as np
import pytest
from loss_cases import LOSS_CASES, all_loss_cases
from onnx_runs import by_reference, by_runtime
from runs import digits, fit_tiny

import pullback as pb
from pullback import exchange, models
from pullback.cli.main import main
from pullback.core.errors import ConfigError
from pullback.core.lift import lift
from pullback.data.normalize import Affine
from pullback.losses import LOSSES, CrossEntropy, HalfSquaredError
from pullback.train.model import Model

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'pullback[onnx]'")

RECIPES = {
    "images": (models.small_cnn(3), (12, 12), "float32"),
    "scenes": (models.unet(3, 4), (8, 8, 1), "float32"),
    "boxes": (models.center_detector(3, 4), (8, 8, 1), "float32"),
    "reviews": (models.text_average(9, 2, 4), (6,), "int64"),
    "messages": (models.text_cnn(9, 2, 4), (12,), "int64"),
    "shakespeare": (models.char_transformer(9, 2, 2, 8, 6), (6,), "uint8"),
    "translate": (pb.SideBySide(models.translator(9, 8, 1, 2, 8)), (6, 2), "int64"),
    "sounds": (
        pb.Chain(pb.LogMel(1000, mels=8), models.lstm_classifier(3, 4, both_ways=True)),
        (400,), "float32",
    ),
}  # fmt: skip


def model_of(net, shape, dtype="float32", loss=None, normalizer=None):
    p, state = pb.init(net, pb.Spec(shape), 1)
    loss, normalizer = loss or HalfSquaredError(), normalizer or Affine()
    return Model(net, p, state, loss, pb.Spec(shape, dtype), normalizer)


@pytest.fixture(scope="module")
def run():
    return fit_tiny()


@pytest.mark.parametrize("name", RECIPES)
def test_networks_of_the_recipes(name, tmp_path, rng):
    net, shape, dtype = RECIPES[name]
    ids = rng.integers(0, 8, (4, *shape)).astype(dtype)
    x = rng.standard_normal((4, *shape)).astype(dtype) if dtype == "float32" else ids
    if dtype == "int64":
        x[0, 4:], x[1, 2:] = -1, -1
    model, path = model_of(net, shape, dtype), tmp_path / "m.onnx"
    exchange.to_onnx(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    for run_graph in (by_runtime, by_reference):
        found = run_graph(path, {"input": x})
        np.testing.assert_allclose(found, model.predict_proba(x), rtol=0, atol=1e-5)


def test_a_model_takes_raw_examples_and_gives_probabilities(run, tmp_path):
    x, path = digits().test.x[:50], tmp_path / "m.onnx"
    exchange.to_onnx(run.model, path)
    wanted = run.model.predict_proba(x)
    np.testing.assert_allclose(by_runtime(path, {"input": x}), wanted, rtol=0, atol=1e-5)
    assert [output.name for output in onnx.load(str(path)).graph.output] == ["probabilities"]
    model = exchange.from_onnx(path)
    np.testing.assert_allclose(model.predict_proba(x), wanted, rtol=0, atol=1e-5)
    assert (model.classes, model.loss) == (run.model.classes, CrossEntropy())
    assert model.image == run.model.image
    assert model.normalizer != Affine()


def test_columns_are_normalised_each_by_its_own(tmp_path, rng):
    affine = Affine((0.5, 2.0, 1.0), (1.0, -1.0, 0.0))
    x = rng.uniform(-1e5, 1e5, (6, 3))
    model = model_of(pb.Linear(2), (3,), "float64", normalizer=affine)
    path = tmp_path / "m.onnx"
    exchange.to_onnx(model, path)
    np.testing.assert_allclose(by_runtime(path, {"input": x}), model.outputs(x), rtol=1e-6)
    assert exchange.from_onnx(path).normalizer == affine


def test_every_loss_is_among_the_cases():
    assert set(LOSS_CASES) == {name for name, _ in LOSSES.items()}


@pytest.mark.parametrize("case", all_loss_cases().values(), ids=all_loss_cases().keys())
def test_predictions_of_every_loss(case, tmp_path):
    y = case.arrays()[0].astype("float32")
    model, path = model_of(pb.Chain(), y.shape[1:], loss=case.loss), tmp_path / "m.onnx"
    exchange.to_onnx(model, path)
    wanted = np.asarray(case.loss.link(y))
    np.testing.assert_allclose(by_runtime(path, {"input": y}), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("opset", [16, 24, "20"])
def test_other_versions_are_refused(opset, tmp_path):
    with pytest.raises(ConfigError, match="from 17 to 23"):
        exchange.to_onnx(model_of(pb.Linear(2), (3,)), tmp_path / "m.onnx", opset=opset)


def test_a_map_without_an_exporter_is_named(tmp_path):
    square = lift(lambda x: (x * x, x), lambda x, gy: 2 * x * gy, name="Square")
    with pytest.raises(ConfigError, match=r"0\.1: Square has no form in ONNX"):
        exchange.to_onnx(model_of(pb.Chain(pb.Chain(pb.ReLU(), square)), (3,)), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_what_belongs_to_a_network_only_is_refused_with_a_model(tmp_path):
    model = model_of(pb.Linear(2), (3,))
    with pytest.raises(ConfigError, match="leave them out"):
        exchange.to_onnx(model, tmp_path / "m.onnx", model.theta)
    with pytest.raises(ConfigError, match="with its parameters"):
        exchange.to_onnx(model.net, tmp_path / "m.onnx")


def test_there_and_back_on_the_command_line(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.model.save(tmp_path / "model.safetensors")
    for arguments in (
        ["export", "model.safetensors", "digits.onnx", "--opset", "18"],
        ["import", "digits.onnx", "back"],
    ):
        with pytest.raises(SystemExit) as done:
            main(arguments)
        assert done.value.code == 0
    assert capsys.readouterr().out == "wrote digits.onnx\nwrote back/model.safetensors\n"
    assert onnx.load("digits.onnx").opset_import[0].version == 18
    test, model = digits().test, pb.load_model("back")
    assert model.evaluate(test)["accuracy"] == run.model.evaluate(test)["accuracy"]
    with pytest.raises(SystemExit) as done:
        main(["import", "digits.onnx", "back"])
    assert done.value.code == 2
    assert "there is a model here already" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main(["export", "model.safetensors", "digits.onx"])
    assert done.value.code == 2
    assert "ends in .onnx" in capsys.readouterr().err
