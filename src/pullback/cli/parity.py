"""``pullback compare A B``, where one is a file: two models, map by map."""

from __future__ import annotations

import json
from pathlib import Path

from pullback.core.errors import ConfigError
from pullback.data import load
from pullback.exchange import weights
from pullback.exchange.onnx import from_onnx
from pullback.exchange.parity import EXAMPLES, parity
from pullback.exchange.weights import keras, pytorch
from pullback.train.model import Model
from pullback.train.model_file import is_model, load_model

ONNX = ".onnx"
KINDS = {*pytorch.SUFFIXES, *keras.SUFFIXES, ONNX}
TEXT = {
    "weights": "{path}: weights without a model; name first the run or the model file that "
    "they are for",
}


def are_models(paths: tuple[str, ...]) -> bool:
    """Tell whether these are two models, of which at least one is named as a file."""
    files = [Path(path) for path in paths if not Path(path).is_dir()]
    return len(paths) == 2 and any(file.suffix.lower() in KINDS for file in files)


def parity_command(a: str, b: str, data: str | None, as_json: bool) -> None:
    """Print in what two models differ, on examples of a data set or on random ones."""
    model = _model(a, None)
    other = _model(b, model)
    x = None
    if data is not None:
        found = load(data)
        x = (found.test if found.test is not None else found.train).x[:EXAMPLES]
    difference = parity(model, other, x)
    print(json.dumps(difference.to_dict()) if as_json else difference)


def _model(path: str, like: Model | None) -> Model:
    """Return the model at ``path``; what has weights only gets the rest from ``like``."""
    suffix = "" if Path(path).is_dir() else Path(path).suffix.lower()
    if suffix == ONNX:
        return from_onnx(path)
    if suffix not in KINDS or (suffix == pytorch.SAFETENSORS and is_model(path)):
        return load_model(path)
    if like is None:
        raise ConfigError(TEXT["weights"].format(path=path))
    read = weights.from_torch if suffix in pytorch.SUFFIXES else weights.from_keras
    return read(path, like)
