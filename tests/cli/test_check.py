"""``pullback check``, and ``--audit``: the receipt of a user's own model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from runs import pullback

TENSORS = ["1.W", "1.b", "3.W", "3.b", "5.W", "5.b", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("check")
    done = pullback("train", "digits", "--epochs", 2, "--audit", 30, "--out", "run", cwd=path)
    assert done.returncode == 0, done.stderr
    assert "gradient checked at 2 steps" in done.stdout
    (path / "my.toml").write_text('data = "digits"\nmodel = "mlp:128,64"\nactivation = "gelu"\n')
    return path


@pytest.mark.parametrize("what", ["run", "my.toml", "run/config.toml"])
def test_a_row_for_every_tensor(folder, what):
    done = pullback("check", what, cwd=folder)
    assert done.returncode == 0, done.stderr
    title, _, *rows, end = done.stdout.splitlines()
    assert "mean loss of 8 examples" in title
    assert [row.split()[0] for row in rows] == TENSORS
    assert all(row.endswith("pass") for row in rows)
    assert end == "7 checks passed"


def test_rows_for_machines(folder):
    done = pullback("check", "run", "--json", "--examples", 20, cwd=folder)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["tensor"] for row in rows] == TENSORS
    assert all(row["passed"] and row["error"] < 1e-9 and row["norm"] > 0 for row in rows)


WRONG = {
    "nothing there": ("nowhere", "there is no run here"),
    "no such file": ("no.toml", "there is no such configuration file"),
    "no data": ("empty.toml", "names no data"),
}


@pytest.mark.parametrize(("what", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_checked_is_one_line(folder, what, said):
    (folder / "empty.toml").write_text("epochs = 2\n")
    done = pullback("check", what, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("examples", [0, -1, 2000])
def test_too_few_or_too_many_examples(folder, examples):
    done = pullback("check", "run", "--examples", examples, cwd=folder)
    assert done.returncode == 2
    assert "expected a number from 1 to 1294" in done.stderr


def test_a_run_whose_data_were_arrays(folder):
    import pullback as pb

    x = np.random.default_rng(0).standard_normal((40, 3))
    data = pb.data.from_arrays(x, (x[:, 0] > 0).astype(int))
    settings = {"loss": pb.losses.CrossEntropy(), "optimizer": pb.optim.SGD(0.1), "batch_size": 8}
    pb.fit(pb.Linear(2), data, epochs=1, out=folder / "arrays", **settings)
    done = pullback("check", "arrays", cwd=folder)
    assert done.returncode == 2
    assert "given its data as arrays" in done.stderr


def test_audit_lines_for_machines(folder):
    done = pullback(
        "train", "digits", "--epochs", 1, "--audit", 10, "--json", "--out", "j", cwd=folder
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [line["step"] for line in lines if line["event"] == "audit"]
    assert steps == [10, 20, 30, 40]
