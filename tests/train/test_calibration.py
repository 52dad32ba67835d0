"""Probabilities: bins and scores against scikit-learn, Platt's fit against SciPy's minimum."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.core.stable import sigmoid
from pullback.train.bootstrap import confidence_interval
from pullback.train.calibration import Platt, brier, calibration_error, fit_platt, reliability


@pytest.fixture(scope="module")
def told():
    rng = np.random.default_rng(1)
    z = rng.normal(size=800) * 3
    return rng.random(800) < sigmoid(np, 0.5 * z - 0.4), z


def test_reliability_and_brier_are_scikit_learns(told):
    true, z = told
    p = sigmoid(np, z)
    calibration = pytest.importorskip("sklearn.calibration", reason="scikit-learn is missing")
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is missing")
    for bins in (5, 10, 15):
        observed, predicted = calibration.calibration_curve(true, p, n_bins=bins)
        own = reliability(true, p, bins)
        np.testing.assert_allclose(own.observed, observed)
        np.testing.assert_allclose(own.predicted, predicted)
        assert own.examples.sum() == len(true)
    assert brier(true, p) == pytest.approx(metrics.brier_score_loss(true, p))


def test_calibration_error_by_hand():
    true = np.array([False, True, True, True])
    p = np.array([0.1, 0.15, 0.95, 1.0])
    # two bins: 1 of 2 true where 0.125 was said, 2 of 2 where 0.975 was
    assert calibration_error(true, p) == pytest.approx(0.5 * 0.375 + 0.5 * 0.025)


def test_platt_finds_the_minimum_and_calibrates(told):
    true, z = told
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    found = fit_platt(true, z)
    high, low = (true.sum() + 1) / (true.sum() + 2), 1 / ((~true).sum() + 2)
    t = np.where(true, high, low)

    def loss(w: np.ndarray) -> float:
        y = w[0] * z + w[1]
        return float((np.logaddexp(0, y) - t * y).mean())

    theirs = optimize.minimize(loss, [1.0, 0.0], tol=1e-12)
    np.testing.assert_allclose([found.slope, found.offset], theirs.x, atol=1e-4)
    assert calibration_error(true, found(z)) < 0.5 * calibration_error(true, sigmoid(np, z))


def test_platt_stays_finite_where_all_are_told_apart():
    true = np.arange(40) >= 20
    found = fit_platt(true, np.where(true, 50.0, -50.0))
    assert np.isfinite([found.slope, found.offset]).all()
    assert 0.9 < found(np.array([50.0]))[0] < 1
    assert Platt(2.0, 0.0)(np.array([0.0]))[0] == 0.5


def test_platt_needs_both_classes():
    with pytest.raises(pb.errors.DataError, match="all 3 examples are of one class"):
        fit_platt(np.ones(3, bool), np.zeros(3))


def test_the_interval_is_scipys(told):
    true, z = told
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    positive = z[true]
    own = confidence_interval(lambda t, v: float(v[t].mean()), true, z, seed=3)
    theirs = stats.bootstrap(
        (positive,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    np.testing.assert_allclose(own, tuple(theirs), atol=0.05 * (own[1] - own[0]))
    assert own == confidence_interval(lambda t, v: float(v[t].mean()), true, z, seed=3)
    assert own != confidence_interval(lambda t, v: float(v[t].mean()), true, z, seed=4)


def test_a_wider_level_is_wider(told):
    true, z = told
    low, high = confidence_interval(lambda t, v: float(v.mean()), true, z, level=0.5)
    lower, higher = confidence_interval(lambda t, v: float(v.mean()), true, z, level=0.99)
    assert lower < low < high < higher
