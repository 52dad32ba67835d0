"""What a model says of every example: its confusions, and where it is most sure and wrong."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING

import numpy as np

from pullback.data.dataset import Dataset
from pullback.plots import confusion, image, new_panels, picture, plain, save
from pullback.plots.confusion import LONGEST, NUMBERED
from pullback.train import html
from pullback.train.evaluate import EVALUATION_BATCH
from pullback.train.metrics import classes_of
from pullback.train.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 25
"""Wrong examples in a picture."""
TEXT = {
    "true": "class",
    "given": "seen as",
    "corner": "class \\ seen as",
    "right": "Verdicts: {right:,} of {total:,} right, {classes} classes",
    "read": "a row is a class, a column what it is seen as",
    "wrong": "{count:,} of {total:,} wrong; the surest of them",
    "one": "{true}, seen as\n{given} ({share:.0%})",
}


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts:
    """Of each of the ``N`` examples of a data set: its class, the class seen, and how surely.

    Args:
        dataset: the examples, with classes.
        given: ``(N,)`` the class that the model sees.
        share: ``(N,)`` the probability that it gives to it.
    """

    dataset: Dataset
    given: np.ndarray
    share: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.dataset.classes or ()

    @cached_property
    def confusion(self) -> np.ndarray:
        """How many examples of class ``t`` are seen as class ``c``: ``M[t, c]``."""
        count = len(self.classes)
        cell = self.dataset.y.astype(np.int64) * count + self.given
        return np.bincount(cell, minlength=count * count).reshape(count, count)

    @property
    def of_pictures(self) -> bool:
        """Whether the examples are pictures: bytes ``(H, W)`` or ``(H, W, 3)``."""
        x = self.dataset.x
        return x.dtype == np.uint8 and (x.ndim == 3 or (x.ndim == 4 and x.shape[3] == 3))

    def wrong(self, most: int = SHOWN) -> np.ndarray:
        """Return the rows of the wrong examples, the surest first."""
        rows = np.flatnonzero(self.given != self.dataset.y)
        return rows[np.argsort(-self.share[rows], kind="stable")][:most]

    def confusion_csv(self) -> str:
        """Return the confusion matrix as a table with names, comma-separated."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow([TEXT["corner"], *self.classes])
        for name, row in zip(self.classes, self.confusion.tolist(), strict=True):
            table.writerow([name, *row])
        return text.getvalue()

    def __repr__(self) -> str:
        right = int(np.trace(self.confusion))
        return TEXT["right"].format(right=right, total=len(self.dataset), classes=len(self.classes))

    def _repr_html_(self) -> str:
        """Return the confusion matrix; of many classes, its picture."""
        words = html.paragraph(f"{self!r}; {TEXT['read']}")
        if len(self.classes) > NUMBERED:
            return words + html.png(picture(self.confusion_axes(), dpi=60), repr(self))
        rows = zip(self.classes, self.confusion.tolist(), strict=True)
        cells = [[name, *counts] for name, counts in rows]
        return words + html.table([TEXT["corner"], *self.classes], cells)

    def draw_confusion(self, file: str | IO[bytes]) -> None:
        """Draw the confusion matrix; a cell is the darker, the larger its share of the class."""
        save(self.confusion_axes(), file)

    def confusion_axes(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix; return the axes."""
        given, true = TEXT["given"], TEXT["true"]
        return confusion(self.confusion, self.classes, ax, xlabel=given, ylabel=true)

    def draw_wrong(self, file: str | IO[bytes]) -> None:
        """Draw the wrong examples, which are pictures of bytes, the surest first."""
        rows = self.wrong()
        across = 5
        down = max(1, -(-len(rows) // across))
        panels = new_panels(down, across, figsize=(1.7 * across, 2.1 * down + 0.5), layout="tight")
        count = int((self.given != self.dataset.y).sum())
        panels[0].figure.suptitle(TEXT["wrong"].format(count=count, total=len(self.dataset)))
        for ax in panels[len(rows) :]:
            ax.set_axis_off()
        for ax, row in zip(panels, rows, strict=False):
            numbers = self.dataset.y[row], self.given[row]
            true, given = (plain(self.classes[i], LONGEST) for i in numbers)
            text = TEXT["one"].format(true=true, given=given, share=self.share[row])
            image(self.dataset.x[int(row)], ax, title=text, size=8, frame=False, cmap="gray")
        save(panels[0], file)


def judge(model: Model, dataset: Dataset) -> Verdicts:
    """Return what a model of classes says of every example, in batches."""
    given = np.zeros(len(dataset), np.int64)
    share = np.zeros(len(dataset), np.float64)
    for start in range(0, len(dataset), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        y = model.outputs(dataset.x[part])
        shares = np.asarray(model.loss.link(y)).reshape(len(y), -1)
        given[part] = classes_of(y)
        share[part] = shares.max(axis=1) if shares.shape[1] > 1 else _of_one(shares[:, 0])
    return Verdicts(dataset, given, share)


def _of_one(share: np.ndarray) -> np.ndarray:
    """Return the probability of the more probable of two classes."""
    larger: np.ndarray = np.maximum(share, 1 - share)
    return larger
