"""Detection: which digits are in a scene, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.data.boxes import Boxes, mean_average_precision, overlaps, suppress
from pullback.data.dataset import Data, from_arrays
from pullback.data.scenes import SIZE, Scenes, make_scenes
from pullback.losses import Focal, GIoU, WeightedSum
from pullback.models import center_detector
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.plots import boxes, image, new_panels
from pullback.recipes.common import Result, outputs_of, write_figures, write_picture
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 4
"""Pixels of a side of a cell: the network halves the image twice."""
GRID = SIZE // CELL
EPOCHS, TRAIN, TEST = 8, 6000, 1000
BATCH_SIZE, LR = 16, 0.003
LEAST, SAME = 0.02, 0.3
"""Boxes less probable than the first are dropped, and those that overlap a better one by more than
the second."""
SURE = 0.3
"""Boxes at least so probable are drawn, and counted in precision and recall."""
SHOWN = 20
"""The most boxes of a scene that are drawn: a network at its start finds hundreds."""
TEXT = {"scene": "scene {index}: {wrong} wrong"}


def detection(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    scenes: tuple[int, int] = (TRAIN, TEST),
    width: int = 16,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a detector on scenes of the training digits and measure it on those of the test digits.

    Args:
        data: pictures of single digits in two parts.
        out: the run's folder; ``figures.json`` and ``predictions.png`` are added to its files.
        epochs: how often to go through the training scenes.
        seed: decides the scenes, the start and the order.
        scenes: how many to train on and to measure on.
        width: channels of the first convolution.
        callbacks: called with the events of training.
    """
    assert data.test is not None
    train, test = make_scenes(data.train, scenes[0], seed), make_scenes(data.test, scenes[1], seed)
    run = fit(
        center_detector(10, width),
        from_arrays(train.images, targets_of(train), name="scenes"),
        loss=WeightedSum((GIoU(), Focal(alpha=0.5)), (1.0, 1.0), (4, 10)),
        optimizer=AdamW(OneCycle(LR)),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, scenes[0]),
        seed=seed,
        normalize="scale",
        metrics=(),
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    found, true = find_boxes(run.model, test.images), boxes_of(test)
    figures = measure(found, true) | {"scenes": len(test), "seed": seed, "epochs": epochs}
    write_figures(Path(out), figures)
    write_picture(Path(out), draw(test, found, true))
    return Result(run, figures)


def targets_of(scenes: Scenes) -> np.ndarray:
    """Return ``(N, 20, 20, 14)``: for each cell of 4 x 4 pixels a box and a one for its class.

    The cell that the centre of a digit lies in has its box: centre, from that of the cell, and
    size, in cells. All other cells have zeros.
    """
    targets = np.zeros((len(scenes), GRID, GRID, 4 + 10), np.float32)
    index, place = np.nonzero(scenes.labels >= 0)
    corners = scenes.boxes[index, place] / CELL
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    column, row = np.floor(centre).astype(np.int64).T
    targets[index, row, column] = 0  # of two centres in one cell, the last digit's counts
    targets[index, row, column, :2] = centre - np.floor(centre) - 0.5
    targets[index, row, column, 2:4] = size
    targets[index, row, column, 4 + scenes.labels[index, place]] = 1
    return targets


def boxes_of(scenes: Scenes) -> Boxes:
    """Return the true boxes."""
    index, place = np.nonzero(scenes.labels >= 0)
    corners, label = scenes.boxes[index, place], scenes.labels[index, place]
    return Boxes(index, corners, label, np.ones(len(index)))


def find_boxes(model: Model, images: np.ndarray) -> Boxes:
    """Return what the detector finds in images ``(N, 80, 80)``, image by image."""
    y = np.asarray(model.loss.link(outputs_of(model, images)))
    index, row, column = np.nonzero(y[..., 4:].max(axis=-1) >= LEAST)
    cells = y[index, row, column]
    centre = np.stack([column, row], axis=1) + 0.5 + cells[:, :2]
    corners = CELL * np.concatenate(
        [centre - cells[:, 2:4] / 2, centre + cells[:, 2:4] / 2], axis=1
    )
    found = Boxes(index, corners, cells[:, 4:].argmax(axis=1), cells[:, 4:].max(axis=1))
    kept = [
        rows[suppress(found.corners[rows], found.score[rows], SAME)]
        for rows in (np.flatnonzero(index == i) for i in range(len(images)))
    ]
    return found[np.concatenate(kept)]


def measure(found: Boxes, true: Boxes) -> dict[str, Any]:
    """Return mean average precision, and of sure boxes precision, recall and overlap.

    A sure box is right if it overlaps a true one of its class by at least a half.
    """
    sure = found[found.score >= SURE]
    shares = np.array([_best_share(sure[np.array([i])], true) for i in range(len(sure))])
    hits = int((shares >= 0.5).sum())
    return {
        "map_50": mean_average_precision(found, true),
        "map_75": mean_average_precision(found, true, 0.75),
        "precision": hits / max(len(sure), 1),
        "recall": hits / max(len(true), 1),
        "overlap": float(shares[shares >= 0.5].mean()) if hits else 0.0,
        "digits": len(true),
    }


def _best_share(one: Boxes, true: Boxes) -> float:
    rows = (true.image == one.image[0]) & (true.label == one.label[0])
    return float(overlaps(one.corners[0], true.corners[rows]).max(initial=0.0))


def draw(scenes: Scenes, found: Boxes, true: Boxes) -> Axes:
    """Return a picture: scenes with their boxes above, those with the most mistakes below."""
    sure = found[found.score >= SURE]
    wrong = mistakes(sure, true, len(scenes))
    worst = np.argsort(-wrong, kind="stable")[:6]
    panels = new_panels(2, 6, figsize=(15, 5.4), layout=None)
    panels[0].figure.subplots_adjust(0.01, 0.01, 0.99, 0.95, 0.03, 0.1)
    chosen = (*range(min(6, len(scenes))), *worst)
    for ax in panels[len(chosen) :]:
        ax.set_axis_off()
    for ax, index in zip(panels, chosen, strict=False):
        title = TEXT["scene"].format(index=index, wrong=wrong[index])
        image(scenes.images[index], ax, title=title, frame=False, cmap="gray_r")
        boxes(_shown(sure[sure.image == index]), ax)
    return panels[0]


def mistakes(sure: Boxes, true: Boxes, count: int) -> np.ndarray:
    """Return, for each of ``count`` images, boxes that are wrong and digits that are missing."""
    wrong = np.zeros(count, np.int64)
    for given, there in ((sure, true), (true, sure)):
        for i in range(len(given)):
            one = given[np.array([i])]
            wrong[one.image[0]] += _best_share(one, there) < 0.5
    return wrong


def _shown(found: Boxes) -> Iterator[tuple[Any, str, str]]:
    for i in range(min(len(found), SHOWN)):
        label = int(found.label[i])
        words = f"{label} {found.score[i]:.2f}"
        # pixels are drawn around whole numbers
        yield found.corners[i] - 0.5, words, f"C{label}"
