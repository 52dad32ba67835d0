"""``evaluate``, ``predict``, ``resume``, ``datasets``, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image
from runs import command, environment, pullback, theta_of

import pullback as pb


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a short run on the bundled digits."""
    path = tmp_path_factory.mktemp("use")
    done = pullback("train", "digits", "--epochs", 15, "--json", "--out", "run", cwd=path)
    assert done.returncode == 0, done.stderr
    (path / "done.json").write_text(done.stdout.splitlines()[-1])
    return path


def test_evaluate_repeats_the_figures_of_the_run(folder):
    expected = json.loads((folder / "done.json").read_text())
    for what in ("run", "run/model.safetensors"):
        done = pullback("evaluate", what, "--json", cwd=folder)
        figures = json.loads(done.stdout)
        assert figures["accuracy"] == expected["test_accuracy"]
        assert figures["loss"] == expected["test_loss"]


def test_evaluate_measures_what_is_asked_for(folder):
    done = pullback(
        "evaluate", "run", "--metric", "top3", "--metric", "confusion", "--json", cwd=folder
    )
    figures = json.loads(done.stdout)
    assert figures["top3"] >= figures["accuracy"]
    matrix = np.array(figures["confusion"])
    assert matrix.sum() == 359
    assert np.trace(matrix) / 359 == pytest.approx(figures["accuracy"])


def drawn(digit: np.ndarray) -> Image.Image:
    """An example as someone would draw it: large, dark on white, off the middle."""
    ink = Image.fromarray((255 - digit * (255 / 16)).astype(np.uint8)).resize((160, 160))
    page = Image.new("L", (300, 260), 255)
    page.paste(ink, (110, 30))
    return page


def test_predict_reads_drawn_digits(folder):
    test = pb.data.load("digits").test
    right = 0
    paths = []
    for i in range(40):
        path = folder / f"drawn{i}.png"
        drawn(test.x[i]).save(path)
        paths.append(path.name)
    done = pullback("predict", "run", *paths, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    for i, line in enumerate(done.stdout.splitlines()):
        record = json.loads(line)
        assert record["image"] == paths[i]
        assert sum(record["probabilities"].values()) == pytest.approx(1)
        right += record["class"] == str(test.y[i])
    assert right >= 34  # they were drawn from blurred enlargements


def test_predict_speaks_plainly(folder):
    drawn(pb.data.load("digits").test.x[0]).save(folder / "one.png")
    done = pullback("predict", "run", "one.png", cwd=folder)
    assert done.stdout.startswith("one.png: ")
    assert "%" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"not a picture", "not a picture"), (b"\x89PNG\r\n", "picture")],
)
def test_predict_refuses_what_is_no_picture(folder, content, said):
    path = folder / "bad.png"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    done = pullback("predict", "run", "bad.png", cwd=folder)
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["evaluate", "resume"])
def test_a_folder_without_a_run_is_one_line(tmp_path, name):
    done = pullback(name, "nothing", cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert len(done.stderr.splitlines()) == 1
    assert "nothing" in done.stderr


def test_datasets_are_listed(tmp_path):
    done = pullback("datasets", "--json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {r["name"] for r in records} == set(pb.data.load.__globals__["SOURCES"])
    assert records[0]["path"] is not None


def test_ctrl_c_finishes_cleanly_and_the_run_goes_on(tmp_path):
    arguments = ("train", "digits", "--epochs", 40, "--out")
    for out in ("whole", "cut"):
        process = subprocess.Popen(
            command(*arguments, out), cwd=tmp_path, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        if out == "cut":
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("epoch 3/"):
                    process.send_signal(signal.SIGINT)
                    break
        output, errors = process.communicate(timeout=60)
        assert errors == ""
        assert process.returncode == (130 if out == "cut" else 0)
    assert "pullback resume cut" in output
    resumed = pullback("resume", "cut", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))
