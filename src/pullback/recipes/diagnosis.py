"""Diagnosis: how probable a disease is, from a table of patients, and when not to say."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.data.dataset import Data, Dataset
from pullback.data.patients import Patients, described, numbers_of
from pullback.data.split import folds as fold_of_each
from pullback.losses import CrossEntropy
from pullback.models import mlp
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.plots import new_panels
from pullback.plots.diagnosis import curve
from pullback.plots.diagnosis import reliability as draw_bins
from pullback.plots.diagnosis import risk_coverage as draw_risk
from pullback.recipes.common import Result, write_figures, write_picture
from pullback.train.bootstrap import confidence_interval
from pullback.train.calibration import (
    Platt,
    brier,
    calibration_error,
    fit_platt,
    reliability,
)
from pullback.train.curves import (
    area_under_roc,
    average_precision,
    precision_recall_curve,
    risk_coverage,
    roc_curve,
    sensitivity_at,
    specificity_at,
)
from pullback.train.events import Callback
from pullback.train.fit import Run, fit
from pullback.train.model import Model
from pullback.train.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EPOCHS, FOLDS, INNER = 40, 10, 5
"""Epochs, folds of the measurement, and those in which its networks are calibrated."""
BATCH_SIZE, LR, DECAY, HIDDEN, DROPOUT = 32, 0.005, 2.0, 32, 0.3
AT = 0.95
"""The specificity at which the sensitivity is given, and the other way round."""
SURE = 0.9
"""A patient is answered where the more probable class is at least so probable."""
DATA = ("breast_cancer", "pima")
"""What ``--data`` may be; the first is the default."""
PREDICTIONS = "predictions.csv"
TEXT: dict[str, str] = {
    "warning": "this is no medical device: it must not be used to diagnose or treat anybody",
    "fold": "fold {fold} of {folds}: accuracy {accuracy:.4f}, area under ROC {roc_auc:.4f}",
    "classes": "{name}: {found} classes; expected two, the second of which is looked for",
    "sure": "sure={sure!r}; expected a probability from 0.5 to 1",
}
HEADS = ("row", "fold", "true", "probability", "said", "answered")
WORDS: dict[str, Any] = {
    "roc": {"xlabel": "1 - specificity", "ylabel": "sensitivity", "title": "ROC"},
    "precision": {"xlabel": "recall", "ylabel": "precision", "title": "Precision and recall"},
    "reliability": {
        "xlabel": "probability", "ylabel": "share that is so", "title": "Reliability",
    },
    "risk": {
        "xlabel": "share answered", "ylabel": "share of errors among them",
        "title": "Answering only where it is sure",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What networks that were not trained on a patient say of it, each ``(N,)``."""

    true: np.ndarray
    fold: np.ndarray
    logit: np.ndarray
    p: np.ndarray


