"""Boxes in images: how much two have in common, which to keep, and how good they are.

A box is left, top, right and bottom, ``(..., 4)``; right and bottom lie behind the last pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes in several images.

    Attributes:
        image: ``(M,)``, the number of the image that each box is in.
        corners: ``(M, 4)``, left, top, right, bottom.
        label: ``(M,)``, its class.
        score: ``(M,)``, how sure it is; of true boxes it is not looked at.
    """

    image: np.ndarray
    corners: np.ndarray
    label: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: np.ndarray) -> Boxes:
        return Boxes(self.image[rows], self.corners[rows], self.label[rows], self.score[rows])


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas of ``boxes (..., 4)``."""
    area: np.ndarray = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the areas that ``a (..., 4)`` and ``b (..., 4)`` have in common."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    area: np.ndarray = np.maximum(sides, 0).prod(axis=-1)
    return area


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return intersection over union of ``a (..., 4)`` and ``b (..., 4)``; 0 of two empty boxes."""
    shared = intersections(a, b)
    union = areas(a) + areas(b) - shared
    share: np.ndarray = np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)
    return share


def suppress(corners: np.ndarray, score: np.ndarray, limit: float = 0.5) -> np.ndarray:
    """Return the rows of boxes that no better one stands for: non-maximum suppression.

    The best box is kept and those that overlap it by more than ``limit`` (intersection over union)
    are dropped; so on with what is left.

    Args:
        corners: ``(M, 4)``.
        score: ``(M,)``; of equal ones the first counts as better.
        limit: the most that two kept boxes overlap.

    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> suppress(boxes, np.array([0.8, 0.9, 0.5]))
    array([1, 2])
    """
    left, kept = np.argsort(-score, kind="stable"), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[overlaps(corners[best], corners[left]) <= limit]
    return np.array(kept, dtype=np.int64)


def mean_average_precision(found: Boxes, true: Boxes, overlap: float = 0.5) -> float:
    """Return the mean over the classes of the average precision.

    Of a class, the found boxes are taken from the surest on. One is a hit if the true box of its
    image and class that it overlaps most is overlapped by at least ``overlap`` (intersection over
    union) and has not been hit before. Classes without a true box are left out; without any, the
    result is NaN. Everingham and others, "The Pascal visual object classes (VOC) challenge" (2010),
    with all points of the curve, as from 2010 on.
    """
    classes = np.unique(true.label)
    each = [
        _average_precision(found[found.label == label], true[true.label == label], overlap)
        for label in classes
    ]
    return float(np.mean(each)) if each else float("nan")


def _average_precision(found: Boxes, true: Boxes, overlap: float) -> float:
    found = found[np.argsort(-found.score, kind="stable")]
    hits, free = np.zeros(len(found), dtype=bool), np.ones(len(true), dtype=bool)
    for i in range(len(found)):
        rows = np.flatnonzero(true.image == found.image[i])
        if not len(rows):
            continue
        shares = overlaps(found.corners[i], true.corners[rows])
        best = rows[shares.argmax()]
        hits[i] = free[best] and shares.max() >= overlap
        free[best] &= ~hits[i]
    return area_under_precision(hits, len(true))


def area_under_precision(hits: np.ndarray, true: int) -> float:
    """Return the area under precision over recall, the precision made to fall only.

    Args:
        hits: whether each found one is a hit, from the surest on.
        true: how many there are to be found.
    """
    count = np.cumsum(hits)
    recall = np.concatenate([[0.0], count / true])
    precision = count / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * best_from_here))
