"""Small tables in five folds: our defaults, and scikit-learn's perceptron and linear model.

    python benchmarks/programs/tables.py DATA_FOLDER [--folds 5]

Ours is what ``pullback train`` does with a table. Theirs are in a pipeline: words as one-hot rows,
numbers standardised, defaults otherwise. The folds are the same; the difference is paired.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from pyarrow import Table
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import pullback as pb
from pullback.cli.recipe import settings_of
from pullback.data.tables import read_table
from pullback.train.fit import run_settings

TABLES = {
    "pima": "pima-indians-diabetes.csv",
    "wine": "winequality-white.csv",
    "housing": "housing.csv",
    "german": "german.csv",
}
QUANTITIES = ("wine", "housing")


def ours(train: Table, test: Table, seed: int) -> np.ndarray:
    data = pb.data.table(train, test=test)
    model = run_settings(settings_of("table", data, {}, {"seed": seed}), data).model
    if data.table.classes is None:
        return data.table.in_units(model.outputs(data.test.x))
    return np.array(data.table.classes)[model.predict(data.test.x)]


def theirs(model: object, train: Table, test: Table) -> np.ndarray:
    frames = [part.to_pandas() for part in (train, test)]
    x, others = (frame.iloc[:, :-1] for frame in frames)
    y = frames[0].iloc[:, -1]
    words = make_column_selector(dtype_exclude="number")
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words),
        (StandardScaler(), make_column_selector(dtype_include="number")),
    )
    return make_pipeline(columns, model).fit(x, y).predict(others)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, file in TABLES.items():
        cells = read_table(given.folder / file).cells
        y = cells.column(cells.num_columns - 1).to_numpy()
        quantity = name in QUANTITIES
        if quantity and cells.schema[-1].type != "double":  # marks are quantities here
            last = cells.column_names[-1]
            cells = cells.set_column(cells.num_columns - 1, last, cells[last].cast("double"))
        folds = (KFold if quantity else StratifiedKFold)(given.folds, shuffle=True, random_state=0)
        measure = r2_score if quantity else accuracy_score
        found: dict[str, list[float]] = {"ours": [], "perceptron": [], "linear": []}
        for seed, (rows, held) in enumerate(folds.split(np.zeros(len(y)), y)):
            train, test = cells.take(rows), cells.take(held)
            models = {
                "perceptron": (MLPRegressor if quantity else MLPClassifier)(random_state=seed),
                "linear": Ridge() if quantity else LogisticRegression(max_iter=1000),
            }
            said = {"ours": ours(train, test, seed)}
            said |= {kind: theirs(model, train, test) for kind, model in models.items()}
            for kind, answer in said.items():
                right = y[held] if quantity else y[held].astype(str)
                found[kind].append(measure(right, answer if quantity else answer.astype(str)))
        means = {kind: float(np.mean(values)) for kind, values in found.items()}
        best = max(("perceptron", "linear"), key=means.get)
        gaps = np.subtract(found["ours"], found[best])
        error = gaps.std(ddof=1) / len(gaps) ** 0.5
        print(
            f"{name} ({'R2' if quantity else 'accuracy'}): "
            + ", ".join(f"{kind} {mean:.4f}" for kind, mean in means.items())
            + f"; ours less {best} {gaps.mean():+.4f}, standard error {error:.4f}: "
            + ("level" if gaps.mean() >= -error else "BELOW"),
            flush=True,
        )


if __name__ == "__main__":
    main()
