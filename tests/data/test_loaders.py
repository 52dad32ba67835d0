"""Every data set that has a name."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import numpy as np
import pytest

from pullback.core.errors import ConfigError, DataError
from pullback.data import Data, ImageFormat, available, load
from pullback.data.load import SOURCES
from pullback.data.rows import Rows

loading = importlib.import_module("pullback.data.load")


def folder_for(name: str, request: pytest.FixtureRequest) -> Path | None:
    """Return the folder to load ``name`` from; skip where its files are not at hand."""
    if name in ("digits", "breast_cancer"):
        return None
    folder = request.getfixturevalue("data_dir")
    if {info.name: info.path for info in available(folder)}[name] is None:
        pytest.skip(f"{folder} does not have its files: tests of {name} are skipped")
    return folder


@pytest.fixture(params=list(SOURCES))
def named(request: pytest.FixtureRequest) -> tuple[str, Path | None]:
    return request.param, folder_for(request.param, request)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def mnist(request: pytest.FixtureRequest) -> Data:
    return load("mnist", folder_for("mnist", request))


CHEAP = {
    "translation": {"size": 300},
    "reviews": {"vocabulary": 1000},
    "messages": {"size": 300},
    "connected": {"count": 20, "tests": 10},
}


def digest(data: Data) -> str:
    found = hashlib.sha256()
    for part in (data.train, data.test):
        for array in (part.x, part.y):
            array = array.sample if isinstance(array, Rows) else array
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def test_there_are_data_sets():
    assert {"digits", "mnist"} <= set(SOURCES)


def test_contract(named):
    name, folder = named
    data = load(name, folder, **CHEAP.get(name, {}))
    assert data.name == name
    assert data.attribution.strip()
    assert data.test is not None
    assert data.classes == data.test.classes
    for part in (data.train, data.test):
        assert len(part) == len(part.x) == len(part.y) > 0
        assert part.x.shape[1:] == data.train.x.shape[1:]
        assert name in part.name
        if data.tokenizer is not None:
            assert part.tokens
            assert np.asarray(part.x[:5]).max() < data.tokenizer.size
            assert part.x.dtype == data.tokenizer.dtype
    assert digest(load(name, folder, **CHEAP.get(name, {}))) == digest(data)
    if data.image is None:
        return
    assert isinstance(data.image, ImageFormat)
    for part in (data.train, data.test):
        assert part.x.shape[1:] == data.train.x.shape[1:] == (data.image.size, data.image.size)
        assert part.y.dtype == np.int64
        assert part.y.shape == (len(part),)
        assert set(np.unique(part.y)) == set(range(len(data.classes)))
        assert part.x.min() == 0
        assert part.x.max() == data.image.peak


def test_available_describes_each(named):
    name, folder = named
    found = {info.name: info for info in available(folder)}
    assert list(found) == list(SOURCES)
    assert found[name].description
    assert found[name].path is not None
    assert found[name].path.is_dir()


def test_what_is_not_at_hand_has_no_path(tmp_path, monkeypatch):
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    monkeypatch.setattr(loading, "cache_folder", lambda: tmp_path)
    assert {info.name: info.path for info in available()}["mnist"] is None
    assert {info.name: info.path for info in available(tmp_path)}["mnist"] is None


def test_digits_are_split_by_class(digits):
    assert len(digits.train) == 1438
    assert len(digits.test) == 359
    assert digits.train.x.shape[1:] == (8, 8)
    assert digits.classes == tuple("0123456789")
    train, test = (np.bincount(part.y, minlength=10) for part in (digits.train, digits.test))
    assert np.abs(test - 0.2 * (train + test)).max() < 1


def rows(x: np.ndarray, y: np.ndarray) -> list[bytes]:
    table = np.concatenate([x.reshape(len(x), 64), y[:, None]], axis=1).astype(np.int16)
    return sorted(row.tobytes() for row in table)


def test_digits_are_scikit_learns(digits):
    sklearn_datasets = pytest.importorskip(
        "sklearn.datasets", reason="scikit-learn is not installed: its digits are not compared"
    )
    theirs = sklearn_datasets.load_digits()
    x = np.concatenate([digits.train.x, digits.test.x])
    y = np.concatenate([digits.train.y, digits.test.y])
    assert rows(x, y) == rows(theirs.data, theirs.target)


def test_digits_have_not_changed(digits):
    # what has been trained on one of them should be tested on none of them
    assert digest(digits)[:16] == "ec860dc66dcb2aa6"


TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_is_the_known_one(mnist):
    assert mnist.train.x.shape == (60000, 28, 28)
    assert mnist.test.x.shape == (10000, 28, 28)
    assert mnist.train.x.dtype == np.uint8
    assert np.bincount(mnist.train.y).tolist() == TRAIN_COUNTS
    assert np.bincount(mnist.test.y).tolist() == TEST_COUNTS
    assert mnist.train.x.mean() == pytest.approx(33.318, abs=5e-4)
    assert mnist.train.x.std() == pytest.approx(78.567, abs=5e-4)
    assert mnist.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'mnist'"):
        load("mnits")


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="there is no such folder") as caught:
        load("mnist")
    assert str(tmp_path / "mnist") in str(caught.value)


def test_the_argument_goes_before_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path / "variable"))
    with pytest.raises(DataError) as caught:
        load("mnist", tmp_path / "argument")
    assert str(tmp_path / "argument" / "mnist") in str(caught.value)


def test_without_a_folder_it_is_fetched_into_the_cache(tmp_path, monkeypatch):
    asked = []

    def fetch(folder: Path) -> None:
        asked.append(folder)
        raise DataError("no network")

    monkeypatch.delenv(loading.VARIABLE, raising=False)
    monkeypatch.setattr(loading, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(loading.mnist, "fetch", fetch)
    with pytest.raises(DataError, match="no network"):
        load("mnist")
    assert asked == [tmp_path / "mnist"]
