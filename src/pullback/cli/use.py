"""``pullback evaluate``, ``predict`` and ``datasets``: what comes after training."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data import available, load
from pullback.data.dataset import Data
from pullback.data.files import reading_pool
from pullback.data.folder import pictures_in
from pullback.data.images import PictureFormat
from pullback.train.fit import data_of_source
from pullback.train.metrics import usual_metrics
from pullback.train.model import Model
from pullback.train.model_file import load_model
from pullback.train.run_folder import RunFolder
from pullback.train.verdicts import judge

AT_ONCE = 256
"""Images that are read before the model sees them."""
TEXT = {
    "at_hand": "at hand",
    "absent": "downloaded when first used",
    "folder": "any folder with a folder of images for each class",
    "wrote": "see {files} in {path}",
}


def evaluate_command(
    run: str, data: str | None, data_dir: str | None, metrics: tuple[str, ...], as_json: bool
) -> None:
    """Print the figures of a model on the test part of its data, or of other data.

    The confusion matrix and the wrong examples of a model of classes go into the run's folder.
    """
    model = load_model(run)
    folder = RunFolder(Path(run) if Path(run).is_dir() else Path(run).parent)
    if data is not None:
        found = _other_data(model, data, data_dir)
    else:
        _, source = folder.read_config()
        found = data_of_source(folder, source | ({"data_dir": data_dir} if data_dir else {}))
    dataset = found.test if found.test is not None else found.train
    wanted = (*usual_metrics(model.loss, model.classes), *metrics)
    figures = model.evaluate(dataset, dict.fromkeys(wanted))
    files = []
    one_class_each = dataset.y.ndim == 1 and dataset.classes is not None
    if Path(run).is_dir() and one_class_each and dataset.classes == model.classes:
        files = folder.write_verdicts(judge(model, dataset))
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}:")
        if isinstance(value, list):
            print("\n".join(" ".join(f"{int(cell):6d}" for cell in row) for row in value))
    if files:
        print(TEXT["wrote"].format(files=", ".join(files), path=run))


def _other_data(model: Model, data: str, data_dir: str | None) -> Data:
    """Load data other than those of the run; a folder's images as the model knows them."""
    image = model.image
    if not (Path(data).is_dir() and isinstance(image, PictureFormat)):
        return load(data, data_dir=data_dir)
    size = (image.height, image.width)
    return load(data, size=size, channels=image.channels, classes=model.classes)


def predict_command(run: str, images: tuple[str, ...], top: int, as_json: bool) -> None:
    """Print the class that the model sees in each image, and how probable it finds it."""
    model = load_model(run)
    if model.image is None or model.classes is None:
        raise ConfigError(
            f"{run}: this model was not trained on images; "
            "use pullback.load_model(path).predict(examples)"
        )
    for path, row in _probabilities(model, images):
        best = np.argsort(-row, kind="stable")[:top]
        if as_json:
            shares = dict(zip(model.classes, map(float, row), strict=True))
            label = model.classes[best[0]]
            print(json.dumps({"image": path, "class": label, "probabilities": shares}))
        else:
            shown = ", ".join(f"{model.classes[i]}  ({row[i]:.1%})" for i in best)
            name = os.fsencode(path).decode(errors="replace")  # names need not be UTF-8
            print(f"{name}: {shown}")


def _probabilities(model: Model, images: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Return each image's path and the probabilities of the classes; of a folder, all in it."""
    assert model.image is not None
    paths = [path for image in images for path in pictures_in(image)]
    with reading_pool() as pool:
        for start in range(0, len(paths), AT_ONCE):
            part = paths[start : start + AT_ONCE]
            examples = np.stack(list(pool.map(model.image.read, part)))
            yield from zip(part, model.predict_proba(examples), strict=True)


def datasets_command(data_dir: str | None, as_json: bool) -> None:
    """Print the data sets, and whether they are at hand."""
    for info in available(data_dir):
        place: Any = str(info.path) if info.path else None
        if as_json:
            print(json.dumps({"name": info.name, "description": info.description, "path": place}))
        else:
            where = f"{TEXT['at_hand']}: {place}" if place else TEXT["absent"]
            print(f"{info.name:12} {info.description}\n{'':12} {where}")
    if not as_json:
        print(f"{'PATH':12} {TEXT['folder']}")
