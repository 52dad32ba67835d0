"""Pictures as examples: read from a file, and brought into the form a model was trained on."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.core.registry import Registry

IMAGE_FORMATS: Registry[Any] = Registry("image format")
LARGEST_PIXELS = 64_000_000
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


def load_image(path: str | Path) -> np.ndarray:
    """Return a picture as ``(H, W)`` grey values, uint8.

    Colours become grey, transparency becomes white paper, a camera's rotation is undone, and
    16-bit values are scaled.

    Raises:
        DataError: missing, damaged, not a picture, or larger than 64 million pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, and sizes that are checked below
            with Image.open(path) as opened:
                if opened.width * opened.height > LARGEST_PIXELS:
                    raise DataError(
                        f"{path}: {opened.width} x {opened.height} pixels; "
                        f"expected at most {LARGEST_PIXELS:,}"
                    )
                return _grey(ImageOps.exif_transpose(opened))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a picture in a format that can be read") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: the picture cannot be read ({error})") from None


def _grey(picture: Any) -> np.ndarray:
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        scaled: np.ndarray = (values.clip(0, top) * (255.0 / top)).round().astype(np.uint8)
        return scaled
    if "A" in picture.mode or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        picture = Image.alpha_composite(paper, rgba)
    return np.asarray(picture.convert("L"), np.uint8)
