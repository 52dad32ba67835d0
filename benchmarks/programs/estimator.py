"""Seconds that ``fit`` takes on small tables until a loss, ours and scikit-learn's in turn.

    python benchmarks/programs/estimator.py DATA_FOLDER [--rounds 9]

Both are perceptrons of 100 hidden units, Adam at 0.001, batches of 200, of standardised float64
columns. The loss is that of scikit-learn's after 200 epochs; ours runs as many epochs as it needs
to be at least as low, found once for each table. Seconds are those of ``fit`` alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from pullback.sklearn import PullbackClassifier

TABLES = {
    "iris": "iris.csv",
    "banknote": "banknote_authentication.csv",
    "pima": "pima-indians-diabetes.csv",
}
EPOCHS = 200


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [line.split(",") for line in path.read_text().splitlines() if line.strip()]
    x = np.array([[float(cell) for cell in row[:-1]] for row in rows])
    return StandardScaler().fit_transform(x), np.array([row[-1] for row in rows])


def theirs(x: np.ndarray, y: np.ndarray, seed: int) -> MLPClassifier:
    return MLPClassifier(max_iter=EPOCHS, tol=0, n_iter_no_change=EPOCHS, random_state=seed).fit(
        x, y
    )


def ours(x: np.ndarray, y: np.ndarray, seed: int, epochs: int) -> PullbackClassifier:
    return PullbackClassifier(
        max_iter=epochs, weight_decay=0.0, normalize="none", random_state=seed
    ).fit(x, y)


def epochs_needed(x: np.ndarray, y: np.ndarray) -> tuple[int, float]:
    """Return after how many epochs ours is where theirs is after 200, over three seeds."""
    wanted = statistics.mean(log_loss(y, theirs(x, y, s).predict_proba(x)) for s in range(3))
    epochs = EPOCHS // 2
    while True:
        found = statistics.mean(
            log_loss(y, ours(x, y, s, epochs).predict_proba(x)) for s in range(3)
        )
        if found <= wanted:
            return epochs, wanted
        epochs += 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, file in TABLES.items():
        x, y = read(given.folder / file)
        epochs, loss = epochs_needed(x, y)
        ratios, ours_s, theirs_s = [], [], []
        for seed in range(given.rounds):
            began = time.perf_counter()
            theirs(x, y, seed)
            between = time.perf_counter()
            ours(x, y, seed, epochs)
            end = time.perf_counter()
            theirs_s.append(between - began)
            ours_s.append(end - between)
            ratios.append(ours_s[-1] / theirs_s[-1])
        print(
            f"{name}: {len(x)} rows, loss {loss:.4f}, {epochs} epochs against {EPOCHS}: "
            f"{statistics.median(ours_s) * 1e3:.0f} ms against "
            f"{statistics.median(theirs_s) * 1e3:.0f} ms, ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {given.rounds} rounds"
        )


if __name__ == "__main__":
    main()
