"""Picture files: opened with care, decoded upright, as grey or coloured bytes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from pullback.core.errors import DataError

LARGEST_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""What is opened: formats whose size is known before they are decoded, and that run no program."""
GREY_MODES = ("1", "L", "LA", "La", "I", "F")
ORIENTATION = 0x0112
"""The EXIF entry with the camera's rotation."""
SIDEWAYS = (5, 6, 7, 8)

LARGE = 4_000_000
"""Pixels from which pictures are decoded one at a time, as each may take 16 bytes a pixel."""

T = TypeVar("T")
_one_large = Lock()


def decode(path: str | Path, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a picture as bytes: ``(H, W)`` for one channel, ``(H, W, 3)`` for three.

    The first picture of several, upright, transparency as white paper, 16-bit values scaled. With
    ``size``, ``(H, W)``, it is scaled until it covers that, and what hangs over is cut off evenly.

    Raises:
        DataError: missing, damaged, not a picture, or larger than 64 million pixels.
    """
    from PIL import Image, ImageOps

    wanted = "L" if channels == 1 else "RGB"

    def pixels(picture: Any) -> np.ndarray:
        if size is not None:  # a JPEG is then decoded at a half to an eighth where that is enough
            picture.draft(None, (max(size), max(size)))
        with _one_large if picture.width * picture.height > LARGE else nullcontext():
            upright = ImageOps.exif_transpose(picture) if _is_turned(picture) else picture
            plain = upright.mode == wanted and "transparency" not in upright.info
            flat = upright if plain else _converted(upright, wanted)
            if size is not None and flat.size != size[::-1]:
                flat = ImageOps.fit(flat, size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(flat, np.uint8)

    return _opened(path, pixels)


def header(path: str | Path) -> tuple[int, int, int]:
    """Return a picture's height, width and channels (1 or 3), without decoding it.

    Raises:
        DataError: see ``decode``; damage further on in the file is not seen.
    """
    return _opened(path, _header)


def _header(picture: Any) -> tuple[int, int, int]:
    width, height = picture.size
    if picture.format != "PNG" and picture.getexif().get(ORIENTATION) in SIDEWAYS:
        width, height = height, width  # a PNG's entries may follow its pixels
    return height, width, 1 if _is_grey(picture) else 3


def _is_turned(picture: Any) -> bool:
    orientation = picture.getexif().get(ORIENTATION, 1)
    return isinstance(orientation, int) and 1 < orientation <= 8


def _is_grey(picture: Any) -> bool:
    if picture.mode == "P":
        colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return picture.mode in GREY_MODES or picture.mode.startswith("I;16")


def _opened(path: str | Path, use: Callable[[Any], T]) -> T:
    """Return what ``use`` makes of a picture whose size has been checked."""
    from PIL import Image, UnidentifiedImageError

    _quiet()
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise DataError(
                    f"{path}: {picture.width} x {picture.height} pixels; "
                    f"expected at most {LARGEST_PIXELS:,}"
                )
            return use(picture)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a picture in a format that can be read") from None
    except Exception as error:  # damage shows in many ways, also in struct, zlib and TIFF's tags
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: the picture cannot be read ({reason})") from None


_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def _quiet() -> None:
    """Silence Pillow's warnings about metadata, and about sizes, which are checked here.

    The filter stays: ``warnings.catch_warnings`` would take away that of another thread.
    """
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _converted(picture: Any, mode: str) -> Any:
    """Return the picture in mode ``L`` or ``RGB``."""
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(_bytes(np.asarray(picture)))
    if "A" in picture.mode or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        picture = Image.alpha_composite(paper, rgba)
    return picture.convert(mode)


def _bytes(values: np.ndarray) -> np.ndarray:
    """Return grey values as bytes: of 65,535 where they are 16-bit or go beyond 255."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        rounded: np.ndarray = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return rounded
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    top = 65535.0 if numbers.max() > 255 else 255.0
    scaled: np.ndarray = (numbers.clip(0, top) * (255.0 / top)).round().astype(np.uint8)
    return scaled
