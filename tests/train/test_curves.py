"""Curves above thresholds: against scikit-learn, also with equal scores, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.train.curves import (
    area_under_roc,
    average_precision,
    precision_recall_curve,
    risk_coverage,
    roc_curve,
    sensitivity_at,
    specificity_at,
)

TRUE = np.array([True, True, False, True, False, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5])


def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    found = [(TRUE, SCORES), (TRUE, np.ones(6)), (TRUE, -SCORES)]
    for step in (0, 1, 2):  # decimals: many equal scores, or none
        true = rng.random(300) < 0.3
        scores = np.round(rng.normal(size=300) + true, step) if step else rng.normal(size=300)
        found.append((true, scores))
    return found


@pytest.fixture(params=cases())
def case(request):
    return request.param


def sklearn_metrics():
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


def test_roc_is_scikit_learns(case):
    true, scores = case
    theirs = sklearn_metrics().roc_curve(true, scores, drop_intermediate=False)
    for one, other in zip(roc_curve(true, scores), theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


def test_precision_and_recall_are_scikit_learns(case):
    true, scores = case
    precision, recall, thresholds = sklearn_metrics().precision_recall_curve(true, scores)
    own_recall, own_precision, own_thresholds = precision_recall_curve(true, scores)
    # theirs rise, and take the precision where nothing is found to be 1
    np.testing.assert_allclose(own_recall, recall[::-1], atol=1e-14)
    np.testing.assert_allclose(own_precision[1:], precision[::-1][1:], atol=1e-14)
    np.testing.assert_allclose(own_thresholds[1:], thresholds[::-1], atol=1e-14)


def test_areas_are_scikit_learns(case):
    true, scores = case
    metrics = sklearn_metrics()
    assert area_under_roc(scores, true) == pytest.approx(metrics.roc_auc_score(true, scores))
    theirs = metrics.average_precision_score(true, scores)
    assert average_precision(scores, true) == pytest.approx(theirs)


def test_sensitivity_and_specificity_by_hand():
    # above 0.6: 3 of 3 true, 1 of 3 others; above 0.8: 2 of 3 true, none of the others
    assert sensitivity_at(TRUE, SCORES, 1.0) == (pytest.approx(2 / 3), 0.8)
    assert sensitivity_at(TRUE, SCORES, 0.6) == (1.0, 0.6)
    assert specificity_at(TRUE, SCORES, 1.0) == (pytest.approx(2 / 3), 0.6)
    assert specificity_at(TRUE, SCORES, 0.6) == (1.0, 0.8)


@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.9, 0.95, 1.0])
def test_the_threshold_gives_what_it_promises(case, wanted):
    true, scores = case
    for function in (sensitivity_at, specificity_at):
        value, threshold = function(true, scores, wanted)
        said = scores >= threshold
        sensitivity, specificity = said[true].mean(), (~said)[~true].mean()
        if function is sensitivity_at:
            assert (value, specificity >= wanted) == (pytest.approx(sensitivity), True)
        else:
            assert (value, sensitivity >= wanted) == (pytest.approx(specificity), True)


def test_risk_and_coverage_by_hand():
    right = np.array([False, True, True, True, False])
    coverage, risk = risk_coverage(right, np.array([0.6, 0.9, 0.8, 0.6, 0.5]))
    np.testing.assert_allclose(coverage, [0.2, 0.4, 0.8, 1.0])  # equally sure ones together
    np.testing.assert_allclose(risk, [0, 0, 1 / 4, 2 / 5])


@pytest.mark.parametrize(
    ("true", "scores", "message"),
    [
        (np.ones(3, bool), SCORES[:3], "all 3 examples are of one class"),
        (np.zeros(3, bool), SCORES[:3], "a curve needs both"),
        (TRUE, SCORES[:3], "as many of both"),
    ],
)
def test_what_has_no_curve_is_refused(true, scores, message):
    with pytest.raises(pb.errors.DataError, match=message):
        roc_curve(true, scores)
