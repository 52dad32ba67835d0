"""Segmentation: what every pixel of a scene shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.data.dataset import Data, from_arrays
from pullback.data.scenes import Scenes, make_scenes
from pullback.losses import CrossEntropy, Dice, WeightedSum
from pullback.models import unet
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.plots import image, new_panels
from pullback.recipes.common import Result, outputs_of, write_figures, write_picture
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.metrics import MeanIoU

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASSES = 11
"""The background and ten digits."""
EPOCHS, TRAIN, TEST = 10, 3000, 1000
BATCH_SIZE, LR = 16, 0.004
TEXT = {
    "scene": "scene {index}",
    "prediction": "prediction",
    "wrong": "{wrong} pixels wrong",
}


def segmentation(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    scenes: tuple[int, int] = (TRAIN, TEST),
    width: int = 16,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a U-Net on scenes of the training digits and measure it on those of the test digits.

    Args:
        data: pictures of single digits in two parts.
        out: the run's folder; ``figures.json`` and ``predictions.png`` are added to its files.
        epochs: how often to go through the training scenes.
        seed: decides the scenes, the start and the order.
        scenes: how many to train on and to measure on.
        width: channels of the first convolutions.
        callbacks: called with the events of training.
    """
    assert data.test is not None
    train, test = make_scenes(data.train, scenes[0], seed), make_scenes(data.test, scenes[1], seed)
    run = fit(
        unet(CLASSES, width),
        from_arrays(train.images, train.masks, name="scenes"),
        loss=WeightedSum((CrossEntropy(), Dice()), (1.0, 1.0)),
        optimizer=AdamW(OneCycle(LR)),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, scenes[0]),
        seed=seed,
        normalize="scale",
        metrics=(MeanIoU(),),
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    seen = outputs_of(run.model, test.images).argmax(axis=-1)
    figures = measure(seen, test.masks) | {"scenes": len(test), "seed": seed, "epochs": epochs}
    write_figures(Path(out), figures)
    write_picture(Path(out), draw(test, seen))
    return Result(run, figures)


def measure(seen: np.ndarray, masks: np.ndarray) -> dict[str, Any]:
    """Return intersection over union: the mean and each class's; and the share of right pixels.

    All pixels of all scenes are counted together; ``ink_accuracy`` leaves the background out.
    """
    cell = masks.astype(np.int64) * CLASSES + seen
    counts = np.bincount(cell.reshape(-1), minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    hit, true, given = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    each = hit / np.maximum(true + given - hit, 1)
    return {
        "mean_iou": float(each[true + given > 0].mean()),
        "iou": [round(float(value), 4) for value in each],
        "pixel_accuracy": float(hit.sum() / true.sum()),
        "ink_accuracy": float(hit[1:].sum() / max(true[1:].sum(), 1)),
    }


def draw(scenes: Scenes, seen: np.ndarray) -> Axes:
    """Return a picture: image, prediction and mistakes, of some scenes and of the worst."""
    wrong = (seen != scenes.masks).reshape(len(seen), -1).sum(axis=1)
    chosen = (*range(min(3, len(seen))), *np.argsort(-wrong, kind="stable")[:3])
    panels = new_panels(3, len(chosen), figsize=(13, 7), layout=None)
    panels[0].figure.subplots_adjust(0.01, 0.01, 0.99, 0.96, 0.03, 0.12)
    for column, index in enumerate(chosen):
        picture, mask = scenes.images[index], seen[index]
        scene = TEXT["scene"].format(index=index)
        mistakes = TEXT["wrong"].format(wrong=wrong[index])
        shown: dict[str, tuple[Any, dict[str, Any]]] = {
            scene: (picture, {"cmap": "gray_r"}),
            TEXT["prediction"]: (np.ma.masked_equal(mask, 0) - 1, {"cmap": "tab10", "vmax": 9}),
            mistakes: (mask != scenes.masks[index], {"cmap": "Reds"}),
        }
        for row, (title, (values, style)) in enumerate(shown.items()):
            image(values, panels[row * len(chosen) + column], title=title, vmin=0, **style)
    return panels[0]
