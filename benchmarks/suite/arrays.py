"""The arrays of a job, written to one file: the same data and the same start for all."""

from __future__ import annotations

import csv
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

import pullback as pb
from pullback.core.config import to_config
from pullback.core.errors import DataError
from pullback.data.load import VARIABLE, available
from pullback.data.split import order
from suite.networks import NETWORKS
from suite.workloads import (
    Examples,
    Images,
    Inference,
    Sequences,
    Training,
    Update,
    Watching,
    Work,
)

Table = tuple[np.ndarray, np.ndarray, float]
"""Raw inputs ``(N, D)``, class numbers, and the factor from raw inputs to the network's."""


def write(workload: Work, path: Path) -> dict[str, object]:
    """Write the arrays; return what a worker must know about them."""
    if isinstance(workload, Update):
        rng = np.random.default_rng(0)
        theta, gradient = rng.standard_normal((2, workload.size), np.float32)
        np.savez(path, theta=theta, gradient=gradient)
        return {"arrays": str(path)}
    if isinstance(workload, Watching):
        return write(workload.plain, path)
    if isinstance(workload, Images | Examples):
        x, y, scale = mnist()
        count = workload.examples if isinstance(workload, Images) else workload.batch
        images = x[:count].reshape(count, 28, 28)
        return _described(workload.network, (images, y[:count], scale), path)
    if isinstance(workload, Sequences):
        return _described(workload.network, _sequences(workload), path)
    assert isinstance(workload, Training | Inference)
    x, y, scale = SOURCES[workload.data]()
    count = workload.examples if isinstance(workload, Training) else workload.batch
    rows = order(count, 0, 0)  # the order of our first epoch with seed 0
    np.savez(path, x=x[:count], y=y[:count], rows=rows, **_start(workload.widths))
    return {"arrays": str(path), "scale": scale}


def _described(network: str, examples: Table, path: Path) -> dict[str, object]:
    """Write examples, and our start: the parameters in the order of the network."""
    x, y, scale = examples
    net = NETWORKS[network]()
    theta, _ = pb.init(net, pb.Spec(x.shape[1:]), seed=0)
    own = [entry for entry in theta.layout.entries if not entry.alias]
    start = {
        f"p{i}": theta.flat[entry.start : entry.stop].reshape(entry.shape)
        for i, entry in enumerate(own)
    }
    np.savez(path, x=x, y=y, rows=order(len(x), 0, 0), **start)
    return {"arrays": str(path), "scale": scale, "description": to_config(net)}


def _sequences(workload: Sequences) -> Table:
    count, steps = workload.examples, workload.steps
    if workload.data == "shakespeare":
        part = pb.data.load("shakespeare", length=steps).train[: count * steps : steps]
        return np.asarray(part.x), np.asarray(part.y), 1.0
    x, y, scale = mnist()
    whole = x.shape[1] // steps * steps  # what is left over of a picture is its lowest pixels
    return x[:count, :whole].reshape(count, steps, -1), y[:count], scale


def _start(widths: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return He's start, with which deep networks learn too, and biases of 0."""
    rng = np.random.default_rng(0)
    found = {}
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        weight = rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        found[f"W{i}"] = weight.astype(np.float32)
        found[f"b{i}"] = np.zeros(outputs, np.float32)
    return found


@cache
def mnist() -> Table:
    """Nine tenths of the training images, as our recipes use them."""
    train, _ = pb.data.split(pb.data.load("mnist").train, 0.1, 0)
    return train.x.reshape(len(train), -1), train.y.astype(np.int64), 1 / 255


def mnist_without_zeros() -> Table:
    """The same, with the smallest value that is not 0 in place of each 0."""
    x, y, scale = mnist()
    return np.maximum(x, 1), y, scale


ADULT = "tables/adult-train.csv"
NUMBERS = (0, 4, 10, 11, 12)  # age, years of education, capital gain, capital loss, hours a week
MARITAL_STATUS = (
    "Never-married",
    "Married-civ-spouse",
    "Divorced",
    "Separated",
    "Widowed",
    "Married-spouse-absent",
    "Married-AF-spouse",
)
YES_OR_NO = ((9, "Male"), (1, "Private"), (8, "White"), (13, "United-States"))


@cache
def adult() -> Table:
    """UCI's Adult (census income): 16 columns, standardised; does a person earn above 50,000?"""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        raise DataError(f"{VARIABLE} must name a folder with {ADULT} in it")
    path = Path(folder) / ADULT
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    x = np.array(
        [
            [float(row[i]) for i in NUMBERS]
            + [float(row[i] == value) for i, value in YES_OR_NO]
            + [float(row[5] == status) for status in MARITAL_STATUS]
            for row in rows
        ]
    )
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.array([row[-1] == ">50K" for row in rows], np.int64)
    return x.astype(np.float32), y, 1.0


SOURCES = {"mnist": mnist, "mnist-without-zeros": mnist_without_zeros, "adult": adult}


def mnist_folder() -> Path:
    """Return the folder of the four MNIST files, which are fetched where they are missing."""
    mnist()
    (found,) = (info.path for info in available() if info.name == "mnist")
    assert found is not None
    return found
