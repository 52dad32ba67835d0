"""Boxes: overlaps, suppression and average precision against cases worked out by hand."""

import numpy as np
import pytest

from pullback.data.boxes import (
    Boxes,
    area_under_precision,
    areas,
    intersections,
    mean_average_precision,
    overlaps,
    suppress,
)

SQUARE = np.array([0, 0, 10, 10])


def boxes(*rows):
    """Boxes of (image, left, top, right, bottom, label, score)."""
    table = np.array(rows, float).reshape(-1, 7)
    return Boxes(table[:, 0].astype(int), table[:, 1:5], table[:, 5].astype(int), table[:, 6])


def test_areas_and_overlaps():
    others = np.array(
        [[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [30, 30, 31, 31]]
    )
    np.testing.assert_array_equal(areas(others), [100, 100, 100, 4, 1])
    np.testing.assert_array_equal(intersections(SQUARE, others), [100, 50, 0, 4, 0])
    np.testing.assert_allclose(overlaps(SQUARE, others), [1, 50 / 150, 0, 0.04, 0])
    assert overlaps(np.zeros(4), np.zeros(4)) == 0


def test_suppression_keeps_the_best_of_those_that_overlap():
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [8, 0, 18, 10], [20, 0, 30, 10]])
    score = np.array([0.8, 0.9, 0.7, 0.95])
    np.testing.assert_array_equal(suppress(corners, score), [3, 1, 2])
    np.testing.assert_array_equal(suppress(corners, score, 0.9), [3, 1, 0, 2])
    np.testing.assert_array_equal(suppress(corners, score, 0.1), [3, 1])
    np.testing.assert_array_equal(suppress(corners[:0], score[:0]), [])


def test_what_a_dropped_box_overlaps_may_stay():
    """The second is dropped for the first, and so does not count against the third."""
    corners = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    np.testing.assert_array_equal(suppress(corners, np.array([0.9, 0.8, 0.7]), 0.4), [0, 2])


def test_of_equal_scores_the_first_is_better():
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 10]])
    np.testing.assert_array_equal(suppress(corners, np.array([0.5, 0.5])), [0])


@pytest.mark.parametrize(
    ("hits", "true", "area"),
    [
        ([1, 1], 2, 1.0),
        ([1, 0, 1], 2, 0.5 + 0.5 * 2 / 3),
        ([0, 1], 2, 0.5 * 0.5),
        (
            [0, 0, 1, 1],
            4,
            0.5 * 0.5,
        ),  # the precision of 1/3 counts as the 1/2 that is reached later
        ([0, 0], 3, 0.0),
        ([], 3, 0.0),
    ],
)
def test_area_under_precision_by_hand(hits, true, area):
    assert area_under_precision(np.array(hits, bool), true) == pytest.approx(area, abs=1e-15)


def test_mean_average_precision_by_hand():
    true = boxes((0, 0, 0, 10, 10, 1, 1), (1, 0, 0, 10, 10, 1, 1), (1, 20, 20, 30, 30, 2, 1))
    assert mean_average_precision(true, true) == 1.0
    found = boxes(
        (0, 0, 0, 10, 9, 1, 0.9),  # a hit
        (0, 0, 0, 10, 10, 1, 0.8),  # the same digit again
        (1, 0, 0, 10, 4, 1, 0.7),  # too small
        (1, 20, 20, 30, 30, 1, 0.6),  # the wrong class
        (1, 21, 20, 31, 30, 2, 0.1),  # a hit
        (5, 0, 0, 10, 10, 7, 0.9),  # a class that is nowhere
    )
    assert mean_average_precision(found, true) == pytest.approx((0.5 + 1.0) / 2)
    assert mean_average_precision(found, true, 0.95) == pytest.approx(0.5 * 0.5 / 2)
    assert mean_average_precision(boxes(), true) == 0.0
    assert np.isnan(mean_average_precision(found, boxes()))


def another_average_precision(found, true, label, overlap):
    """By the definition: for every recall that is reached, the best precision from there on."""
    scores = sorted({row.item() for row in found.score[found.label == label]}, reverse=True)
    points = []
    for score in scores:
        used, hits, count = set(), 0, 0
        order = sorted(range(len(found)), key=lambda i: -found.score[i])
        for i in order:
            if found.label[i] != label or found.score[i] < score:
                continue
            count += 1
            best, share = None, 0.0
            for j in range(len(true)):
                if true.label[j] != label or true.image[j] != found.image[i]:
                    continue
                a, b = found.corners[i], true.corners[j]
                wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
                high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
                both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
                if wide * high / (both - wide * high) > share:
                    best, share = j, wide * high / (both - wide * high)
            if best is not None and share >= overlap and best not in used:
                used.add(best)
                hits += 1
        points.append((hits / (true.label == label).sum(), hits / count))
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area


@pytest.mark.parametrize("seed", range(6))
def test_against_an_independent_computation(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (40, 2))
    true = Boxes(
        rng.integers(0, 5, 40),
        np.hstack([corner, corner + 12]),
        rng.integers(0, 3, 40),
        np.ones(40),
    )
    rows = rng.integers(0, 40, 90)
    found = Boxes(
        true.image[rows],
        true.corners[rows] + rng.normal(0, 3, (90, 4)),
        np.where(rng.uniform(size=90) < 0.2, rng.integers(0, 4, 90), true.label[rows]),
        rng.permutation(90) / 90,
    )
    for overlap in (0.3, 0.5, 0.75):
        each = [another_average_precision(found, true, label, overlap) for label in range(3)]
        assert mean_average_precision(found, true, overlap) == pytest.approx(
            np.mean(each), abs=1e-12
        )
