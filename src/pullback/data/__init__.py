"""Data: examples and targets, by name, from files and from arrays."""

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
