"""Pictures as examples: read from a file, and brought into the form a model was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.core.registry import Registry
from pullback.data.pictures import LARGEST_PIXELS, decode

IMAGE_FORMATS: Registry[Any] = Registry("image format")
FAINT = 0.1
"""Ink below this share of the darkest is taken for noise of the scanner."""


@IMAGE_FORMATS.register
@dataclass(frozen=True)
class ImageFormat:
    """What the pictures of a data set of single characters look like: bright ink on black.

    The character is scaled to fit a square of ``box`` pixels within ``canvas`` pixels, placed by
    its centre of mass (``center="mass"``) or the middle of its extent (``"box"``), and then
    averaged over squares of ``canvas / size`` pixels. ``peak`` is the value of full ink.

    MNIST: 28 x 28, box 20, by mass (LeCun, Cortes, Burges). UCI digits: 32 x 32 filled, then
    4 x 4 squares, 0..16 (Alpaydin and Kaynak 1998).
    """

    size: int = 28
    box: int = 20
    canvas: int = 28
    peak: float = 255.0
    center: str = "mass"

    def __post_init__(self) -> None:
        if self.size < 1 or self.canvas % self.size or not 0 < self.box <= self.canvas:
            raise ConfigError(
                f"ImageFormat: size={self.size}, canvas={self.canvas}, box={self.box}; "
                "the canvas is a multiple of the size and at least the box"
            )
        if self.center not in ("mass", "box"):
            raise ConfigError(f"ImageFormat: center={self.center!r}; expected 'mass' or 'box'")

    def prepare(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Return a picture ``(H, W)`` of a drawn or scanned character as an example.

        Dark ink on a light background is inverted; the background's level is taken away. A
        picture that already has the data set's size and a black border is taken as it is.

        Returns:
            ``(size, size)`` float32 values from 0 to ``peak``.

        Raises:
            DataError: the picture has no ink.
        """
        ink = _ink(image, name)
        if image.shape == (self.size, self.size) and self._is_example(image):
            return (image * np.float32(self.peak / 255.0)).astype(np.float32)
        crop = _cropped(ink)
        placed = self._placed(_resized(crop, self.box))
        step = self.canvas // self.size
        blocks = placed.reshape(self.size, step, self.size, step).mean(axis=(1, 3))
        example: np.ndarray = (blocks * self.peak).astype(np.float32)
        return example

    def read(self, path: str | Path) -> np.ndarray:
        """Return the picture in a file as an example; see ``prepare``.

        Raises:
            DataError: it cannot be read, or has no ink.
        """
        return self.prepare(load_image(path), str(path))

    def _is_example(self, image: np.ndarray) -> bool:
        return self.size == self.canvas and not _border(image).any()

    def _placed(self, glyph: np.ndarray) -> np.ndarray:
        canvas = np.zeros((self.canvas, self.canvas), np.float32)
        place = []
        for axis, length in enumerate(glyph.shape):
            start = round((self.canvas - length) / 2)
            if self.center == "mass":
                profile = glyph.sum(axis=1 - axis)
                middle = float((profile * np.arange(length)).sum() / profile.sum())
                # of pixel numbers: MNIST's digits have theirs from 13.5 to 14.5
                start = round(self.canvas / 2 - middle)
            place.append(min(max(start, 0), self.canvas - length))
        rows, columns = glyph.shape
        canvas[place[0] : place[0] + rows, place[1] : place[1] + columns] = glyph
        return canvas


@IMAGE_FORMATS.register
@dataclass(frozen=True)
class PictureFormat:
    """What the pictures of a folder are brought to: ``height`` x ``width``, grey or coloured.

    A picture is scaled, with the ratio of its sides kept, until it covers that size; what hangs
    over is cut off evenly on both sides. Values are bytes, 0 to 255.
    """

    height: int
    width: int
    channels: int = 3

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.height * self.width > LARGEST_PIXELS:
            raise ConfigError(
                f"PictureFormat: {self.height} x {self.width} pixels; expected sides of at least "
                f"1 and at most {LARGEST_PIXELS:,} pixels"
            )
        check_channels("PictureFormat", self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an example: ``(H, W)`` or ``(H, W, 3)``."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, 3)

    @property
    def size(self) -> int:
        """Bytes in one example."""
        return self.height * self.width * self.channels

    @property
    def peak(self) -> float:
        """The largest value."""
        return 255.0

    def read(self, path: str | Path) -> np.ndarray:
        """Return the picture in a file as an example of ``shape``, uint8.

        Raises:
            DataError: it cannot be read; see ``load_image``.
        """
        return decode(path, self.channels, (self.height, self.width))


AnyFormat = ImageFormat | PictureFormat
"""Whatever says how a picture in a file becomes an example: ``read(path)``."""


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _ink(image: np.ndarray, name: str) -> np.ndarray:
    """Return the amount of ink, 0 to 1, whichever of ink and paper is the brighter."""
    values = image.astype(np.float32)
    background = float(np.median(_border(values)))
    # what is on the other side of the background than the ink is noise, not ink
    brighter = float((values - background).clip(min=0).sum())
    darker = float((background - values).clip(min=0).sum())
    ink = (values - background if brighter >= darker else background - values).clip(min=0)
    darkest = float(ink.max())
    if darkest < 0.02 * 255:
        raise DataError(f"{name}: the picture is blank; expected a character on a plain background")
    return ink / darkest


def _cropped(ink: np.ndarray) -> np.ndarray:
    strong = ink > FAINT
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(ink: np.ndarray, box: int) -> np.ndarray:
    """Scale so that the longer side is ``box``."""
    from PIL import Image

    factor = box / max(ink.shape)
    height, width = (max(1, math.floor(n * factor + 0.5)) for n in ink.shape)
    picture = Image.fromarray(ink.astype(np.float32))
    scaled = picture.resize(
        (width, height), Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    )
    return np.asarray(scaled, np.float32).clip(0, 1)


def load_image(path: str | Path, channels: int = 1) -> np.ndarray:
    """Return a picture as bytes: ``(H, W)`` grey values, or ``(H, W, 3)`` colours.

    Transparency becomes white paper, a camera's rotation is undone, 16-bit values are scaled, and
    of a moving picture the first frame is taken.

    Args:
        path: of a PNG, JPEG, GIF, BMP, TIFF, WebP or PPM file.
        channels: 1 or 3.

    Raises:
        ConfigError: another number of channels.
        DataError: missing, damaged, not a picture, or larger than 64 million pixels.
    """
    check_channels("load_image", channels)
    return decode(path, channels)


def check_channels(where: str, channels: int) -> None:
    """Raise ``ConfigError`` for a number of channels other than 1 and 3."""
    if channels not in (1, 3):
        raise ConfigError(f"{where}: channels={channels!r}; expected 1 (grey) or 3 (colour)")