def diagnosis(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    folds: int = FOLDS,
    sure: float = SURE,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a network on patients, with probabilities that mean what they say, and measure it.

    The model that is kept is trained on all patients. What can be expected of it is measured by
    folds: each is told by a network of the others, whose probabilities are calibrated on parts of
    these others that were held out in turn.

    Args:
        data: examples with two classes, the second of which is looked for; all parts are used.
        out: the run's folder; ``figures.json``, ``predictions.png`` and ``predictions.csv`` are
            added to its files.
        epochs: how often to go through the patients.
        seed: decides the folds, the start, the order and the noise.
        folds: in how many parts the patients are told.
        sure: patients whose more probable class is less probable are not answered.
        callbacks: called with the events of training the model that is kept.

    Raises:
        ConfigError: not two classes, more folds than patients of one, or no such probability.
    """
    if len(data.classes or ()) != 2:
        raise ConfigError(TEXT["classes"].format(name=data.name, found=len(data.classes or ())))
    if not 0.5 <= sure <= 1:
        raise ConfigError(TEXT["sure"].format(sure=sure))
    logging.getLogger("pullback").warning(TEXT["warning"])
    patients, kind = whole(data), described(data)
    parts = fold_of_each(patients, folds, seed)
    run = train(patients, kind, epochs, seed, callbacks=callbacks, out=out)
    told = None if run.stopped == "interrupted" else tell(patients, kind, parts, epochs, seed)
    if told is None:
        return Result(replace(run, stopped="interrupted"), {})
    # calibrated on patients that the networks of the folds had not seen
    run = replace(run, model=with_calibration(run.model, fit_platt(told.true, told.logit)))
    run.model.save(Path(out) / "model.safetensors")
    figures = {**figures_of(told, sure, seed), "seed": seed, "epochs": epochs}
    write_figures(Path(out), figures)
    write_picture(Path(out), draw(told, sure))
    write_whole(Path(out) / PREDICTIONS, _predictions(told, patients, sure).encode())
    return Result(run, figures)


def whole(data: Data) -> Dataset:
    """Return all parts of a data set as one."""
    if data.test is None:
        return data.train
    x, y = (np.concatenate([getattr(part, name) for part in (data.train, data.test)])
            for name in ("x", "y"))  # fmt: skip
    return Dataset(x, y, classes=data.classes, name=data.name)


def train(
    rows: Dataset,
    kind: Patients,
    epochs: int,
    seed: int,
    *,
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
) -> Run:
    """Train on some patients; how their numbers are scaled is fitted to these too."""
    preparation = kind.preparation(rows.x)
    examples = replace(rows, x=numbers_of(preparation, rows.x))
    return fit(
        mlp([HIDDEN], 2, dropout=DROPOUT),
        Data(examples, name=rows.name, table=preparation),
        loss=CrossEntropy(),
        optimizer=AdamW(OneCycle(LR), weight_decay=DECAY),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, len(rows)),
        seed=seed,
        normalize="none",
        callbacks=callbacks,
        out=out,
    )


def tell(
    patients: Dataset, kind: Patients, parts: np.ndarray, epochs: int, seed: int
) -> Told | None:
    """Return what is said of each patient, by folds; None where it was interrupted."""
    told = Told(patients.y == 1, parts, *np.empty((2, len(patients))))
    count = int(parts.max()) + 1
    for fold in range(count):
        held = parts == fold
        rest = patients[np.flatnonzero(~held)]
        inner = fold_of_each(rest, INNER, seed)
        z = np.empty(len(rest))
        for part in range(INNER):
            run = train(rest[np.flatnonzero(inner != part)], kind, epochs, seed)
            if run.stopped == "interrupted":
                return None
            z[inner == part] = logits(run.model, rest.x[inner == part])
        platt, run = fit_platt(rest.y == 1, z), train(rest, kind, epochs, seed)
        if run.stopped == "interrupted":
            return None
        told.logit[held] = logits(run.model, patients.x[held])
        told.p[held] = platt(told.logit[held])
        one = measure(told.true[held], told.p[held])
        logging.getLogger("pullback").info(TEXT["fold"].format(fold=fold + 1, folds=count, **one))
    return told


def logits(model: Model, x: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` the log odds of the second class, for the rows of a table."""
    outputs = model.outputs(numbers_of(model.table, x)).astype(np.float64)
    difference: np.ndarray = outputs[:, 1] - outputs[:, 0]
    return difference


def with_calibration(model: Model, platt: Platt) -> Model:
    """Return the model with its last layer changed, so that its log odds are calibrated ones."""
    last = list(model.net.children())[-1]
    theta = model.theta.copy()
    theta[last]["W"][...] *= platt.slope
    theta[last]["b"][...] *= platt.slope
    theta[last]["b"][1] += platt.offset
    return replace(model, theta=theta)


def measure(true: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return the figures of probabilities ``p (N,)``."""
    return {
        "accuracy": float(((p > 0.5) == true).mean()),
        "roc_auc": area_under_roc(p, true),
        "average_precision": average_precision(p, true),
        "brier": brier(true, p),
        "calibration_error": calibration_error(true, p),
        "sensitivity": sensitivity_at(true, p, AT)[0],
        "specificity": specificity_at(true, p, AT)[0],
    }


def figures_of(told: Told, sure: float, seed: int) -> dict[str, Any]:
    """Return the figures of all patients together, their intervals, and their mean by folds.

    ``accuracy`` and so on are those of all patients, ``..._fold_mean`` and ``..._fold_deviation``
    those of the folds (where a fold is too small for a curve's bins, only accuracy and area).
    """
    found: dict[str, Any] = dict(measure(told.true, told.p))
    every = [measure(told.true[told.fold == k], told.p[told.fold == k])
             for k in np.unique(told.fold)]  # fmt: skip
    for name in ("accuracy", "roc_auc"):
        values = [one[name] for one in every]
        found[f"{name}_fold_mean"] = float(np.mean(values))
        found[f"{name}_fold_deviation"] = float(np.std(values, ddof=1))
    found["sensitivity_threshold"] = sensitivity_at(told.true, told.p, AT)[1]
    found["specificity_threshold"] = specificity_at(told.true, told.p, AT)[1]
    answered = np.maximum(told.p, 1 - told.p) >= sure
    wrong = (told.p > 0.5) != told.true
    found["answered"] = float(answered.mean())
    found["error_of_answered"] = float(wrong[answered].mean()) if answered.any() else 0.0
    found["error_of_rejected"] = float(wrong[~answered].mean()) if (~answered).any() else 0.0
    found["rejected"] = int((~answered).sum())
    found["intervals"] = {
        name: confidence_interval(lambda t, p, name=name: measure(t, p)[name],
                                  told.true, told.p, seed=seed)
        for name in measure(told.true, told.p)
    }  # fmt: skip
    return found


def _predictions(told: Told, patients: Dataset, sure: float) -> str:
    """Return what was said of each patient as CSV, in the order of the folds' data."""
    file, classes = io.StringIO(), patients.classes or ()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADS)
    for row, (p, fold) in enumerate(zip(told.p, told.fold, strict=True)):
        writer.writerow((
            row, fold, classes[int(told.true[row])], f"{p:.6f}", classes[int(p > 0.5)],
            "yes" if max(p, 1 - p) >= sure else "no",
        ))  # fmt: skip
    return file.getvalue()


def draw(told: Told, sure: float) -> Axes:
    """Return a picture: ROC, precision over recall, reliability, and what answering less gives."""
    panels = new_panels(2, 2, figsize=(8, 7.6))
    wrong, found, _ = roc_curve(told.true, told.p)
    curve(wrong, found, panels[0], diagonal=True, **WORDS["roc"])
    recall, precision, _ = precision_recall_curve(told.true, told.p)
    curve(recall, precision, panels[1], steps=True, **WORDS["precision"])
    bins = reliability(told.true, told.p)
    draw_bins(bins.predicted, bins.observed, bins.examples, panels[2], **WORDS["reliability"])
    confidence, right = np.maximum(told.p, 1 - told.p), (told.p > 0.5) == told.true
    answered = confidence >= sure
    chosen = (answered.mean(), 1 - right[answered].mean() if answered.any() else 0.0)
    draw_risk(*risk_coverage(right, confidence), chosen, panels[3], **WORDS["risk"])
    return panels[0]
