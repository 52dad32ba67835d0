"""``pullback step``: the walk of a run's own model on one of its examples."""

from __future__ import annotations

import json
from html import escape

import numpy as np
import pytest
from runs import pullback

import pullback as pb


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("step")
    done = pullback("train", "digits", "--epochs", 2, "--out", "run", cwd=path)
    assert done.returncode == 0, done.stderr
    arrays = pb.data.load("digits").train[:40]
    pb.fit(
        pb.Chain(pb.Flatten(), pb.Linear(10)), arrays, loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.SGD(0.1), epochs=1, batch_size=20, out=path / "arrays",
    )  # fmt: skip
    (path / "my.toml").write_text(
        'data = "digits"\nmodel = "mlp:4"\noptimizer = "sgd"\nshift = 0\n'
    )
    return path


def walked(folder, *arguments):
    done = pullback("step", *arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numbers(data, kind, name):
    return [
        np.array(v["numbers"])
        for section in data["sections"]
        if section["kind"] == kind
        for v in section["values"]
        if v["name"] == name and "numbers" in v
    ]


def test_a_step_of_a_run_is_that_of_its_model(folder):
    data = walked(folder, "run", "--example", 7)
    assert (data["example"], data["step"]) == (7, 82)
    model = pb.load_model(folder / "run")
    (target,) = numbers(data, "given", "target")
    example, (logits,) = None, numbers(data, "forward", "y")[-1]
    for i, x in enumerate(pb.data.load("digits").train.x):
        if np.allclose(model.outputs(x[None])[0], logits, rtol=1e-5):
            example = i
    assert example is not None
    assert pb.data.load("digits").train.y[example] == target[0]


def test_a_configuration_is_walked_from_its_start(folder):
    data = walked(folder, "my.toml")
    assert data["step"] == 0
    assert data["remarks"] == [
        "training example 0 of 1294, at step 0",
        "the parameters, and what the optimiser keeps, are those of the start",
    ]
    kinds = [section["kind"] for section in data["sections"]]
    assert kinds == ["given", *["forward"] * 4, "error", *["backward"] * 4, *["update"] * 4]
    starts = [v for v in numbers(data, "update", "θ") if v.shape == (4,)]
    assert not starts[0].any()  # biases start at zero


def test_the_text_and_the_page(folder):
    done = pullback("step", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    remarks = [
        "training example 0 of 1294, at step 82",
        "the parameters, and what the optimiser keeps, are those of the checkpoint",
        "the example is taken as it is: without the run's RandomShift",
    ]
    assert lines[:5] == [*remarks, "", "given"]
    for heading in ("1 forward: 1 (Linear)", "2 error: CrossEntropy", "3 backward: 5 (Linear)"):
        assert heading in lines
    done = pullback("step", "run", "--html", "page.html", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    page = (folder / "page.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert all(escape(remark) in page for remark in remarks)
    (folder / "page.html").unlink()
    assert walked(folder, "run", "--html", "page.html")["remarks"] == remarks
    assert (folder / "page.html").read_text("utf-8") == page


WRONG = {
    "nothing there": (("nowhere",), 2, "there is no run here"),
    "data that were arrays": (("arrays",), 2, "the run was given its data as arrays"),
    "too far": (("run", "--example", 1294), 2, "expected a number from 0 to 1293"),
    "below 0": (("run", "--example", -1), 2, "expected a number from 0 to 1293"),
    "no folder for the page": (("run", "--html", "no/page.html"), 3, "cannot be written"),
    "batch normalisation": (("norm.toml",), 2, "couples the examples of a batch"),
}


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_walked_is_one_line(folder, arguments, code, said):
    (folder / "norm.toml").write_text(
        'data = "digits"\n[model]\ntype = "Chain"\nnames = ["0", "1", "2"]\n'
        'maps = [{type = "Flatten"}, {type = "BatchNorm"}, {type = "Linear", units = 10}]\n'
    )
    done = pullback("step", *arguments, cwd=folder)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
