"""Pictures from outside become what the network was trained on."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError, DataError
from pullback.data import ImageFormat, load, load_image

MNIST = ImageFormat()
UCI = ImageFormat(size=8, box=32, canvas=32, peak=16.0, center="box")
SIZE = (600, 420)


@pytest.fixture(scope="module")
def digits(request) -> np.ndarray:
    folder = request.getfixturevalue("data_dir")
    if not (folder / "mnist").is_dir():
        pytest.skip(f"{folder / 'mnist'} is not a folder: tests with its digits are skipped")
    return load("mnist", folder).test.x[:30]


def large(digit: np.ndarray, scale: int = 10, at=(37, 101), size=SIZE) -> Image.Image:
    """Return the digit enlarged, bright on a dark page, away from the middle."""
    ink = Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    page = Image.new("L", size, 0)
    page.paste(ink, at)
    return page


def inverted(digit: np.ndarray) -> Image.Image:
    return Image.eval(large(digit), lambda value: 255 - value)


def coloured(digit: np.ndarray) -> Image.Image:
    ink, paper = Image.new("RGB", SIZE, (20, 30, 160)), Image.new("RGB", SIZE, (250, 240, 220))
    return Image.composite(ink, paper, large(digit))


def transparent(digit: np.ndarray) -> Image.Image:
    black = Image.new("L", SIZE, 0)
    return Image.merge("RGBA", [black, black, black, large(digit)])


def deep(digit: np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(large(digit)).astype(np.uint16) * 257)


def noisy(digit: np.ndarray) -> Image.Image:
    ink = np.asarray(inverted(digit)) * 0.7 + np.random.default_rng(0).normal(40, 3, SIZE[::-1])
    return Image.fromarray(ink.clip(0, 255).astype(np.uint8))


def palette(digit: np.ndarray) -> Image.Image:
    return coloured(digit).quantize(64, dither=Image.Dither.NONE)


def rotated(digit: np.ndarray) -> Image.Image:
    return inverted(digit).transpose(Image.Transpose.ROTATE_90)


def rotation() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    return exif


FORMS: dict[str, tuple[Callable[[np.ndarray], Image.Image], str, dict]] = {
    "large": (large, "png", {}),
    "inverted": (inverted, "png", {}),
    "coloured": (coloured, "png", {}),
    "with a palette": (palette, "gif", {}),
    "transparent": (transparent, "png", {}),
    "16 bits": (deep, "png", {}),
    "compressed": (inverted, "jpg", {"quality": 80}),
    "noisy": (noisy, "png", {}),
    "turned by a camera": (rotated, "jpg", {"exif": rotation()}),
    "black and white": (lambda digit: large(digit).convert("1", dither=0), "png", {}),
    "in a corner": (lambda digit: large(digit, 8, (0, 190)), "png", {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_digit_comes_back(tmp_path, digits, form):
    make, suffix, options = FORMS[form]
    flat = digits.reshape(len(digits), -1).astype(np.float64)
    errors = []
    for i, digit in enumerate(digits):
        path = tmp_path / f"{i}.{suffix}"
        make(digit).save(path, **options)
        found = MNIST.prepare(load_image(path))
        assert found.shape == (28, 28)
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert found.max() <= 255
        distances = np.abs(flat - found.reshape(-1)).mean(axis=1)
        assert distances.argmin() == i
        errors.append(distances[i])
    # a shift by one pixel costs 16, another digit 40
    assert np.mean(errors) < 9
    assert max(errors) < 25


def test_without_a_change_of_size_little_is_lost(digits):
    for digit in digits:
        page = np.asarray(large(digit, 1, (90, 50), (200, 100)))
        assert np.abs(MNIST.prepare(page) - digit).mean() < 1


def test_an_example_is_taken_as_it_is(digits):
    for digit in digits:
        np.testing.assert_array_equal(MNIST.prepare(digit), digit)


def test_a_picture_of_that_size_need_not_be_an_example(digits):
    for digit in digits:
        assert np.abs(MNIST.prepare(255 - digit) - digit).mean() < 1
        shifted = np.roll(digit, -np.flatnonzero(digit.any(axis=0))[0], axis=1)  # at the edge
        assert np.abs(MNIST.prepare(shifted) - digit).mean() < 1


def test_the_other_format(digits):
    for digit in digits:
        found = UCI.prepare(np.asarray(inverted(digit)))
        assert found.shape == (8, 8)
        assert 0 <= found.min() <= found.max() <= 16
        assert found.max() > 8
        ink = np.asarray(large(digit)) > 127
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert found.sum() / 16 / 64 == pytest.approx(crop.sum() / max(crop.shape) ** 2, rel=0.35)


def bar(tall: int, wide: int) -> np.ndarray:
    page = np.full((300, 300), 255, np.uint8)
    page[20 : 20 + tall, 30 : 30 + wide] = 0
    return page


def test_a_bar_fills_the_box_and_is_in_the_middle():
    found = MNIST.prepare(bar(200, 20))
    rows, columns = np.flatnonzero(found.max(axis=1)), np.flatnonzero(found.max(axis=0))
    assert len(rows) == 20
    assert len(columns) == 2
    np.testing.assert_allclose([rows.mean(), columns.mean()], 14, atol=0.5)
    assert found.max() == 255


def test_a_dot_becomes_a_dot():
    assert MNIST.prepare(bar(1, 1)).sum() == pytest.approx(255 * 20 * 20, rel=0.01)


@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("size", [(28, 28), (100, 80), (1, 1)], ids=str)
def test_a_blank_picture_is_an_error(value, size):
    with pytest.raises(DataError, match="page: the picture is blank; expected a character"):
        MNIST.prepare(np.full(size, value, np.uint8), "page")


def png(width: int, height: int) -> bytes:
    """Return the beginning of a picture that claims to be this large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


BAD = {
    "no picture": (b"hello", "not a picture"),
    "empty": (b"", "not a picture"),
    "cut short": (saved("PNG")[:-300], "cannot be read"),
    "JPEG cut short": (saved("JPEG")[:-200], "cannot be read"),
    "64 million and one": (png(64_000_001, 1), "expected at most 64,000,000"),
    "so many that Pillow objects": (png(2**31 - 1, 2**31 - 1), "cannot be read"),
    "a warning's worth": (png(12_000, 12_000), "12000 x 12000 pixels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "picture"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        load_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        load_image(tmp_path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "ICO"]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    length=st.integers(1, 3000),
)
@example(kind="TIFF", changes=[], length=8)
def test_damage_is_a_picture_or_a_data_error(tmp_path, kind, changes, length):
    content = bytearray(saved(kind)[:length])
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "picture"
    path.write_bytes(content)
    found = None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with contextlib.suppress(DataError):
            found = load_image(path)
    assert not [str(warning.message) for warning in warned]
    if found is not None:
        assert found.ndim == 2
        assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "fields",
    [{"size": 0}, {"size": 3}, {"box": 0}, {"box": 29}, {"center": "corner"}],
    ids=str,
)
def test_formats_that_do_not_fit_are_refused(fields):
    with pytest.raises(ConfigError, match="ImageFormat"):
        ImageFormat(**fields)


@pytest.mark.parametrize("form", [MNIST, UCI], ids=["MNIST", "UCI"])
def test_configuration_round_trip(form):
    assert from_config(to_config(form)) == form
