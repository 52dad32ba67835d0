"""``pullback export`` and ``import``: models for other programs, and theirs."""

from __future__ import annotations

from pathlib import Path

from pullback.core.errors import ConfigError
from pullback.exchange.onnx import from_onnx, to_onnx
from pullback.exchange.weights import keras, pytorch, to_keras, to_torch
from pullback.train.model_file import NAME, load_model
from pullback.train.storage import make_folder

ONNX = ".onnx"
TEXT = {
    "wrote": "wrote {path}",
    "kind": "{path}: expected a name that ends in .onnx",
    "kinds": "{path}: expected a name that ends in .onnx, .pt, .pth, .safetensors, .keras or "
    ".weights.h5",
    "taken": "{path}: there is a model here already; choose another folder",
}


def export_command(run: str, path: str, opset: int) -> None:
    """Write the model of a run as an ONNX file, or its weights for PyTorch or Keras."""
    suffix = Path(path).suffix.lower()
    if suffix in pytorch.SUFFIXES:
        to_torch(load_model(run), path)
    elif suffix in keras.SUFFIXES:
        to_keras(load_model(run), path)
    elif suffix == ONNX:
        to_onnx(load_model(run), path, opset=opset)
    else:
        raise ConfigError(TEXT["kinds"].format(path=path))
    print(TEXT["wrote"].format(path=path))


def import_command(path: str, run: str) -> None:
    """Make a run's folder of an ONNX file, with a model only."""
    if Path(path).suffix.lower() != ONNX:
        raise ConfigError(TEXT["kind"].format(path=path))
    target = Path(run) / NAME
    if target.exists():
        raise ConfigError(TEXT["taken"].format(path=run))
    model = from_onnx(path)
    make_folder(Path(run))
    model.save(target)
    print(TEXT["wrote"].format(path=target))
