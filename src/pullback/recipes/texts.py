"""What the recipes for texts with classes share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pullback.core.map import Map
from pullback.data.dataset import Data
from pullback.losses import CrossEntropy
from pullback.optim import Adam
from pullback.recipes.common import Result, write_figures
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model import Model
from pullback.train.storage import write_whole

BATCH_SIZE, LR = 32, 0.003
MISTAKES, SHOWN = "mistakes.txt", 20


def label_texts(
    net: Map, data: Data, out: str | Path, epochs: int, seed: int, callbacks: Sequence[Callback]
) -> Result:
    """Train a network on texts with classes and measure it on the test texts.

    The figures are the accuracy, and the F1 of the last class; the texts that the model is most
    wrong about go into ``mistakes.txt``.
    """
    test = data.test
    assert test is not None
    run = fit(
        net,
        data,
        loss=CrossEntropy(),
        optimizer=Adam(LR),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, len(data.train)),
        seed=seed,
        normalize="none",
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    probabilities = run.model.predict_proba(test.x)
    found, last = probabilities.argmax(axis=1), len(data.classes or ()) - 1
    figures = {
        "accuracy": float((found == test.y).mean()),
        f"f1_{(data.classes or ('',))[last]}": f1(found == last, test.y == last),
        "texts": len(test),
        "seed": seed,
        "epochs": epochs,
    }
    write_figures(Path(out), figures)
    write_whole(Path(out) / MISTAKES, _mistakes(run.model, data, probabilities).encode())
    return Result(run, figures)


def f1(found: np.ndarray, true: np.ndarray) -> float:
    r"""Return :math:`2 TP / (2 TP + FP + FN)` of two masks; 0 where neither has any."""
    total = int(found.sum() + true.sum())
    return 2 * int((found & true).sum()) / total if total else 0.0


def _mistakes(model: Model, data: Data, probabilities: np.ndarray) -> str:
    """Return the test texts whose class the model finds least probable, as it reads them."""
    test, tokenizer, classes = data.test, data.tokenizer, data.classes
    assert test is not None
    assert tokenizer is not None
    assert classes is not None
    rows = np.arange(len(test))
    right = probabilities[rows, test.y]
    wrong = rows[probabilities.argmax(axis=1) != test.y]
    worst = wrong[np.argsort(right[wrong], kind="stable")][:SHOWN]
    return "\n".join(
        f"{classes[int(test.y[i])]}, found {right[i]:.1%} probable:\n"
        f"  {tokenizer.decode(np.asarray(test.x[i]))}\n"
        for i in worst
    )
