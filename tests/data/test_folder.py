"""A folder of pictures, one folder for each class, becomes a data set."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pullback.core.errors import ConfigError, DataError
from pullback.data import PictureFormat, Pictures, from_folder, load
from pullback.data.folder import pictures_in

DIGITS = load("digits").train
SIZE = (8, 8)


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write(root: Path, count: int = 40, prefix: str = "") -> np.ndarray:
    """Write digits as ``seven/12.png``, and return their rows in the order of a folder."""
    for row in range(count):
        put(root / f"{prefix}{DIGITS.y[row]}" / f"{row:03d}.png", DIGITS.x[row])
    return np.argsort(DIGITS.y[:count], kind="stable")


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "digits", prefix="d")
    return tmp_path / "digits"


@pytest.mark.parametrize("stream", [None, False, True])
def test_classes_are_folders_and_examples_are_in_their_order(tmp_path, stream):
    rows = write(tmp_path / "pics", prefix="d")
    data = from_folder(tmp_path / "pics", stream=stream)
    assert data.classes == tuple(f"d{i}" for i in range(10))
    assert data.test is None
    assert data.name == "pics"
    assert data.image == PictureFormat(8, 8, 1)
    assert isinstance(data.train.x, Pictures) == bool(stream)
    assert data.train.x.shape == (40, 8, 8)
    np.testing.assert_array_equal(np.asarray(data.train.x), DIGITS.x[rows])
    np.testing.assert_array_equal(data.train.y, DIGITS.y[rows])
    assert data.train.y.dtype == np.int64


def test_load_takes_a_folder(folder):
    for name in (folder, str(folder)):
        assert load(name).train.x.shape == (40, 8, 8)
    data = load(folder, size=(4, 6), channels=3)
    assert data.train.x.shape == (40, 4, 6, 3)


def test_train_and_test_parts(tmp_path):
    rows = write(tmp_path / "train")
    put(tmp_path / "test" / "3" / "a.png", DIGITS.x[0])
    data = from_folder(tmp_path)
    np.testing.assert_array_equal(data.train.x, DIGITS.x[rows])
    np.testing.assert_array_equal(data.test.x, DIGITS.x[:1])
    np.testing.assert_array_equal(data.test.y, [3])
    assert data.test.classes == data.train.classes


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "bus"):
        put(tmp_path / name / "a.png", DIGITS.x[0])
    assert from_folder(tmp_path).classes == ("bus", "train")


def test_pictures_may_lie_deeper_and_hidden_files_are_left_out(folder):
    put(folder / "d0" / "more" / "of" / "it.png", DIGITS.x[5])
    for name in (".DS_Store", "d1/._001.png", ".git/config", "d2/.cache/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"hidden")
    data = from_folder(folder)
    assert data.train.x.shape == (41, 8, 8)
    assert data.skipped == ()
    assert (data.train.x == DIGITS.x[5]).all(axis=(1, 2)).sum() == 2


# -- size and channels


def test_the_most_frequent_size_is_taken_and_colour_where_there_is_any(tmp_path):
    for i in range(9):
        shape = (10, 12) if i < 5 else (30, 9)
        put(tmp_path / "ab"[i % 2] / f"{i}.png", np.full(shape, i, np.uint8))
    assert from_folder(tmp_path).image == PictureFormat(10, 12, 1)
    put(tmp_path / "a" / "last.png", np.zeros((10, 12, 3), np.uint8))
    data = from_folder(tmp_path)
    assert data.image == PictureFormat(10, 12, 3)
    assert data.train.x.shape == (10, 10, 12, 3)


def test_large_pictures_are_reduced(tmp_path):
    for name in "ab":
        put(tmp_path / name / "a.png", np.zeros((600, 1200), np.uint8))
    assert from_folder(tmp_path).image == PictureFormat(112, 224, 1)
    assert from_folder(tmp_path, size=300).train.x.shape == (2, 300, 300)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "at least 1"),
        ({"size": 2.5}, "size=2.5"),
        ({"size": "8x8"}, "size='8x8'"),
        ({"size": (1, 2, 3)}, r"size=\(1, 2, 3\)"),
        ({"channels": 2}, "channels=2"),
        ({"unreadable": "ignore"}, "unreadable='ignore'"),
        ({"sise": 8}, "Did you mean 'size'"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(folder, options, said):
    with pytest.raises(ConfigError, match=said):
        load(folder, **options)


def test_options_are_for_folders():
    with pytest.raises(ConfigError, match="size can be chosen for a folder"):
        load("digits", size=8)


# -- what is wrong


def bad_file(folder: Path) -> Path:
    (folder / "d4" / "bad.png").write_bytes(b"no picture")
    return folder / "d4" / "bad.png"


def cut_file(folder: Path) -> Path:
    path = next((folder / "d5").iterdir())
    path.write_bytes(path.read_bytes()[:-30])
    return path


def note(folder: Path) -> Path:
    (folder / "d4" / "notes.txt").write_text("these are fours")
    return folder / "d4" / "notes.txt"


def loose_file(folder: Path) -> Path:
    put(folder / "loose.png", DIGITS.x[0])
    return folder / "loose.png"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "d6" / "pipe")
    return folder / "d6" / "pipe"


def empty_file(folder: Path) -> Path:
    (folder / "d9" / "empty.jpg").write_bytes(b"")
    return folder / "d9" / "empty.jpg"


WRONG = [bad_file, cut_file, note, loose_file, pipe, empty_file]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_picture_is_refused_by_name(folder, wrong):
    path = wrong(folder)
    with pytest.raises(DataError, match="skip") as caught:
        from_folder(folder)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_streamed_folder_is_looked_through_first(folder, wrong):
    path = wrong(folder)
    if wrong is cut_file:  # its header is whole
        pictures = from_folder(folder, stream=True).train.x
        with pytest.raises(DataError, match=f"^{path}: "):
            np.asarray(pictures)
        return
    with pytest.raises(DataError, match=f"^{path}: .*skip"):
        from_folder(folder, stream=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_picture_is_skipped_and_counted_on_request(folder, wrong, stream, caplog):
    good = from_folder(folder).train
    path = wrong(folder)
    with caplog.at_level(logging.WARNING, "pullback"):
        data = from_folder(folder, unreadable="skip", stream=stream)
    assert len(data.skipped) == 1
    assert data.skipped[0].startswith(f"{path}: ")
    count = 40 - (wrong is cut_file)
    assert f"1 of {count + 1} files skipped, the first: {path}" in caplog.text
    gone = np.flatnonzero(good.y == 5)[:1] if wrong is cut_file else []
    np.testing.assert_array_equal(data.train.y, np.delete(good.y, gone))
    kept = [(x == np.asarray(data.train.x)).all(axis=(1, 2)).any() for x in good.x]
    assert sum(kept) >= count


def nothing(root: Path) -> None:
    pass


def no_classes(root: Path) -> None:
    put(root / "a.png", DIGITS.x[0])


def one_class(root: Path) -> None:
    put(root / "only" / "a.png", DIGITS.x[0])


def class_without_pictures(root: Path) -> None:
    write(root)
    (root / "empty").mkdir()


def third_part(root: Path) -> None:
    write(root / "train")
    write(root / "valid")


def other_classes_in_test(root: Path) -> None:
    write(root / "train")
    put(root / "test" / "eleven" / "a.png", DIGITS.x[0])


def all_bad(root: Path) -> None:
    for name in "ab":
        (root / name).mkdir(parents=True)
        (root / name / "x.png").write_bytes(b"bad")


LAYOUTS = {
    nothing: "0 folders with pictures; expected a folder for each class",
    no_classes: "0 folders with pictures|not in a class's folder",
    one_class: "1 folders with pictures; .* two classes at least",
    class_without_pictures: "empty: a class without pictures",
    third_part: "valid: a folder beside train and test",
    other_classes_in_test: "eleven: not one of the 10 classes",
    all_bad: "not a picture .* no other of 2 files can be read",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unreadable", ["refuse", "skip"])
def test_layouts_that_are_none(tmp_path, layout, unreadable):
    layout(tmp_path)
    with pytest.raises(DataError, match=LAYOUTS[layout]) as caught:
        from_folder(tmp_path, unreadable=unreadable)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_missing_folder_and_a_file(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        from_folder(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be read as a folder"):
        from_folder(tmp_path / "file")


def test_expected_classes_have_their_numbers(tmp_path):
    put(tmp_path / "7" / "a.png", DIGITS.x[0])
    data = from_folder(tmp_path, classes=DIGITS.classes)
    assert data.classes == DIGITS.classes
    np.testing.assert_array_equal(data.train.y, [7])
    with pytest.raises(DataError, match=r"7: not one of the 2 classes \(8, 9\)"):
        from_folder(tmp_path, classes=("8", "9"))


def test_the_pictures_in_a_folder(folder):
    found = pictures_in(folder)
    assert len(found) == 40
    assert found == sorted(found)
    assert pictures_in(folder / "d3" / "x.png") == [str(folder / "d3" / "x.png")]
    (folder / "none").mkdir()
    with pytest.raises(DataError, match="no pictures in this folder"):
        pictures_in(folder / "none")
