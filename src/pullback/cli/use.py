"""``pullback evaluate``, ``predict`` and ``datasets``: what comes after training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data import available, load
from pullback.data.images import load_image
from pullback.train.fit import data_of_source
from pullback.train.metrics import usual_metrics
from pullback.train.model_file import load_model
from pullback.train.run_folder import RunFolder

TEXT = {
    "at_hand": "at hand",
    "absent": "downloaded when first used",
}


def evaluate_command(
    run: str, data: str | None, data_dir: str | None, metrics: tuple[str, ...], as_json: bool
) -> None:
    """Print the figures of a model on the test part of its data, or of other data."""
    model = load_model(run)
    if data is not None:
        found = load(data, data_dir=data_dir)
    else:
        folder = RunFolder(Path(run) if Path(run).is_dir() else Path(run).parent)
        _, source = folder.read_config()
        found = data_of_source(folder, source | ({"data_dir": data_dir} if data_dir else {}))
    dataset = found.test if found.test is not None else found.train
    wanted = (*usual_metrics(model.loss, model.classes), *metrics)
    figures = model.evaluate(dataset, dict.fromkeys(wanted))
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}:")
        if isinstance(value, list):
            print("\n".join(" ".join(f"{int(cell):6d}" for cell in row) for row in value))


def predict_command(run: str, images: tuple[str, ...], as_json: bool) -> None:
    """Print the class that the model sees in each image, and how probable it finds it."""
    model = load_model(run)
    if model.image is None or model.classes is None:
        raise ConfigError(
            f"{run}: this model was not trained on images; "
            "use pullback.load_model(path).predict(examples)"
        )
    examples = [model.image.prepare(load_image(path), path) for path in images]
    probabilities = model.predict_proba(np.stack(examples))
    for path, row in zip(images, probabilities, strict=True):
        best = int(row.argmax())
        label, share = model.classes[best], float(row[best])
        if as_json:
            shares = dict(zip(model.classes, map(float, row), strict=True))
            print(json.dumps({"image": path, "class": label, "probabilities": shares}))
        else:
            print(f"{path}: {label}  ({share:.1%})")


def datasets_command(data_dir: str | None, as_json: bool) -> None:
    """Print the data sets, and whether they are at hand."""
    for info in available(data_dir):
        place: Any = str(info.path) if info.path else None
        if as_json:
            print(json.dumps({"name": info.name, "description": info.description, "path": place}))
        else:
            where = f"{TEXT['at_hand']}: {place}" if place else TEXT["absent"]
            print(f"{info.name:10} {info.description}\n{'':10} {where}")
