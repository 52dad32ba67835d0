"""What a model says of every example: its confusions, and where it is most sure and wrong."""

from __future__ import annotations

import csv
import io
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np

from pullback.data.dataset import Dataset
from pullback.train.evaluate import EVALUATION_BATCH
from pullback.train.metrics import classes_of
from pullback.train.model import Model

SHOWN = 25
"""Wrong examples in a picture."""
NUMBERED, NAMED = 30, 60
"""Classes up to which a confusion matrix is drawn with its numbers, and with names."""
TEXT = {
    "true": "class",
    "given": "seen as",
    "corner": "class \\ seen as",
    "wrong": "{count:,} of {total:,} wrong; the surest of them",
    "one": "{true}, seen as\n{given} ({share:.0%})",
}


@dataclass(frozen=True, eq=False)
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

    def draw_confusion(self, file: str | IO[bytes]) -> None:
        """Draw the confusion matrix; a cell is the darker, the larger its share of the class."""
        from matplotlib.figure import Figure

        count, matrix = len(self.classes), self.confusion
        side = min(max(4.0, 2.0 + 0.35 * count), 16.0)
        figure = Figure(figsize=(side, side), layout="tight")
        axes = figure.add_subplot()
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel(TEXT["given"])
        axes.set_ylabel(TEXT["true"])
        if count <= NAMED:
            names = [_plain(name) for name in self.classes]
            axes.set_xticks(range(count), names, rotation=90)
            axes.set_yticks(range(count), names)
        if count <= NUMBERED:
            for (row, column), number in np.ndenumerate(matrix):
                colour = "white" if shares[row, column] > 0.5 else "black"
                if number:
                    axes.text(column, row, number, ha="center", va="center", color=colour, size=8)
        _save(figure, file)

    def draw_wrong(self, file: str | IO[bytes]) -> None:
        """Draw the wrong examples, which are pictures of bytes, the surest first."""
        from matplotlib.figure import Figure

        rows = self.wrong()
        across = 5
        down = max(1, -(-len(rows) // across))
        figure = Figure(figsize=(1.7 * across, 2.1 * down + 0.5), layout="tight")
        count = int((self.given != self.dataset.y).sum())
        figure.suptitle(TEXT["wrong"].format(count=count, total=len(self.dataset)))
        for place, row in enumerate(rows, start=1):
            axes = figure.add_subplot(down, across, place)
            axes.imshow(self.dataset.x[int(row)], cmap="gray")
            axes.axis("off")
            true, given = (_plain(self.classes[i]) for i in (self.dataset.y[row], self.given[row]))
            text = TEXT["one"].format(true=true, given=given, share=self.share[row])
            axes.set_title(text, size=8)
        _save(figure, file)


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


def _plain(name: str) -> str:
    """Return a name whose dollars are no formulas, shortened."""
    short = name if len(name) <= 16 else name[:15] + "…"
    return short.replace("$", r"\$")


def _save(figure: Any, file: str | IO[bytes]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font lacks
        figure.savefig(file, dpi=120)
