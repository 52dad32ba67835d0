"""Tables of patients with a diagnosis: breast cancer, bundled, and diabetes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from pullback.core.errors import DataError
from pullback.data.dataset import Data, Dataset
from pullback.data.split import split
from pullback.data.tables.columns import Numbers
from pullback.data.tables.preparation import Preparation

TEST_SHARE, SPLIT_SEED = 0.2, 0
PIMA = "pima-indians-diabetes.csv"
MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave points", "symmetry", "fractal dimension",
)  # fmt: skip
TEXT = {
    "no file": "{path}: there is no such file",
    "odd": "{path}: not the 768 rows of 9 numbers of this data set",
}


@dataclass(frozen=True)
class Patients:
    """What the columns of a table are called, and in which of them 0 stands for no value."""

    names: tuple[str, ...]
    target: str
    classes: tuple[str, str]
    zero_is_missing: tuple[str, ...] = ()

    def preparation(self, x: np.ndarray) -> Preparation:
        """Return how rows become examples, fitted to the rows ``x (N, columns)``.

        Each quantity is taken less its mean, over its deviation; what is missing is at the median,
        and another number says so.
        """
        columns = []
        for name, values in zip(self.names, x.T, strict=True):
            absent = (0.0,) if name in self.zero_is_missing else ()
            there = values[~np.isin(values, absent)]
            if not len(there):
                there = np.zeros(1)
            filled = np.where(np.isin(values, absent), np.median(there), values)
            columns.append(
                Numbers(
                    name, float(filled.mean()), float(filled.std()) or 1.0,
                    float(np.median(there)), bool(absent), absent=absent,
                )
            )  # fmt: skip
        return Preparation(tuple(columns), (*self.names, self.target), self.target, self.classes,
                           header=True)  # fmt: skip


PATIENTS = {
    "breast_cancer": Patients(
        tuple(f"{kind} {name}" for kind in ("mean", "error of", "worst") for name in MEASURES),
        "diagnosis",
        ("benign", "malignant"),
    ),
    "pima": Patients(
        ("pregnancies", "glucose", "pressure", "skin", "insulin", "bmi", "pedigree", "age"),
        "diabetes",
        ("no", "yes"),
        ("glucose", "pressure", "skin", "insulin", "bmi"),
    ),
}
"""The data sets; the second class of each is what is looked for."""
ATTRIBUTIONS = {
    "breast_cancer": "Breast Cancer Wisconsin (Diagnostic): W. Wolberg, O. Mangasarian, N. Street, "
    "W. Street (1993), UCI Machine Learning Repository, doi 10.24432/C5DW2B; CC BY 4.0",
    "pima": "Pima Indians Diabetes: J. Smith and others (1988), National Institute of Diabetes "
    "and Digestive and Kidney Diseases; UCI Machine Learning Repository",
}


def breast_cancer() -> Data:
    """Return 569 tumours, 212 of them malignant, as 30 numbers each."""
    with (files("pullback.data") / "bundled" / "breast_cancer.npz").open("rb") as file:
        content = np.load(file, allow_pickle=False)
        return _data("breast_cancer", content["x"], content["y"].astype(np.int64))


def pima(folder: Path) -> Data:
    """Return 768 women, 268 of them with diabetes, as 8 numbers each; some zeros are no values.

    Raises:
        DataError: the file is missing or another one.
    """
    path = folder / PIMA
    try:
        cells = np.loadtxt(path, delimiter=",", ndmin=2)
    except FileNotFoundError:
        raise DataError(TEXT["no file"].format(path=path)) from None
    except (OSError, ValueError):
        raise DataError(TEXT["odd"].format(path=path)) from None
    if cells.shape != (768, 9) or not np.isin(cells[:, -1], (0, 1)).all():
        raise DataError(TEXT["odd"].format(path=path))
    return _data("pima", cells[:, :-1], cells[:, -1].astype(np.int64))


def _data(name: str, x: np.ndarray, y: np.ndarray) -> Data:
    """Return the rows; a fifth of both classes, always the same, is the test part."""
    whole = Dataset(x, y, classes=PATIENTS[name].classes, name=name)
    train, test = split(whole, TEST_SHARE, SPLIT_SEED, "stratified")
    return Data(train, test, name, attribution=ATTRIBUTIONS[name])


def described(data: Data) -> Patients:
    """Return what is known of a data set's columns; of an unknown one, that they are numbers."""
    if data.name in PATIENTS:
        return PATIENTS[data.name]
    one, other = data.classes or ("no", "yes")
    names = tuple(f"column{i + 1}" for i in range(data.train.x.shape[1]))
    return Patients(names, "target", (one, other))


def numbers_of(preparation: Preparation, x: np.ndarray) -> np.ndarray:
    """Return the rows ``x (N, columns)`` of a table of numbers as a network's examples."""
    return preparation.numbers(x)
