"""From a table to a model, and from the model to a table."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from runs import pullback

pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra 'tables')")


def people(path, count=240, label=True):
    rng = np.random.default_rng(len(path.name))
    lines = ["age,town" + ",rich" * label]
    for age, town in zip(rng.integers(18, 90, count), rng.integers(0, 3, count), strict=True):
        cells = [str(age), ("Rome", "Oslo", "Kyiv")[town]]
        lines.append(",".join(cells + ["yes" if age > 50 else "no"] * label))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_from_a_table_to_predictions(tmp_path):
    people(tmp_path / "train.csv")
    people(tmp_path / "test.csv")
    done = pullback("train", "train.csv", "--target", "rich", "--test", "test.csv", "--epochs", 60,
                    "--out", "run", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"rich +the target: 2 classes\nage +number.*\ntown +3 categories", done.stdout)
    accuracy = float(re.search(r"test accuracy ([\d.]+)", done.stdout)[1])
    assert accuracy > 0.9
    people(tmp_path / "new.csv", label=False)
    rows = (tmp_path / "new.csv").read_text("utf-8").splitlines()
    swapped = ["town,age", *(",".join(reversed(row.split(","))) for row in rows[1:])]
    (tmp_path / "swapped.csv").write_text("\n".join(swapped), "utf-8")
    for name in ("new", "swapped"):
        done = pullback("predict", "run", f"{name}.csv", "--out", f"{name}-said.csv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "new-said.csv").read_text("utf-8")
    said = list(csv.DictReader(text.splitlines()))
    assert (tmp_path / "swapped-said.csv").read_text("utf-8") == text
    assert list(said[0]) == ["rich", "P(no)", "P(yes)"]
    right = ["yes" if int(row.split(",")[0]) > 50 else "no" for row in rows[1:]]
    assert np.mean([a["rich"] == b for a, b in zip(said, right, strict=True)]) > 0.9
    for row in said:
        shares = float(row["P(no)"]), float(row["P(yes)"])
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert (shares[1] > shares[0]) == (row["rich"] == "yes")
    done = pullback("evaluate", "run", "--data", "test.csv", cwd=tmp_path)
    found = float(re.search(r"accuracy: ([\d.]+)", done.stdout)[1])
    assert found == pytest.approx(accuracy, abs=1e-3)
    done = pullback("evaluate", "run", cwd=tmp_path)
    assert f"accuracy: {found:.4f}" in done.stdout


def test_a_quantity_comes_back_in_its_unit(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 300)
    lines = [f"{a:.3f},{1000 + 50 * a:.3f}" for a in x]
    (tmp_path / "t.csv").write_text("\n".join(lines), "utf-8")
    done = pullback("train", "t.csv", "--epochs", 100, "--dropout", 0, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "column 2  the target: a quantity" in done.stdout
    (tmp_path / "new.csv").write_text("2\n8\n", "utf-8")
    done = pullback("predict", "run", "new.csv", cwd=tmp_path)
    head, *rows = done.stdout.splitlines()
    assert head == "column 2"
    numbers = [float(row) for row in rows]
    np.testing.assert_allclose(numbers, [1100, 1400], atol=60)


def test_a_configuration_to_edit(tmp_path):
    people(tmp_path / "train.csv")
    done = pullback("init", "train.csv", "--target", "rich", "--epochs", 2, "--out", "run.toml",
                    cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "# rich  the target" in done.stdout
    text = (tmp_path / "run.toml").read_text("utf-8")
    assert "epochs = 2" in text
    (tmp_path / "run.toml").write_text(text.replace("epochs = 2", "epochs = 3"), "utf-8")
    done = pullback("train", "--config", "run.toml", "--out", "run", cwd=tmp_path)
    assert "epoch 3/3" in done.stdout, done.stderr
    again = pullback("init", "train.csv", "--out", "run.toml", cwd=tmp_path)
    assert again.returncode == 2
    assert "there is such a file already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "train.csv", "--target", "ritch"), "Did you mean 'rich'"),
        (("train", "absent.csv"), "there is no such file"),
        (("train", "digits", "--target", "rich"), "target"),
        (("init", "digits"), "expected a CSV or Parquet file"),
    ],
)
def test_wrong_commands_are_one_line(arguments, said, tmp_path):
    people(tmp_path / "train.csv")
    done = pullback(*arguments, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
