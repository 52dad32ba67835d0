"""Data from .npz files."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullback.core.errors import DataError
from pullback.data import load, load_npz

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


def write(folder, name="mine.npz", **arrays):
    path = folder / name
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_one_part(tmp_path, compressed):
    path = tmp_path / "mine.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=X, y=Y)
    data = load(str(path))
    np.testing.assert_array_equal(data.train.x, X)
    np.testing.assert_array_equal(data.train.y, Y)
    assert data.classes == ("0", "1", "2")
    assert data.test is None
    assert data.image is None
    assert data.name == "mine"


def test_two_parts_share_their_classes(tmp_path):
    path = write(tmp_path, x_train=X, y_train=Y, x_test=X[:2], y_test=np.array([4, 0]))
    data = load_npz(path)
    assert len(data.train) == 6
    assert len(data.test) == 2
    assert data.train.classes == data.test.classes == ("0", "1", "2", "3", "4")


def test_classes_can_have_names(tmp_path):
    data = load_npz(write(tmp_path, x=X, y=Y, classes=np.array(["cat", "dog", "emu"])))
    assert data.classes == ("cat", "dog", "emu")


@pytest.mark.parametrize("y", [Y / 2, np.stack([Y, Y], 1)], ids=["fractions", "two columns"])
def test_other_targets_are_for_regression(tmp_path, y):
    data = load_npz(write(tmp_path, x_train=X, y_train=y, x_test=X, y_test=y))
    assert data.classes is None
    np.testing.assert_array_equal(data.test.y, y)


def huge(header: int = 117) -> bytes:
    """Return an archive whose arrays claim to be far larger than they are."""
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
    text = text.ljust(header) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    return file.getvalue()


def saved(save=np.savez, **arrays) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def single() -> bytes:
    file = io.BytesIO()
    np.save(file, X)
    return file.getvalue()


GOOD = saved(np.savez_compressed, x=X, y=Y)
PARTS = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}
UNREADABLE = "not a readable .npz file of numbers"
BAD = {
    "empty": (b"", UNREADABLE),
    "text": (b"hello, world", UNREADABLE),
    "cut short": (GOOD[:-30], UNREADABLE),
    "one array": (single(), UNREADABLE),
    "objects": (saved(x=X, y=np.array([None] * 6)), UNREADABLE),
    "a size that is not true": (huge(), UNREADABLE),
    "a header that is far too long": (huge(20_000), UNREADABLE),
    "nothing in it": (saved(), "holds nothing; expected x and y, or x_train"),
    "other names": (saved(a=X, b=Y), "holds a, b; expected x and y"),
    "no targets": (saved(x=X), "holds x; expected x and y"),
    "no training targets": (saved(x_train=X, x_test=X), "expected x and y, or x_train, y_train"),
    "lengths": (saved(x=X, y=Y[:5]), "6 examples but 5 targets"),
    "text for numbers": (saved(x=np.array(["a"] * 6), y=Y), "expected numbers"),
    "NaN": (saved(x=X * np.nan, y=Y), "first in row 0"),
    "NaN in the test part": (saved(**PARTS | {"x_test": X * np.nan}), r"\(test\): x is NaN"),
    "label below 0": (saved(x=X, y=Y - 1), "label -1"),
    "label without a name": (saved(x=X, y=Y, classes=np.array(["a", "b"])), "label 2 in row 2"),
    "parts of unlike shape": (saved(**PARTS | {"x_test": X[:, :1]}), "same shape in both"),
    "targets of unlike shape": (saved(**PARTS | {"y_test": Y[:, None]}), "same shape in both"),
    "one number": (saved(x=np.array(1.0), y=np.array(1)), "found a single number"),
    "a number for a part": (saved(**PARTS | {"y_test": np.array(1)}), "same shape in both"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_npz(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        load(str(tmp_path / "none.npz"))
    with pytest.raises(DataError, match=UNREADABLE):
        load_npz(tmp_path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    length=st.integers(1, len(GOOD)) | st.just(len(GOOD)),
)
def test_damage_is_data_or_a_data_error(tmp_path, changes, length):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "mine.npz"
    path.write_bytes(content[:length])
    message = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load_npz(path)
        except DataError as error:
            message = str(error)
    assert "\n" not in message
