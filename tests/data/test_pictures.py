"""Picture files of every kind are read as what they show, or refused by name."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError, DataError
from pullback.data import PictureFormat, load, load_image
from pullback.data.pictures import FORMATS, decode, header

DIGITS = load("digits").train.x[:40]
SMALL = PictureFormat(16, 16)
LARGEST = 100 << 20
"""What all the odd files may take in memory at any time; a bomb decoded would take more."""


def grey(row: int = 0) -> np.ndarray:
    """A digit of 24 x 16 pixels: not square, so that turning it shows."""
    return np.kron(DIGITS[row] * 15, np.ones((3, 2))).astype(np.uint8)


def coloured(row: int = 0) -> np.ndarray:
    """A digit in red before another in green before a ramp in blue."""
    ramp = np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None] * 10, (24, 16))
    return np.stack([grey(row), grey(row + 1), ramp], axis=-1)


def cover() -> np.ndarray:
    """How opaque each pixel is: all values from 0 to 255 somewhere."""
    return np.linspace(0, 255, 24 * 16).reshape(24, 16).astype(np.uint8)


def saved(tmp_path: Path, picture: Image.Image, name: str, **options) -> Path:
    path = tmp_path / name
    picture.save(path, **options)
    return path


LOSSLESS = {"png": {}, "bmp": {}, "tiff": {}, "ppm": {}, "webp": {"lossless": True}}


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colours_are_read_as_they_are(tmp_path, suffix):
    path = saved(tmp_path, Image.fromarray(coloured()), f"a.{suffix}", **LOSSLESS[suffix])
    np.testing.assert_array_equal(load_image(path, channels=3), coloured())
    expected = coloured() @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(load_image(path), expected, atol=1)
    assert header(path) == (24, 16, 3)


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "gif"])
def test_grey_is_read_as_it_is_and_has_three_equal_colours(tmp_path, suffix):
    path = saved(tmp_path, Image.fromarray(grey()), f"a.{suffix}")
    np.testing.assert_array_equal(load_image(path), grey())
    np.testing.assert_array_equal(load_image(path, 3), np.stack([grey()] * 3, axis=-1))
    assert header(path) == (24, 16, 1)


def test_black_and_white(tmp_path):
    bits = grey() > 100
    path = saved(tmp_path, Image.fromarray(bits), "a.png")
    np.testing.assert_array_equal(load_image(path), bits * 255)


@pytest.mark.parametrize("suffix", ["png", "gif", "tiff"])
def test_a_palette_is_looked_up(tmp_path, suffix):
    few = (coloured() // 64) * 64
    palette = Image.fromarray(few).quantize(256, dither=Image.Dither.NONE)
    path = saved(tmp_path, palette, f"a.{suffix}")
    with Image.open(path) as kept:
        assert kept.mode == "P"
    np.testing.assert_allclose(load_image(path, 3), few, atol=4)
    assert header(path)[2] == 3


def test_alpha_is_laid_onto_white(tmp_path):
    share = cover()[..., None] / 255
    for pixels, channels in ((coloured(), 3), (grey()[..., None], 1)):
        path = saved(tmp_path, Image.fromarray(np.dstack([pixels, cover()])), "a.png")
        expected = pixels * share + 255 * (1 - share)
        found = load_image(path, channels).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=1.5)


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_is_white(tmp_path, mode):
    picture = Image.new("RGB", (4, 4), (200, 30, 30))
    picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    clear = picture.getpixel((0, 0))
    picture.putpixel((0, 0), (1, 2, 3) if mode == "RGB" else 1)
    path = saved(tmp_path, picture, "a.png", transparency=clear)
    found = load_image(path, 3)
    assert (found[1:] == 255).all()
    assert (found[0, 0] < 255).all()


@pytest.mark.parametrize(("suffix", "order"), [("png", "<u2"), ("tiff", "<u2"), ("tiff", ">u2")])
def test_sixteen_bits_are_rounded_to_eight(tmp_path, suffix, order):
    values = np.arange(65536).reshape(256, 256)
    path = saved(tmp_path, Image.fromarray(values.astype(order)), f"a.{suffix}")
    np.testing.assert_array_equal(load_image(path), np.round(values / 257))


def test_sixteen_bits_of_a_dark_picture_are_not_taken_for_eight(tmp_path):
    dark = Image.fromarray(np.full((4, 4), 200, np.uint16))
    assert (load_image(saved(tmp_path, dark, "a.png")) == 1).all()


def test_numbers_that_are_none_are_black(tmp_path):
    values = np.array([[0, np.nan, np.inf], [255, 127.6, -np.inf]], np.float32)
    path = saved(tmp_path, Image.fromarray(values), "a.tiff")
    np.testing.assert_array_equal(load_image(path), [[0, 0, 0], [255, 128, 0]])


def test_printers_colours(tmp_path):
    ink = Image.fromarray(np.dstack([255 - coloured(), np.zeros_like(grey())]), "CMYK")
    path = saved(tmp_path, ink, "a.tiff")
    np.testing.assert_array_equal(load_image(path, 3), coloured())
    path = saved(tmp_path, ink.resize((160, 240)), "a.jpg", quality=95)
    small = np.asarray(Image.fromarray(load_image(path, 3)).resize((16, 24)))
    assert np.abs(small.astype(int) - coloured()).mean() < 15
    assert header(path) == (240, 160, 3)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


UNDO = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UNDO)
def test_a_cameras_rotation_is_undone(tmp_path, orientation):
    picture, exif = Image.fromarray(coloured()), turned(orientation)
    expected = UNDO[orientation](coloured())
    path = saved(tmp_path, picture, "a.png", exif=exif)
    np.testing.assert_array_equal(load_image(path, 3), expected)
    path = saved(tmp_path, picture, "a.webp", exif=exif, lossless=True)
    np.testing.assert_array_equal(load_image(path, 3), expected)
    path = saved(tmp_path, picture, "a.jpg", exif=exif, quality=100, subsampling=0)
    np.testing.assert_allclose(load_image(path, 3), expected, atol=12)
    assert header(path) == (*expected.shape[:2], 3)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_the_first_of_several_pictures_is_taken(tmp_path, suffix):
    frames = [Image.fromarray(grey(row)) for row in range(3)]
    lossless = {"lossless": True} if suffix == "webp" else {}
    path = saved(
        tmp_path, frames[0], f"a.{suffix}", save_all=True, append_images=frames[1:], **lossless
    )
    with Image.open(path) as several:
        assert several.n_frames == 3
    np.testing.assert_array_equal(load_image(path), grey(0))


def test_what_a_file_is_called_does_not_matter(tmp_path):
    path = saved(tmp_path, Image.fromarray(grey()), "a.txt", format="PNG")
    np.testing.assert_array_equal(load_image(path), grey())


# -- to one size


def test_a_picture_of_the_size_is_taken_as_it_is(tmp_path):
    path = saved(tmp_path, Image.fromarray(coloured()), "a.png")
    np.testing.assert_array_equal(PictureFormat(24, 16).read(path), coloured())


def test_what_hangs_over_is_cut_off_evenly(tmp_path):
    page = np.zeros((60, 100), np.uint8)
    page[:, 20:80] = np.kron(np.arange(1, 37).reshape(6, 6), np.ones((10, 10)))
    path = saved(tmp_path, Image.fromarray(page), "a.png")
    np.testing.assert_array_equal(PictureFormat(60, 60, 1).read(path), page[:, 20:80])
    path = saved(tmp_path, Image.fromarray(page.T.copy()), "a.png")
    np.testing.assert_array_equal(PictureFormat(60, 60, 1).read(path), page[:, 20:80].T)
    six = PictureFormat(6, 6, 1).read(path).astype(int)
    assert np.abs(six - np.arange(1, 37).reshape(6, 6).T)[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 500)], ids=str)
@pytest.mark.parametrize("wanted", [(1, 1), (9, 9), (4, 40), (40, 4)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_from_any_size_to_any_size(tmp_path, size, wanted, channels):
    path = saved(tmp_path, Image.new("RGB", size, (90, 90, 90)), "a.png")
    image = PictureFormat(*wanted, channels)
    found = image.read(path)
    assert found.shape == image.shape
    assert (found == 90).all()


def test_a_large_jpeg_is_decoded_small_and_turned(tmp_path):
    large = np.kron(coloured(), np.ones((40, 40, 1))).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(large), "a.jpg", quality=95, exif=turned(6))
    found = PictureFormat(16, 24).read(path).astype(int)
    assert np.abs(found - np.rot90(coloured(), -1)).mean() < 8
    found = PictureFormat(480, 720).read(path).astype(int)
    whole = Image.fromarray(load_image(path, 3)).resize((720, 480), Image.Resampling.BILINEAR)
    assert np.abs(found - np.asarray(whole)).mean() < 0.1  # it is not enlarged from a smaller one


@pytest.mark.parametrize("fields", [(0, 4, 1), (4, -1, 3), (4, 4, 2), (10**5, 10**5, 1)], ids=str)
def test_forms_that_cannot_be_are_refused(fields):
    with pytest.raises(ConfigError, match="PictureFormat"):
        PictureFormat(*fields)


def test_configuration_round_trip():
    assert from_config(to_config(SMALL)) == SMALL


def test_other_numbers_of_channels_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="channels=4"):
        load_image(tmp_path / "a.png", channels=4)


# -- what is wrong


def test_a_program_is_not_run(tmp_path):
    path = tmp_path / "a.eps"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(DataError, match="not a picture in a format"):
        load_image(path)


def chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png(width: int, height: int) -> bytes:
    """A picture that claims this size, and really holds 20 MB of zeros."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 << 20)) for _ in range(20)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMBS = ["JPEG", "PNG", "PNG wide", "BMP", "GIF", "PPM", "TIFF"]


