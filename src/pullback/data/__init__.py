"""Data: examples and targets, by name, from files and from arrays.

``pullback.data.audio``, ``text`` and ``tables`` are loaded when they are used.
"""

from importlib import import_module
from typing import Any

from pullback.data.dataset import Data, Dataset, from_arrays
from pullback.data.files import Pictures
from pullback.data.folder import from_folder
from pullback.data.images import ImageFormat, PictureFormat, load_image
from pullback.data.load import DatasetInfo, available, load, load_npz
from pullback.data.split import split, train_validation_test

__all__ = [
    "Data",
    "Dataset",
    "DatasetInfo",
    "ImageFormat",
    "PictureFormat",
    "Pictures",
    "available",
    "from_arrays",
    "from_folder",
    "load",
    "load_image",
    "load_npz",
    "split",
    "train_validation_test",
]


def __getattr__(name: str) -> Any:
    if name in ("audio", "text", "tables"):
        return import_module(f"pullback.data.{name}")
    if name == "table":
        return import_module("pullback.data.tables").table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
