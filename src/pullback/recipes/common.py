"""What the recipes share: outputs in small batches, and the files that they add to a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.engine import Inference
from pullback.plots import picture
from pullback.train.fit import Run
from pullback.train.model import Model
from pullback.train.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES = "figures.json"
PICTURE = "predictions.png"
AT_ONCE = 64
"""Examples that go through a network of places at once: their buffers are large."""


@dataclass(frozen=True)
class Result:
    """A finished recipe: its run, and what was measured on the test data."""

    run: Run
    figures: dict[str, Any]


def outputs_of(model: Model, x: np.ndarray) -> np.ndarray:
    """Return the model's outputs for raw examples, ``AT_ONCE`` at once."""
    infer = Inference(model.net, model.spec, model.normalizer, AT_ONCE)
    pieces = [
        infer(model.theta, model.state, x[start : start + AT_ONCE])
        for start in range(0, len(x), AT_ONCE)
    ]
    return np.concatenate(pieces)


def write_figures(folder: Path, figures: dict[str, Any]) -> None:
    """Write ``figures.json``."""
    write_whole(folder / FIGURES, (json.dumps(figures, indent=2) + "\n").encode())


def write_picture(folder: Path, ax: Axes) -> None:
    """Write the figure that ``ax`` stands in as ``predictions.png``."""
    write_whole(folder / PICTURE, picture(ax, dpi=100))