@cache
def bombs() -> list[bytes]:
    """Small files that would be decoded to more than 64 million pixels."""
    sides = struct.pack("<HH", 65535, 65535)
    tags = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 10**6), (257, 10**6), (258, 8), (259, 1), (262, 1), (273, 8),
                           (278, 10**6), (279, 100))
    )  # fmt: skip
    jpeg = bytearray(kinds()["JPEG"])
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65000, 65000)
    return [
        bytes(jpeg),
        png(12_000, 12_000),
        png(2**31 - 1, 1),
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 30000, 30000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a" + sides + b"\0\0\0,\0\0\0\0" + sides + b"\0\x08\x01\0;",
        b"P5 99999 99999 255\n" + bytes(50),
        b"II*\0\x08\0\0\0" + struct.pack("<H", 8) + tags + bytes(4),
    ]


@cache
def kinds() -> dict[str, bytes]:
    """Good files of every sort."""
    rgb, frames = Image.fromarray(coloured()), [Image.fromarray(grey(row)) for row in range(3)]
    several = {"save_all": True, "append_images": frames[1:]}
    deep = Image.fromarray(grey().astype(np.uint16) * 257)
    made = {
        "PNG": (rgb, {}),
        "PNG grey": (frames[0], {}),
        "PNG palette": (rgb.quantize(16), {}),
        "PNG alpha": (Image.fromarray(np.dstack([coloured(), cover()])), {}),
        "PNG 16": (deep, {}),
        "PNG moving": (frames[0], several),
        "PNG one": (Image.new("L", (1, 1), 7), {}),
        "JPEG": (rgb, {}),
        "JPEG grey": (frames[0], {"exif": turned(8)}),
        "JPEG printed": (rgb.convert("CMYK"), {}),
        "JPEG progressive": (rgb.resize((160, 240)), {"progressive": True, "exif": turned(5)}),
        "GIF": (rgb.quantize(16), {}),
        "GIF moving": (frames[0], several),
        "BMP": (rgb, {}),
        "TIFF": (rgb, {}),
        "TIFF 16": (deep, {}),
        "TIFF packed": (rgb, {"compression": "tiff_lzw"}),
        "TIFF numbers": (Image.fromarray(grey().astype(np.float32)), {}),
        "WEBP": (rgb, {}),
        "WEBP moving": (frames[0], several),
        "PPM": (rgb, {}),
    }
    files = {}
    for name, (picture, options) in made.items():
        file = io.BytesIO()
        picture.save(file, name.split()[0], **options)
        files[name] = file.getvalue()
    return files


