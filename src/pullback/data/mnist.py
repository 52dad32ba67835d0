"""MNIST: 70,000 handwritten digits of 28 x 28 pixels. LeCun, Cortes, Burges; CC BY-SA 3.0."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pullback.core.errors import DataError
from pullback.data.dataset import Data, Dataset
from pullback.data.idx import read_idx
from pullback.data.images import ImageFormat

CLASSES = tuple("0123456789")
ATTRIBUTION = "MNIST: Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0"
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the decompressed files: archives differ in how they were packed."""
SUFFIXES = ("", ".gz")


def find(folder: Path) -> bool:
    """Tell whether all four files are in ``folder``."""
    return all(any((folder / (n + s)).is_file() for s in SUFFIXES) for n in SHA256)


def read(folder: Path) -> Data:
    """Return the data of the four IDX files in ``folder``.

    Raises:
        DataError: a file is missing, damaged, or does not fit the others.
    """
    return Data(
        train=_read_part(folder, "train", "mnist training part"),
        test=_read_part(folder, "t10k", "mnist test part"),
        name="mnist",
        image=ImageFormat(),
        attribution=ATTRIBUTION,
    )


def _read_part(folder: Path, part: str, name: str) -> Dataset:
    images_path = _path(folder, f"{part}-images-idx3-ubyte")
    labels_path = _path(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(
            f"{images_path}: expected 8-bit images (N, H, W), found {images.dtype} {images.shape}"
        )
    if labels.ndim != 1 or labels.dtype != np.uint8:
        raise DataError(
            f"{labels_path}: expected 8-bit labels (N,), found {labels.dtype} {labels.shape}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: {len(labels):,} labels for the {len(images):,} images of "
            f"{images_path.name}; use the two files that belong together"
        )
    if len(images) == 0:
        raise DataError(f"{images_path}: there are no images in it")
    try:
        return Dataset(images, labels.astype(np.int64), classes=CLASSES, name=name)
    except DataError as error:
        raise DataError(f"{labels_path}: {error}") from None


def _path(folder: Path, name: str) -> Path:
    for suffix in SUFFIXES:
        if (folder / (name + suffix)).is_file():
            return folder / (name + suffix)
    raise DataError(
        f"{folder / name}.gz: there is no such file; the folder needs the four MNIST files, "
        "or leave out --data-dir to download them"
    )


def fetch(folder: Path) -> None:
    """Download the four files into ``folder``, checked.

    Raises:
        DataError: no mirror could give a file.
        StorageError: a file cannot be written.
    """
    from pullback.data.download import download

    for name, digest in SHA256.items():
        download(name + ".gz", MIRRORS, folder, _checker(digest))


def _checker(digest: str) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        found = hashlib.sha256()
        try:
            with gzip.open(path) as unpacked:
                while chunk := unpacked.read(1 << 20):
                    found.update(chunk)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"not the gzip file expected ({error})") from None
        if found.hexdigest() != digest:
            raise DataError("the checksum does not fit")

    return check
