"""Two models side by side: what is said of them, in Python and on the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from runs import digits, fit_tiny
from weights_cases import CASES, Case, gradients_of, model_of, relative

import pullback as pb
from pullback.cli.main import main
from pullback.core.errors import ConfigError, ShapeError
from pullback.train.model import Model

SMALL = pb.Chain(pb.Flatten(), pb.Linear(8), pb.BatchNorm(), pb.ReLU(), pb.Linear(10))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity") / "run"
    return folder, fit_tiny(folder, net=SMALL, augment=None).model


@pytest.mark.parametrize("name", CASES)
def test_a_model_is_as_itself(name):
    model = model_of(CASES[name])
    found = pb.exchange.parity(model, model)
    for row in (*found.rows, found.whole):
        assert (row.parameters or 0.0) == row.output == (row.gradient or 0.0) == 0.0


def changed(model: Model, place: str, name: str, state: bool = False) -> Model:
    tree = {k: dict(v) for k, v in model.state.items()} if state else model.theta.copy()
    tree[place][name] = tree[place][name] + 0.25 if state else tree[place][name]
    if not state:
        tree[place][name][...] += 0.25
    return replace(model, **{"state" if state else "theta": tree})


def test_differences_stand_where_they_are():
    case = CASES["mlp"]
    model = model_of(case)
    other = changed(model, "3", "W")
    x = case.batch(n=7)
    found = pb.exchange.parity(model, other, x)
    rows = {row.path: row for row in found.rows}
    assert [row.path for row in found.rows] == [*"0123456"]
    assert found.examples == 7
    assert {path for path, row in rows.items() if row.parameters} == {"3"}
    assert {path for path, row in rows.items() if row.output} == {"3", "4", "5", "6"}
    assert all(rows[path].gradient > 0 for path in "02346")
    wanted = relative(other.theta["3"]["W"], model.theta["3"]["W"])
    assert rows["3"].parameters == pytest.approx(wanted)
    (y, *_), (other_y, *_) = gradients_of(model, x), gradients_of(other, x)
    assert found.whole.output == rows["6"].output == pytest.approx(relative(other_y, y))


def test_the_gradient_is_that_of_the_whole():
    """Of a linear map the gradient by a cotangent is known: that of ``W`` is ``x^T gy``."""
    model = model_of(Case(pb.Chain(pb.Linear(3), pb.Linear(2)), (4,)))
    scaled = replace(model, theta=model.theta.copy())
    scaled.theta["0"]["W"][...] *= 2
    scaled.theta["0"]["b"][...] *= 2
    found = {row.path: row for row in pb.exchange.parity(model, scaled).rows}
    assert found["0"].parameters == pytest.approx(1.0)
    assert found["0"].gradient == 0.0  # x^T gy W1^T, which has no W0
    assert found["1"].gradient == pytest.approx(1.0)  # (x W0 + b)^T gy


def test_state_counts():
    model = model_of(CASES["mlp"])
    found = pb.exchange.parity(model, changed(model, "2", "mean", state=True))
    assert [row.path for row in found.rows if row.parameters] == ["2"]
    assert found.whole.parameters == 0.0 < found.whole.output


def test_other_architectures_are_refused():
    model = model_of(Case(pb.Chain(pb.Linear(3), pb.Tanh()), (4,)))
    text = r"0\.W is \(4, 3\) in the first and \(4, 5\)"
    with pytest.raises(ShapeError, match=text):
        pb.exchange.parity(model, model_of(Case(pb.Chain(pb.Linear(5), pb.Tanh()), (4,))))
    with pytest.raises(ShapeError, match="place 2 is Tanh in the first and ReLU in the second"):
        pb.exchange.parity(model, model_of(Case(pb.Chain(pb.Linear(3), pb.ReLU()), (4,))))
    with pytest.raises(ShapeError, match="place 2 is Tanh in the first and no map in the second"):
        pb.exchange.parity(model, model_of(Case(pb.Chain(pb.Linear(3)), (4,))))
    with pytest.raises(ShapeError, match=r"shapes, \(4,\) and \(5,\)"):
        pb.exchange.parity(model, model_of(Case(model.net, (5,))))
    with pytest.raises(ConfigError, match="float32 and float64"):
        pb.exchange.parity(model, model_of(Case(model.net, (4,)), "float64"))


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return ended.value.code or 0, printed.out, printed.err


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".weights.h5", ".onnx"])
def test_a_run_and_what_it_exports(suffix, run, tmp_path, capsys):
    for module in {".pt": ["torch"], ".weights.h5": ["h5py"], ".onnx": ["onnx"]}.get(suffix, []):
        pytest.importorskip(module, reason=f"{module} is not installed")
    folder, _ = run
    path = tmp_path / f"m{suffix}"
    with pytest.raises(SystemExit):
        main(["export", str(folder), str(path)])
    assert str(path) in capsys.readouterr().out
    code, out, err = told(capsys, folder, path, "--json")
    assert (code, err) == (0, "")
    whole = json.loads(out)["whole"]
    assert max(whole["parameters"], whole["output"], whole["gradient"]) < 1e-6
    assert told(capsys, folder, path)[1].splitlines()[0].split() == [
        "map", "parameters", "output", "gradient",
    ]  # fmt: skip


def test_two_model_files_on_data(run, tmp_path, capsys):
    folder, model = run
    other = changed(model, "4", "b")
    other.save(tmp_path / "other.safetensors")
    code, out, _ = told(
        capsys, folder / "model.safetensors", tmp_path / "other.safetensors",
        "--data", "digits", "--json",
    )  # fmt: skip
    found = json.loads(out)
    x = digits().test.x[:8]
    wanted = relative(other.outputs(x), model.outputs(x))
    assert code == 0
    assert found["examples"] == 8
    assert found["whole"]["output"] == pytest.approx(wanted, rel=1e-4)
    assert [row["path"] for row in found["rows"] if row["parameters"]] == ["4"]


def test_runs_are_compared_as_runs(run, capsys):
    folder, _ = run
    code, out, _ = told(capsys, folder, folder)
    assert code == 0
    assert "best" in out.splitlines()[0]
    notes = folder.parent / "notes.txt"
    notes.write_text("not a run")
    assert "not runs, left out" in told(capsys, folder, notes)[1]
    code, _, err = told(capsys, folder, "--data", "digits")
    assert code == 2
    assert "--data is of two models" in err


def test_what_does_not_fit_is_one_line(run, tmp_path, capsys):
    folder, model = run
    weights = tmp_path / "w.safetensors"
    pb.exchange.to_torch(model, weights)
    code, _, err = told(capsys, weights, folder)
    assert code == 2
    assert "w.safetensors: weights without a model" in err
    code, _, err = told(capsys, folder, weights, "--plot", "a.png")
    assert code == 2
    assert "--plot is of runs" in err
    code, _, err = told(capsys, folder, tmp_path / "absent.pt")
    assert code == 3
    assert "absent.pt: there is no such file" in err
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.npz").read_bytes())
    code, _, err = told(capsys, folder, tmp_path / "w.pth")
    assert code == 3
    assert err.count("\n") == 1
    assert "not a file of torch.save" in err
