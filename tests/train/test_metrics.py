"""Every metric: against scikit-learn and by hand, with and without weights, in any pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError, ShapeError
from pullback.train.metrics import (
    F1,
    LER,
    MAE,
    METRICS,
    R2,
    Accuracy,
    Confusion,
    MeanIoU,
    Metric,
    Precision,
    Recall,
    Tally,
    TopK,
    as_metrics,
    metric_name,
)

COUNT, CLASSES = 200, 5


@dataclass(frozen=True)
class Row:
    """A metric, its kind of target, and a small case worked out by hand."""

    metric: Metric
    target: str
    y: list
    t: list
    expected: Any
    name: str


LOGITS = [[2, 1, 0], [0, 3, 1], [1, 0, 2], [5, 4, 0]]  # classes 0, 1, 2, 0
TRUE = [0, 1, 1, 2]
TABLE = {
    "Accuracy": Row(Accuracy(), "class", LOGITS, TRUE, 0.5, "accuracy"),
    "TopK": Row(TopK(2), "class", LOGITS, TRUE, 0.5, "top2"),
    "MAE": Row(MAE(), "value", [[1.0], [2.0]], [[1.5], [4.0]], 1.25, "mae"),
    "R2": Row(R2(), "value", [[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]], 1 - 3 / 14, "r2"),
    "Confusion": Row(
        Confusion(), "class", LOGITS, TRUE, [[1, 0, 0], [0, 1, 1], [1, 0, 0]], "confusion"
    ),
    "Precision": Row(Precision(), "class", LOGITS, TRUE, (1 / 2 + 1 + 0) / 3, "precision"),
    "Recall": Row(Recall(), "class", LOGITS, TRUE, (1 + 1 / 2 + 0) / 3, "recall"),
    "F1": Row(F1(), "class", LOGITS, TRUE, (2 / 3 + 2 / 3 + 0) / 3, "f1"),
    "LER": Row(
        LER(), "labels", np.eye(3)[[[0, 1, 1], [1, 0, 2]]], [[3, 1, 2], [3, 1, 2]], 0.25, "ler"
    ),
    "MeanIoU": Row(MeanIoU(), "class", LOGITS, TRUE, (1 / 2 + 1 / 2 + 0) / 3, "meaniou"),
}

ALL = pytest.mark.parametrize("name", TABLE)
WEIGHTS = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])


def value_of(metric: Metric, y, t, weight=None, cuts=()) -> Any:
    y, t = np.asarray(y), np.asarray(t)
    sums = np.zeros(metric.size(1 if y.ndim == 1 else y.shape[1]))
    edges = [0, *cuts, len(y)]
    for start, stop in pairwise(edges):
        part = slice(start, stop)
        metric.add(sums, y[part], t[part], None if weight is None else weight[part])
    return metric.result(sums)


def sample(target: str, weighted: bool, dtype="float64"):
    rng = np.random.default_rng(3)
    weight = rng.uniform(0.0, 3.0, COUNT).astype(dtype) if weighted else None
    if target == "class":
        t = rng.integers(0, CLASSES, COUNT)
        y = rng.normal(size=(COUNT, CLASSES)) + 1.2 * np.eye(CLASSES)[t]
        return y.astype(dtype), t, weight
    if target == "labels":
        frames, labels = rng.integers(1, 5, (COUNT, 1)), rng.integers(1, CLASSES, (COUNT, 2))
        labels[::3, 1] = -1
        y = rng.normal(size=(COUNT, 4, CLASSES))
        return y.astype(dtype), np.concatenate([frames, labels], axis=1), weight
    t = rng.normal(size=(COUNT, 1)) + 3
    return (t + 0.5 * rng.normal(size=t.shape)).astype(dtype), t.astype(dtype), weight


def test_the_table_covers_the_registry():
    assert len(METRICS) >= 8
    assert sorted(TABLE) == sorted(METRICS)
    for name, row in TABLE.items():
        assert type(row.metric).__name__ == name


@ALL
def test_by_hand(name):
    row = TABLE[name]
    found = value_of(row.metric, row.y, row.t)
    np.testing.assert_allclose(found, row.expected, rtol=1e-12)
    assert not isinstance(found, np.generic | np.ndarray)  # it can be written as JSON


def scikit_learn(name: str, y, t, weight) -> Any:
    metrics = pytest.importorskip(
        "sklearn.metrics", reason="scikit-learn is not installed: comparisons are skipped"
    )
    given = y.argmax(axis=1) if y.shape[1] > 1 else None
    w = {"sample_weight": weight}
    average = {"average": "macro", "zero_division": 0, **w}
    compute = {
        "Accuracy": lambda: metrics.accuracy_score(t, given, **w),
        "TopK": lambda: metrics.top_k_accuracy_score(t, y, k=2, **w),
        "MAE": lambda: metrics.mean_absolute_error(t, y, **w),
        "R2": lambda: metrics.r2_score(t, y, **w),
        "Confusion": lambda: metrics.confusion_matrix(t, given, **w),
        "Precision": lambda: metrics.precision_score(t, given, **average),
        "Recall": lambda: metrics.recall_score(t, given, **average),
        "F1": lambda: metrics.f1_score(t, given, **average),
        "LER": lambda: label_errors(y, t, weight),
        "MeanIoU": lambda: metrics.jaccard_score(t, given, **average),
    }
    assert sorted(compute) == sorted(METRICS)
    return compute[name]()


def label_errors(y, t, weight) -> float:
    """One by one, by the recursion that defines the edits."""
    edits, lengths = [], []
    for row, (frames, *right) in zip(y, t.tolist(), strict=True):
        path = row[:frames].argmax(axis=1)
        found = [k for k, before in zip(path, [0, *path], strict=False) if k not in (0, before)]
        right = [label for label in right if label > 0]
        edits.append(by_definition(tuple(found), tuple(right)))
        lengths.append(len(right))
    return float(np.average(edits, weights=weight) / np.average(lengths, weights=weight))


def by_definition(a, b) -> int:
    if not a or not b:
        return len(a) + len(b)
    rest = by_definition(a[1:], b[1:]) + int(a[0] != b[0])
    return min(by_definition(a[1:], b) + 1, by_definition(a, b[1:]) + 1, rest)


@ALL
@WEIGHTS
def test_against_scikit_learn(name, weighted):
    row = TABLE[name]
    y, t, weight = sample(row.target, weighted)
    expected = scikit_learn(name, y, t, weight)
    np.testing.assert_allclose(value_of(row.metric, y, t, weight), expected, rtol=1e-9)


@ALL
@WEIGHTS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_by_batch_is_the_whole(name, weighted, dtype):
    row = TABLE[name]
    y, t, weight = sample(row.target, weighted, dtype)
    whole = value_of(row.metric, y, t, weight)
    for cuts in [(1,), (100,), (3, 50, 51, 199), range(1, COUNT)]:
        np.testing.assert_allclose(value_of(row.metric, y, t, weight, cuts), whole, rtol=1e-6)


@ALL
def test_a_weight_is_a_count(name):
    row = TABLE[name]
    y, t, _ = sample(row.target, False)
    times = np.random.default_rng(0).integers(0, 4, COUNT)
    often = value_of(row.metric, np.repeat(y, times, axis=0), np.repeat(t, times, axis=0))
    heavy = value_of(row.metric, y, t, times.astype(float))
    np.testing.assert_allclose(heavy, often, rtol=1e-9)


@ALL
def test_sums_of_parts_can_be_added(name):
    row = TABLE[name]
    y, t, weight = sample(row.target, True)
    parts = [np.zeros(row.metric.size(y.shape[1])) for _ in range(2)]
    row.metric.add(parts[0], y[:70], t[:70], weight[:70])
    row.metric.add(parts[1], y[70:], t[70:], weight[70:])
    found = row.metric.result(parts[0] + parts[1])
    np.testing.assert_allclose(found, value_of(row.metric, y, t, weight), rtol=1e-9)


@ALL
def test_of_nothing(name):
    metric = TABLE[name].metric
    found = metric.result(np.zeros(metric.size(3)))
    if name == "Confusion":
        assert found == [[0.0] * 3] * 3
    else:
        assert math.isnan(found)


@ALL
def test_names_and_configuration(name):
    row = TABLE[name]
    assert metric_name(row.metric) == row.name
    assert as_metrics([row.name]) == (row.metric,)
    assert as_metrics([row.metric]) == (row.metric,)
    assert from_config(to_config(row.metric)) == row.metric


def test_one_logit_decides_between_two_classes():
    y, t = np.array([[-1.0], [2.0], [0.5], [-3.0]]), np.array([0, 1, 0, 1])
    for logits in (y, y[:, 0]):
        for target in (t, t[:, None], t.astype(float), t[:, None].astype(float)):
            assert value_of(Accuracy(), logits, target) == 0.5
            assert value_of(Confusion(), logits, target) == [[1, 1], [1, 1]]


def test_rows_of_probabilities_are_targets_too():
    y, t, weight = sample("class", True)
    soft = 0.8 * np.eye(CLASSES)[t] + 0.04
    for metric in (Accuracy(), TopK(2), Confusion(), F1()):
        assert value_of(metric, y, soft, weight) == value_of(metric, y, t, weight)


def test_a_class_that_does_not_occur_does_not_count():
    y, t = np.eye(4)[[0, 1, 1]], np.array([0, 1, 0])
    assert value_of(Recall(), y, t) == pytest.approx((1 / 2 + 1) / 2)
    assert value_of(Precision(), y, t) == pytest.approx((1 + 1 / 2) / 2)


def test_top_k_needs_k_outputs():
    assert value_of(TopK(3), LOGITS, TRUE) == 1.0
    for y in (np.zeros((4, 3)), np.zeros(4)):
        with pytest.raises(ShapeError, match="at least 5 outputs"):
            value_of(TopK(), y, TRUE)
    with pytest.raises(ConfigError, match="k=0"):
        TopK(0)


def test_top_k_of_outputs_that_are_not_numbers_is_no_hit():
    assert value_of(TopK(2), np.full((4, 3), np.nan), TRUE) == 0.0


def test_top_1_is_the_accuracy():
    y, t, weight = sample("class", True)
    assert value_of(TopK(1), y, t, weight) == value_of(Accuracy(), y, t, weight)


def test_r2_of_several_outputs_is_the_mean_of_theirs():
    t = np.array([[1.0, 100.0], [2.0, 300.0], [3.0, 200.0]])
    y = np.array([[1.0, 150.0], [2.0, 300.0], [2.5, 200.0]])
    expected = ((1 - 0.25 / 2) + (1 - 2500 / 20000)) / 2
    assert value_of(R2(), y, t) == pytest.approx(expected, rel=1e-12)


def test_r2_of_targets_that_do_not_vary_is_not_a_number():
    assert math.isnan(value_of(R2(), [[1.0], [2.0]], [[3.0], [3.0]]))


def test_mae_over_several_outputs():
    y, t = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 4.0], [2.0, 4.0]])
    assert value_of(MAE(), y, t) == pytest.approx(0.75)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'Accuracy'"):
        as_metrics(["acuracy"])


@WEIGHTS
def test_the_tally_of_losses_and_metrics(weighted):
    y, t, weight = sample("class", weighted)
    losses = np.random.default_rng(0).uniform(size=COUNT)
    tally = Tally((Accuracy(), TopK(2)), CLASSES, "float64")
    for part in (slice(0, 64), slice(64, COUNT)):
        own = None if weight is None else weight[part]
        tally.add(losses[part], y[part], t[part], own)
    found = tally.results("val_")
    assert list(found) == ["val_loss", "val_accuracy", "val_top2"]
    assert found["val_loss"] == pytest.approx(np.average(losses, weights=weight))
    assert found["val_accuracy"] == pytest.approx(value_of(Accuracy(), y, t, weight))
    assert math.isnan(Tally((), 1, "float64").results()["loss"])


def test_mean_iou_counts_positions():
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(4, 2, 3, 5)), rng.integers(0, 5, (4, 2, 3)).astype(np.uint8)
    rows = value_of(MeanIoU(), y.reshape(-1, 5), t.reshape(-1))
    weight = np.array([1.0, 2.0, 0.0, 1.0])
    sums, heavy = np.zeros(25), np.zeros(25)
    MeanIoU().add(sums, y, t, None)
    assert MeanIoU().result(sums) == rows
    MeanIoU().add(sums, y[1:2], t[1:2], None)
    MeanIoU().add(sums, y[2:3], t[2:3], np.array([-1.0]))
    MeanIoU().add(heavy, y, t, weight)
    np.testing.assert_array_equal(heavy, sums)