NO_PICTURES = [
    b"", b"\0", b"\0" * 1000, b"hello\n" * 50, b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"%PDF-1.7\n", b"PK\x03\x04" + bytes(60), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a",
    b"BM", b"II*\0", b"RIFF\x10\0\0\0WEBPVP8 ", b"P6\n", b"%!PS-Adobe-3.0\n",
]  # fmt: skip


def odd_files(count: int):
    """``(name, content, the good file that it is)`` of so many files, by one seed."""
    rng = np.random.default_rng(7)
    good, huge = kinds(), bombs()
    names = list(good)
    for i in range(count):
        sort, name = i % 10, names[int(rng.integers(len(names)))]
        content, is_good = bytearray(good[name]), None
        suffix = name.split()[0].lower()
        if sort == 0:
            is_good = name
        elif sort == 1:
            is_good, suffix = name, ["txt", "jpg", "png", "exe"][i // 10 % 4]
        elif sort == 2:
            content = bytearray(huge[i // 10 % len(huge)])
        elif sort == 3:
            content = bytearray(NO_PICTURES[i // 10 % len(NO_PICTURES)])
        elif sort == 4:
            content = bytearray(rng.bytes(int(rng.integers(1, 400))))
        if sort in (5, 6, 9):
            del content[int(rng.integers(len(content))) :]
        if sort in (7, 8, 9) and content:
            reach = min(len(content), 200 if i % 2 else len(content))  # in the header as often
            for _ in range(int(rng.integers(1, 9))):
                content[int(rng.integers(reach))] = int(rng.integers(256))
        yield f"{i}.{suffix}", bytes(content), is_good


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def start_counting_anew() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def what_becomes_of(path: Path) -> tuple[np.ndarray | None, str]:
    try:
        return SMALL.read(path), ""
    except DataError as error:
        return None, str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux counts it")
def test_three_thousand_odd_files_are_read_or_refused_by_name(tmp_path):
    path = tmp_path / "good"
    expected = {}
    for name, content in kinds().items():
        path.write_bytes(content)
        expected[name] = SMALL.read(path)
    start_counting_anew()
    before, read, refused = peak_bytes(), 0, 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for name, content, good in odd_files(3000):
            path = tmp_path / name
            path.write_bytes(content)
            found, error = what_becomes_of(path)
            if found is None:
                assert good is None, f"{good} was refused: {error}"
                assert error.startswith(f"{path}: ")
                assert "\n" not in error
                refused += 1
            else:
                assert found.shape == (16, 16, 3)
                assert found.dtype == np.uint8
                if good is not None:
                    np.testing.assert_array_equal(found, expected[good])
                read += 1
            path.unlink()
    assert not [str(warning.message) for warning in warned]
    assert read >= 600
    assert refused >= 1200
    assert peak_bytes() - before < LARGEST


@pytest.mark.parametrize("which", range(7), ids=BOMBS)
def test_bombs_are_refused_by_their_size_before_they_are_decoded(tmp_path, which, monkeypatch):
    path = tmp_path / "bomb"
    path.write_bytes(bombs()[which])
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(DataError, match=r"expected at most 64,000,000|decompression bomb"):
        decode(path, 3, (16, 16))


def test_only_known_formats_are_opened():
    assert set(FORMATS) == {"PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"}
