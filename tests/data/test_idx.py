"""IDX files: what is written is read, and damage is named."""

from __future__ import annotations

import gzip
import math
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pullback.core.errors import DataError
from pullback.data import load
from pullback.data.idx import TYPES, read_idx

CODES = {dtype: code for code, dtype in TYPES.items()}


def idx(array: np.ndarray) -> bytes:
    code = next(code for code, dtype in TYPES.items() if dtype.newbyteorder("=") == array.dtype)
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(TYPES[code]).tobytes()


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", CODES, ids=str)
def test_round_trip(tmp_path, rng, dtype, packed):
    native = dtype.newbyteorder("=")
    for shape in [(5,), (2, 3), (2, 3, 4), (0,), (3, 0, 2), (1,) * 8]:
        if native.kind == "f":
            array = rng.normal(size=shape).astype(native)
        else:
            limits = np.iinfo(native)
            array = rng.integers(limits.min, limits.max, shape, native, endpoint=True)
        content = idx(array)
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(content) if packed else content)
        found = read_idx(path)
        assert found.dtype == native
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, array)


def write_good(folder: Path) -> None:
    """Write a small data set in the form of MNIST, compressed."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "mnist"
    place.mkdir()
    write_good(place)
    return place


def pack(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(gzip.compress(content))


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))


def truncate(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


AGAIN = "download or copy the file again"
# file, what is done to it, what the message says is wrong, and what to do
BAD = {
    "missing": (IMAGES, Path.unlink, "no such file", "the folder needs the four MNIST files"),
    "missing test labels": (TEST_LABELS, Path.unlink, "no such file", "four MNIST files"),
    "empty": (IMAGES, lambda p: p.write_bytes(b""), "found the end of the file", AGAIN),
    "empty gzip": (IMAGES, pack(b""), "found the end of the file", AGAIN),
    "magic cut short": (IMAGES, pack(b"\0\0\x08"), "byte 3", AGAIN),
    "header cut short": (IMAGES, pack(header(8, 20, 28, 28)[:9]), "3 axis lengths", AGAIN),
    "no data": (IMAGES, pack(header(8, 20, 28, 28)), "15,680 bytes", AGAIN),
    "data cut short": (IMAGES, pack(header(8, 2, 2, 2) + b"1234567"), "expected 8 bytes", AGAIN),
    "data too long": (IMAGES, pack(header(8, 2, 2, 2) + b"123456789"), "expected 8 bytes", AGAIN),
    "4 billion": (LABELS, pack(header(8, 2**32 - 1) + b"1"), "4,294,967,295 bytes", AGAIN),
    "4 billion images": (IMAGES, pack(header(8, 2**32 - 1, 28, 28) + b"1"), "bytes for", AGAIN),
    "zero times far too many": (IMAGES, pack(header(14, 0, *[2**32 - 1] * 3)), "can exist", AGAIN),
    "not IDX": (IMAGES, lambda p: p.write_text("<html>Not found</html>"), "magic number", AGAIN),
    "unknown type": (IMAGES, pack(header(7, 1, 1, 1) + b"1"), "magic number", AGAIN),
    "no axes": (IMAGES, pack(header(8)), "magic number", AGAIN),
    "9 axes": (IMAGES, pack(header(8, *[1] * 9) + b"1"), "magic number", AGAIN),
    "byte flipped": (IMAGES, flip, "damaged gzip data", AGAIN),
    "gzip cut short": (IMAGES, truncate, "damaged gzip data", AGAIN),
    "a folder": (IMAGES, make_folder, "no such file", "four MNIST files"),
    "labels for images": (IMAGES, pack(idx(np.zeros(20, np.uint8))), "expected 8-bit images", ""),
    "images of floats": (IMAGES, pack(idx(np.zeros((20, 28, 28), np.float32))), "float32", ""),
    "images for labels": (LABELS, pack(idx(np.zeros((20, 2, 2), np.uint8))), "8-bit labels", ""),
    "other lengths": (LABELS, pack(idx(np.zeros(19, np.uint8))), "19 labels for the 20", "belong"),
    "label 10": (
        LABELS,
        pack(idx(np.array([3] * 7 + [10] * 13, np.uint8))),
        "label 10 in row 7",
        "0..9",
    ),
    "no images": (IMAGES, pack(idx(np.zeros((0, 28, 28), np.uint8))), "0 images", "belong"),
}


def test_the_small_set_is_good(folder):
    data = load("mnist", folder.parent)
    assert len(data.train) == 20
    assert len(data.test) == 10


@pytest.mark.parametrize("case", BAD)
def test_bad_files(folder, case):
    name, damage, wrong, remedy = BAD[case]
    damage(folder / name)
    with pytest.raises(DataError) as caught:
        load("mnist", folder.parent)
    message = str(caught.value)
    assert "\n" not in message
    assert name.removesuffix(".gz") in message or LABELS in message
    assert str(folder) in message
    assert wrong in message
    assert remedy in message


def test_no_images_and_no_labels(folder):
    pack(idx(np.zeros((0, 28, 28), np.uint8)))(folder / IMAGES)
    pack(idx(np.zeros(0, np.uint8)))(folder / LABELS)
    with pytest.raises(DataError, match=f"{IMAGES}: there are no images in it"):
        load("mnist", folder.parent)


def test_files_that_are_not_compressed_are_read_too(folder):
    before = load("mnist", folder.parent)
    for path in list(folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    after = load("mnist", folder.parent)
    np.testing.assert_array_equal(before.train.x, after.train.x)
    np.testing.assert_array_equal(before.test.y, after.test.y)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_nothing_is_allocated_on_the_word_of_the_header(tmp_path, packed):
    path = tmp_path / "file"
    content = header(8, 2**32 - 1) + b"1234"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="4,294,967,295"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_the_size_of_what_is_unpacked_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("pullback.data.idx.LARGEST", 1000)
    for content in (gzip.compress(bytes(2000)), bytes(2000)):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(DataError, match="larger than 1,000 bytes"):
            read_idx(path)


SOME = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
HEADERS = st.builds(
    lambda code, shape, data: header(code, *shape) + data,
    st.sampled_from([*TYPES, 0, 7]),
    st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**32 - 1]), max_size=9),
    st.binary(max_size=40),
)
CUT = st.builds(lambda n: gzip.compress(SOME)[:n], st.integers(0, 40))


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.one_of(st.binary(max_size=200), HEADERS, HEADERS.map(gzip.compress), CUT))
@example(content=header(8, 0, *[2**32 - 1] * 7))
def test_any_bytes_are_an_array_or_a_data_error(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    message = ""
    try:
        array = read_idx(path)
    except DataError as error:
        message = str(error)
    if message:
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
    else:
        assert array.size == math.prod(array.shape)
