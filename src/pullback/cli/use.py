"""``pullback evaluate`` and ``datasets``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pullback.cli.tables import table_of
from pullback.data import available, load
from pullback.data.dataset import Data
from pullback.data.images import PictureFormat
from pullback.train.fit import data_of_source
from pullback.train.metrics import usual_metrics
from pullback.train.model import Model
from pullback.train.model_file import load_model
from pullback.train.run_folder import RunFolder
from pullback.train.verdicts import judge

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
    if model.table is not None:
        return table_of(model, data)
    image = model.image
    if not (Path(data).is_dir() and isinstance(image, PictureFormat)):
        return load(data, data_dir=data_dir)
    size = (image.height, image.width)
    return load(data, size=size, channels=image.channels, classes=model.classes)


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
