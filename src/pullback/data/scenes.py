"""Scenes: several digits in one picture, with boxes and a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pullback.core.random import generator
from pullback.data.boxes import areas, intersections
from pullback.data.dataset import Dataset

SIZE = 80
"""Rows and columns of a scene."""
FEWEST, MOST = 4, 8
"""Digits of a scene."""
SCALES = (0.8, 1.2)
"""Smallest and largest size of a digit, as a multiple of that of its picture."""
OVERLAP = 0.1
"""Largest share of the smaller of two boxes that lies in both."""
INK = 64
"""Grey value from which a pixel is ink."""
TRIES = 200


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures of several digits, and what is to be found in them.

    Attributes:
        images: ``(N, 80, 80)``, 8-bit, 0 is the background.
        boxes: ``(N, 8, 4)``, left, top, right and bottom edge of the ink in pixels; the right and
            the bottom edge lie behind the last pixel. Rows of zeros where there are fewer digits.
        labels: ``(N, 8)``, the digit of each box, -1 where there is none.
        masks: ``(N, 80, 80)``, 8-bit, 0 for the background, ``1 + digit`` for ink.
        sources: ``(N, 8)``, the row of the data set that each digit came from, or -1.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    sources: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def make_scenes(digits: Dataset, count: int, seed: int = 0) -> Scenes:
    """Return scenes number 0 to ``count - 1`` of ``seed``, made of the pictures of ``digits``.

    A scene is a function of the seed, its number and the data set: 4 to 8 pictures, drawn with
    equal chances, each scaled by 0.8 to 1.2 and put where its box shares at most a tenth of its
    area, or of the other's, with any box before. Where ink meets ink, the darker pixel counts.

    Args:
        digits: grey 8-bit pictures ``(N, rows, columns)`` with class numbers.
        count: how many scenes.
        seed: another seed gives other scenes.
    """
    found = Scenes(
        images=np.zeros((count, SIZE, SIZE), np.uint8),
        boxes=np.zeros((count, MOST, 4), np.float32),
        labels=np.full((count, MOST), -1, np.int64),
        masks=np.zeros((count, SIZE, SIZE), np.uint8),
        sources=np.full((count, MOST), -1, np.int64),
    )
    for index in range(count):
        _fill(found, index, digits, generator(seed, "scenes", digits.name, step=index))
    return found


def _fill(scenes: Scenes, index: int, digits: Dataset, rng: np.random.Generator) -> None:
    placed = 0
    for row in rng.integers(0, len(digits), rng.integers(FEWEST, MOST + 1)):
        picture = _scaled(digits.x[row], rng.uniform(*SCALES))
        ink = _box_of(picture)
        box = _place(ink, scenes.boxes[index, :placed], rng)
        if box is None:  # no place is left
            continue
        label = int(digits.y[row])
        _draw(scenes.images[index], scenes.masks[index], picture, box[:2] - ink[:2], label)
        scenes.boxes[index, placed] = box
        scenes.labels[index, placed], scenes.sources[index, placed] = label, row
        placed += 1


def _scaled(picture: np.ndarray, factor: float) -> np.ndarray:
    from PIL import Image

    rows, columns = (max(1, round(n * factor)) for n in picture.shape)
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))


def _box_of(picture: np.ndarray) -> np.ndarray:
    """Return left, top, right and bottom of the ink; of the whole picture where there is none."""
    ink = picture >= INK
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    if not len(rows):
        return np.array([0, 0, *picture.shape[::-1]])
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _place(ink: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return a box of the size of ``ink`` within the scene that hardly overlaps the others."""
    size = ink[2:] - ink[:2]
    for _ in range(TRIES):
        corner = rng.integers(0, SIZE - size + 1)
        box = np.concatenate([corner, corner + size])
        shared = intersections(box, others)
        smaller = np.minimum(areas(box), areas(others))
        if np.all(shared <= OVERLAP * smaller):
            return box
    return None


def _draw(
    image: np.ndarray, mask: np.ndarray, picture: np.ndarray, corner: np.ndarray, label: int
) -> None:
    """Put a picture with its left upper corner at ``corner``; what lies outside is left out."""
    left, top = corner
    rows = slice(max(0, top), min(SIZE, top + picture.shape[0]))
    columns = slice(max(0, left), min(SIZE, left + picture.shape[1]))
    part = picture[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    under = image[rows, columns]
    mask[rows, columns][(part >= INK) & (part > under)] = 1 + label
    np.maximum(under, part, out=under)
