"""Networks, data and update rules on which suggested learning rates are put to the test."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import models
from pullback.core.errors import DataError
from pullback.data.dataset import Dataset
from pullback.data.load import VARIABLE
from pullback.optim import SGD, Adam, Momentum
from suite.arrays import adult

FEW = 6_000
"""Examples of MNIST where the network is slow."""
BLOCK = 32


@dataclass(frozen=True)
class Pair:
    """A network with its data; the optimiser's own learning rate plays no part."""

    title: str
    net: Callable[[], pb.Map]
    data: Callable[[], Dataset]
    optimizer: pb.optim.Optimizer
    batch_size: int
    loss: pb.losses.base.Loss = pb.losses.CrossEntropy()  # noqa: RUF009 (a frozen description)


@cache
def digits() -> Dataset:
    return pb.data.load("digits").train


@cache
def mnist() -> Dataset:
    return pb.data.load("mnist").train


def few() -> Dataset:
    return mnist()[:FEW]


def in_rows(images: Callable[[], Dataset], steps: int) -> Callable[[], Dataset]:
    """Each picture as a sequence of ``steps`` parts."""

    def read() -> Dataset:
        found = images()
        x = found.x.reshape(len(found), steps, -1)
        return pb.data.from_arrays(x, found.y, classes=found.classes)

    return read


@cache
def shakespeare() -> Dataset:
    """Windows that overlap by half, of the first fifth."""
    train = pb.data.load("shakespeare", length=BLOCK).train
    return train[: len(train) // 5 : BLOCK // 2]


def census() -> Dataset:
    x, y, _ = adult()
    return pb.data.from_arrays(x, y, classes=("no", "yes"))


def numbers(name: str) -> Callable[[], Dataset]:
    """A table of numbers whose last column is wanted, at variance 1; letters become columns."""

    def read() -> Dataset:
        folder = os.environ.get(VARIABLE)
        if folder is None:
            raise DataError(f"{VARIABLE} must name a folder with tables/{name}.csv in it")
        with (Path(folder) / "tables" / f"{name}.csv").open() as file:
            columns = list(zip(*(row for row in csv.reader(file) if row), strict=True))
        x = np.concatenate([_column(column) for column in columns[:-1]], axis=1)
        y = np.array(columns[-1], np.float32)
        return pb.data.from_arrays(x, ((y - y.mean()) / y.std())[:, None])

    return read


def _column(values: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array(values, np.float32)[:, None]
    except ValueError:
        names = sorted(set(values))
        return np.eye(len(names), dtype=np.float32)[[names.index(value) for value in values]]


def perceptron(*hidden: int, outputs: int = 10, activation: str = "ReLU") -> Callable[[], pb.Map]:
    return lambda: models.mlp(hidden, outputs, activation=pb.MAPS.get(activation)())


def convolutions(first: int, second: int) -> Callable[[], pb.Map]:
    return lambda: pb.Chain(
        pb.Channels(), pb.Conv2d(first, 3), pb.ReLU(), pb.MaxPool2d(),
        pb.Conv2d(second, 3), pb.ReLU(), pb.MaxPool2d(), pb.Flatten(), pb.Linear(10),
    )  # fmt: skip


def lstm(units: int) -> Callable[[], pb.Map]:
    return lambda: models.lstm_classifier(10, units)


def characters(recurrent: pb.Map) -> Callable[[], pb.Map]:
    return lambda: pb.Chain(pb.Embedding(65, 24), recurrent, pb.Linear(65))


def transformer() -> pb.Map:
    return models.char_transformer(65, layers=2, heads=2, width=32, block=BLOCK)


SQUARED = pb.losses.SquaredError()
JUDGED = (
    Pair("digits, perceptron 64, ReLU", perceptron(64), digits, SGD(), 16),
    Pair("digits, convolutions of 8 and 16", convolutions(8, 16), digits, Momentum(), 16),
    Pair(
        "digits, perceptron 4 x 32, tanh",
        perceptron(32, 32, 32, 32, activation="Tanh"),
        digits,
        Adam(),
        16,
    ),
    Pair("digits, LSTM 32 over 8 rows", lstm(32), in_rows(digits, 8), Momentum(), 16),
    Pair("MNIST, perceptron 128-64, ReLU", perceptron(128, 64), mnist, SGD(), 128),
    Pair("MNIST, perceptron 128, GELU", perceptron(128, activation="GELU"), mnist, Adam(), 64),
    Pair(
        "MNIST, perceptron 3 x 64, sigmoid",
        perceptron(64, 64, 64, activation="Sigmoid"),
        mnist,
        Momentum(),
        64,
    ),
    Pair("MNIST, convolutions of 8 and 16", convolutions(8, 16), few, Adam(), 32),
    Pair("MNIST, LSTM 32 over 28 rows", lstm(32), in_rows(few, 28), Adam(), 32),
    Pair("Adult, perceptron 64-32, ReLU", perceptron(64, 32, outputs=2), census, SGD(), 64),
    Pair("Shakespeare, Transformer of 2 layers", transformer, shakespeare, Adam(), 16),
    Pair(
        "Housing, perceptron 32-32, ReLU",
        perceptron(32, 32, outputs=1),
        numbers("housing"),
        Momentum(),
        8,
        SQUARED,
    ),
)
"""What the suggestions are judged by."""

CHOSEN_ON = (
    Pair("digits, softmax regression", perceptron(), digits, SGD(), 16),
    Pair("digits, perceptron 48-48, ELU", perceptron(48, 48, activation="ELU"), digits, Adam(), 16),
    Pair("digits, convolutions of 12 and 24", convolutions(12, 24), digits, SGD(), 16),
    Pair("MNIST, perceptron 5 x 50, ReLU", perceptron(50, 50, 50, 50, 50), mnist, Momentum(), 100),
    Pair("MNIST, perceptron 100, tanh", perceptron(100, activation="Tanh"), mnist, Adam(), 100),
    Pair("MNIST, LSTM 40 over 14 rows", lstm(40), in_rows(few, 14), SGD(), 50),
    Pair(
        "White wine, perceptron 32, tanh",
        perceptron(32, outputs=1, activation="Tanh"),
        numbers("winequality-white"),
        SGD(),
        64,
        SQUARED,
    ),
    Pair(
        "Abalone, perceptron 32-32, ReLU",
        perceptron(32, 32, outputs=1),
        numbers("abalone"),
        Momentum(),
        64,
        SQUARED,
    ),
    Pair(
        "German credit, perceptron 32, ReLU",
        perceptron(32, outputs=1),
        numbers("german"),
        Adam(),
        16,
        SQUARED,
    ),
    Pair("Shakespeare, GRU 40", characters(pb.GRU(40)), shakespeare, Adam(), 32),
)
"""What the way of searching was chosen on; they say nothing about how good it is."""
