"""Data: examples and targets, by name, from files and from arrays."""

from pullback.data.dataset import Data, Dataset, from_arrays
from pullback.data.images import ImageFormat, load_image
from pullback.data.load import DatasetInfo, available, load, load_npz
from pullback.data.split import split, train_validation_test

__all__ = [
    "Data",
    "Dataset",
    "DatasetInfo",
    "ImageFormat",
    "available",
    "from_arrays",
    "load",
    "load_image",
    "load_npz",
    "split",
    "train_validation_test",
]
