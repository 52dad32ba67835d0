"""Rankings, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pullback.train.ranking import ndcg_at, precision_at


@pytest.mark.parametrize("count", [1, 3, 10, 40])
@pytest.mark.parametrize("graded", [False, True])
def test_ndcg_is_that_of_scikit_learn(rng, count, graded):
    metrics = pytest.importorskip("sklearn.metrics")
    for _ in range(20):
        scores = rng.permutation(25).astype(float)
        gains = rng.integers(0, 6 if graded else 2, 25).astype(float)
        expected = metrics.ndcg_score(gains[None], scores[None], k=count)
        assert ndcg_at(scores, gains, count) == pytest.approx(expected, rel=1e-12)


def test_by_hand():
    scores, relevant = np.array([0.1, 0.9, 0.5, 0.7]), np.array([True, False, True, True])
    # in order: no, yes, yes, yes
    assert precision_at(scores, relevant, 2) == 0.5
    assert precision_at(scores, relevant, 3) == pytest.approx(2 / 3)
    assert precision_at(scores, relevant, 10) == pytest.approx(3 / 10)
    assert ndcg_at(scores, relevant * 1.0, 2) == pytest.approx(
        (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    )


def test_nothing_to_gain_is_0():
    assert ndcg_at(np.arange(3.0), np.zeros(3), 2) == 0.0


def test_of_equal_scores_the_earlier_is_first():
    assert precision_at(np.zeros(3), np.array([True, False, False]), 1) == 1.0
