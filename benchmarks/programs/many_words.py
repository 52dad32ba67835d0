"""Columns of many words: one number for each, vectors, or vectors and the target's means.

    python benchmarks/programs/many_words.py DATA_FOLDER [--seeds 1]

MovieLens 100K, split u1, as a table of users, films and marks; marks are quantities. The network
and its training are those of ``pullback train`` with a table.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow

import pullback as pb
from pullback.cli.recipe import settings_of
from pullback.data.dataset import Data, Dataset
from pullback.data.tables import Frame, Preparation
from pullback.data.tables.columns import Categories, Embedded
from pullback.data.tables.means import Means, crossed
from pullback.train.fit import run_settings


def marks(path: Path) -> pyarrow.Table:
    rows = np.loadtxt(path, dtype=int)
    user, film = ([f"{name} {i}" for i in rows[:, at]] for at, name in enumerate(("user", "film")))
    return pyarrow.table({"user": user, "film": film, "mark": rows[:, 2].astype(float)})


def of_way(way: str, found: Preparation) -> Preparation:
    columns = [each for each in found.columns if way == "both" or not isinstance(each, Means)]
    if way == "numbers":
        columns = [
            Categories(each.name, each.words) if isinstance(each, Embedded) else each
            for each in columns
        ]
    return replace(found, columns=tuple(columns))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    train, test = (
        Frame(marks(given.folder / f"u1.{part}"), True, part) for part in ("base", "test")
    )
    found = pb.data.table(train.cells).table
    for way in ("numbers", "vectors", "both"):
        preparation = of_way(way, found)
        own = crossed(preparation, train)
        data = Data(
            Dataset(own.examples(train), own.targets(train)),
            Dataset(preparation.examples(test), preparation.targets(test)),
            "marks",
            table=preparation,
        )
        for seed in range(given.seeds):
            began = time.perf_counter()
            settings = settings_of("table", data, {}, {"seed": seed})
            model = run_settings(settings, data).model
            said = preparation.in_units(model.outputs(data.test.x))
            truth = test.column("mark").to_numpy()
            error = np.sqrt(np.mean((said - truth) ** 2))
            print(f"{way}, seed {seed}: {error:.4f}, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
