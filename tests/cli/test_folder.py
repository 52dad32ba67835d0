"""A folder of images at the command line: train, evaluate, predict, resume."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib

import numpy as np
import pytest
from PIL import Image
from runs import pullback

import pullback as pb

DIGITS = pb.data.load("digits")


def write(root):
    """The bundled digits as coloured images: dark blue on a light page."""
    for part, dataset in (("train", DIGITS.train), ("test", DIGITS.test)):
        for row, (x, y) in enumerate(zip(dataset.x, dataset.y, strict=True)):
            path = root / part / f"digit {y}" / f"{row:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            ink = x[..., None] / 16
            pixels = (1 - ink) * [250, 240, 230] + ink * [10, 20, 120]
            Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place with a folder of images and a run over it."""
    path = tmp_path_factory.mktemp("folder")
    write(path / "images")
    done = pullback(
        "train", "images", "--epochs", 15, "--lr", 0.01, "--json", "--out", "run", cwd=path
    )
    assert done.returncode == 0, done.stderr
    (path / "done.json").write_text(done.stdout.splitlines()[-1])
    return path


def test_a_run_over_a_folder_knows_where_its_data_are(place):
    config = tomllib.loads((place / "run" / "config.toml").read_text())
    assert config["data"] == str(place / "images")
    assert config["folder"] == {"size": [8, 8], "channels": 3}
    assert json.loads((place / "done.json").read_text())["test_accuracy"] > 0.9
    model = pb.load_model(place / "run")
    assert model.image == pb.data.PictureFormat(8, 8, 3)
    assert model.classes == tuple(f"digit {i}" for i in range(10))


def test_the_run_is_repeated_by_its_configuration(place):
    done = pullback(
        "train", "--config", "run/config.toml", "--epochs", 1, "--out", "again", cwd=place
    )
    assert done.returncode == 0, done.stderr
    again = tomllib.loads((place / "again" / "config.toml").read_text())
    assert again["folder"] == {"size": [8, 8], "channels": 3}


def test_evaluate_writes_the_confusions_and_the_wrong_images(place):
    expected = json.loads((place / "done.json").read_text())
    done = pullback("evaluate", "run", "--json", cwd=place)
    assert json.loads(done.stdout)["accuracy"] == expected["test_accuracy"]
    (head, *rows) = csv.reader((place / "run" / "confusion.csv").read_text().splitlines())
    assert head[1:] == [row[0] for row in rows] == [f"digit {i}" for i in range(10)]
    matrix = np.array([row[1:] for row in rows], int)
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(DIGITS.test.y))
    assert np.trace(matrix) / 359 == pytest.approx(expected["test_accuracy"])
    for name in ("confusion.png", "wrong.png"):
        assert pb.data.load_image(place / "run" / name, 3).shape[2] == 3
    said = pullback("evaluate", "run", cwd=place).stdout
    assert said.splitlines()[-1] == "see confusion.csv, confusion.png, wrong.png in run"


def test_evaluate_on_another_folder_uses_the_models_size_and_classes(place):
    other = place / "other" / "digit 7"
    other.mkdir(parents=True)
    sevens = np.flatnonzero(DIGITS.test.y == 7)
    for row in sevens:
        image = Image.open(place / "images" / "test" / "digit 7" / f"{row:04d}.png")
        image.resize((40, 40), Image.Resampling.NEAREST).save(other / f"{row}.png")
    done = pullback("evaluate", "run", "--data", "other", "--json", cwd=place)
    assert json.loads(done.stdout)["accuracy"] > 0.9
    (place / "other" / "eight").mkdir()
    done = pullback("evaluate", "run", "--data", "other", cwd=place)
    assert done.returncode == 3
    assert "eight: not one of the 10 classes" in done.stderr


def test_predict_takes_images_of_any_size_and_whole_folders(place):
    folder = "images/test/digit 3"
    done = pullback("predict", "run", folder, "--top", 3, cwd=place)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == (DIGITS.test.y == 3).sum()
    assert all(line.count("%") == 3 for line in lines)
    assert sum(": digit 3  (" in line for line in lines) > 0.8 * len(lines)
    row = int(np.flatnonzero(DIGITS.test.y == 3)[0])
    image = Image.open(place / folder / f"{row:04d}.png")
    image.resize((80, 80), Image.Resampling.NEAREST).convert("CMYK").save(place / "large.jpg")
    image.convert("L").save(place / "grey.png")
    done = pullback("predict", "run", "large.jpg", "grey.png", "--json", cwd=place)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["image"] for record in records] == ["large.jpg", "grey.png"]
    assert records[0]["class"] == "digit 3"
    assert sum(records[1]["probabilities"].values()) == pytest.approx(1)


def test_predict_refuses_what_is_no_image_by_name(place):
    shutil.copytree(place / "images" / "test" / "digit 0", place / "mixed")
    (place / "mixed" / "notes.txt").write_text("no image")
    done = pullback("predict", "run", "mixed", cwd=place)
    assert done.returncode == 3
    assert "mixed/notes.txt: not a picture" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_for_a_folder(place):
    done = pullback(
        "train", "images", "--image-size", "6x10", "--channels", 1, "--epochs", 1, "--out", "small",
        cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pb.load_model(place / "small").input.shape == (6, 10)


def test_what_cannot_be_read_is_refused_or_skipped(place):
    shutil.copytree(place / "images", place / "damaged")
    bad = place / "damaged" / "train" / "digit 2" / "bad.jpg"
    bad.write_bytes(b"")
    done = pullback("train", "damaged", "--out", "never", cwd=place)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "bad.jpg: not a picture" in done.stderr
    assert "--unreadable skip" in done.stderr
    assert not (place / "never").exists()
    done = pullback(
        "train", "damaged", "--unreadable", "skip", "--max-steps", 1, "--out", "skipped", cwd=place
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 1798 files skipped" in done.stderr
    config = tomllib.loads((place / "skipped" / "config.toml").read_text())
    assert config["folder"]["unreadable"] == "skip"
    assert pullback("evaluate", "skipped", cwd=place).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("images", "--image-size", "big"), "--image-size 'big'; expected a side"),
        (("images", "--channels", 2), "channels=2"),
        (("images", "--unreadable", "drop"), "unreadable='drop'"),
        (("digits", "--channels", 1), "can be chosen for a folder"),
    ],
)
def test_wrong_options_are_one_line(place, arguments, said):
    done = pullback("train", *arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_configuration_file_has_a_table_for_it(place):
    (place / "my.toml").write_text('data = "images"\nepochs = 1\n[folder]\nsize = 5\n')
    done = pullback("train", "--config", "my.toml", "--out", "five", cwd=place)
    assert done.returncode == 0, done.stderr
    assert pb.load_model(place / "five").input.shape == (5, 5, 3)
    (place / "bad.toml").write_text('data = "images"\nfolder = 5\n')
    done = pullback("train", "--config", "bad.toml", cwd=place)
    assert done.returncode == 2
    assert "expected a table" in done.stderr
