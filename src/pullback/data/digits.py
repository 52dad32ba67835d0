"""UCI digits: 1,797 handwritten digits of 8 x 8 pixels, bundled."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from pullback.data.dataset import Data, Dataset
from pullback.data.images import ImageFormat
from pullback.data.split import split

CLASSES = tuple("0123456789")
ATTRIBUTION = (
    "Optical Recognition of Handwritten Digits: E. Alpaydin, C. Kaynak (1998), "
    "UCI Machine Learning Repository, doi 10.24432/C50P49; CC BY 4.0"
)
TEST_SHARE = 0.2
SPLIT_SEED = 0


def read() -> Data:
    """Return the digits; a fifth of every class, always the same, is the test part."""
    with (files("pullback.data") / "bundled" / "digits.npz").open("rb") as file:
        content = np.load(file, allow_pickle=False)
        x, y = content["x"], content["y"].astype(np.int64)
    train, test = split(
        Dataset(x, y, classes=CLASSES, name="digits"), TEST_SHARE, SPLIT_SEED, "stratified"
    )
    image = ImageFormat(size=8, box=32, canvas=32, peak=16.0, center="box")
    return Data(train, test, "digits", image, ATTRIBUTION)
