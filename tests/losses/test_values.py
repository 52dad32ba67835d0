"""Losses against their closed forms, on cases worked out by hand, and wrong input."""

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.errors import ConfigError, ShapeError
from pullback.engine import lower_loss
from pullback.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Huber,
    KLDivergence,
    SquaredError,
    mean_weights,
)

Y = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
T = np.array([[0.0, 1.0, 0.5], [2.0, -0.25, 0.0]])
P = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
LOGITS = np.log(P + (P == 0) * 1e-300)
LN = np.log
REGRESSION = {
    "half squared": (HalfSquaredError(), [5.0, 2.03125], Y - T),
    "squared": (SquaredError(), [10 / 3, 4.0625 / 3], (Y - T) * 2 / 3),
    "absolute": (AbsoluteError(), [4 / 3, 2.25 / 3], np.sign(Y - T) / 3),
    "huber": (Huber(), [3 / 3, (1.5 + 0.03125) / 3], np.clip(Y - T, -1, 1) / 3),
    "wide huber": (Huber(10.0), [5 / 3, 2.03125 / 3], (Y - T) / 3),
}
CLASSIFICATION = {
    "classes": (CrossEntropy(), np.array([1, 0]), [-LN(0.5), 0.0], P - [[0, 1, 0], [1, 0, 0]]),
    "rows": (CrossEntropy(), P, [-(P[0] * LN(P[0])).sum(), 0.0], P - P),
    "weighed": (
        CrossEntropy(class_weights=(3, 2, 1)),
        np.array([1, 0]),
        [-2 * LN(0.5), 0.0],
        [[0.4, -1.0, 0.6], [0, 0, 0]],
    ),
    "divergence": (KLDivergence(), P[:1], [0.0], P[:1] - P[:1]),
    "divergence of a class": (KLDivergence(), P[1:], [-LN(0.2)], P[:1] - P[1:]),
}


@pytest.mark.parametrize(("loss", "values", "slope"), REGRESSION.values(), ids=REGRESSION.keys())
def test_regression(loss, values, slope):
    found = loss.forward(Y, T)
    assert relative_error(found[0], values) < 1e-15
    assert relative_error(found[1], slope) < 1e-15
    np.testing.assert_array_equal(loss.link(Y), Y)


@pytest.mark.parametrize(
    ("loss", "target", "values", "slope"), CLASSIFICATION.values(), ids=CLASSIFICATION.keys()
)
def test_classification(loss, target, values, slope):
    found = loss.forward(LOGITS[: len(target)], target)
    np.testing.assert_allclose(found[0], values, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(found[1], slope, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(loss.link(LOGITS), P, rtol=1e-15, atol=1e-15)


def test_smoothing_mixes_with_equal_shares(rng):
    y = rng.standard_normal((4, 5))
    target = np.array([0, 3, 3, 4])
    values, slope = CrossEntropy(label_smoothing=0.2).forward(y, target)
    mixed, mixed_slope = CrossEntropy().forward(y, 0.8 * np.eye(5)[target] + 0.2 / 5)
    assert relative_error(values, mixed) < 1e-15
    assert relative_error(slope, mixed_slope) < 1e-14
    assert np.all(np.abs(slope.sum(axis=1)) < 1e-15)


def test_binary():
    y = np.array([[0.0], [LN(3)], [1e4], [-1e4]])
    values, slope = BinaryCrossEntropy().forward(y, np.array([1, 0, 1, 1]))
    np.testing.assert_allclose(values, [LN(2), LN(4), 0, 1e4], rtol=1e-15)
    np.testing.assert_allclose(slope[:, 0], [-0.5, 0.75, 0, -1], rtol=1e-15)
    np.testing.assert_allclose(BinaryCrossEntropy().link(y)[:, 0], [0.5, 0.75, 1, 0], rtol=1e-15)


def test_two_classes_are_a_logit_apart(rng):
    y, bits = rng.standard_normal((6, 1)), rng.integers(0, 2, 6)
    one, _ = BinaryCrossEntropy().forward(y, bits)
    two, _ = CrossEntropy().forward(np.concatenate([0 * y, y], axis=1), bits)
    assert relative_error(one, two) < 1e-14


def test_a_sure_and_right_answer_costs_what_remains():
    values, _ = CrossEntropy().forward(np.array([[40.0, 0.0]]), np.array([0]))
    assert 0 <= values[0] < 1e-14
    assert BinaryCrossEntropy().forward(np.array([[40.0]]), np.array([1]))[0][0] < 1e-14


def test_a_class_without_a_share_costs_nothing():
    y = np.array([[0.0, -np.inf]])
    for loss in (CrossEntropy(), KLDivergence()):
        with np.errstate(invalid="ignore"):
            values, slope = loss.forward(y, np.array([[1.0, 0.0]]))
        assert values[0] == 0
        assert np.all(slope == 0)


@pytest.mark.parametrize("target", [[0, 3], [-1, 0], [0.0, 1.0], [True, False]], ids=str)
def test_classes_out_of_range_are_refused(target):
    with pytest.raises(ShapeError, match=r"expected whole numbers 0\.\.2"):
        CrossEntropy().forward(Y, np.array(target))


@pytest.mark.parametrize("loss", [CrossEntropy(), KLDivergence()])
def test_logits_are_rows(loss):
    with pytest.raises(ShapeError, match=r"needs outputs \(N, classes\), found \(2, 1, 3\)"):
        loss.forward(Y[:, None], np.array([0, 1]))


def test_cross_entropy_over_positions_is_the_mean_of_their_rows(rng):
    y, target = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 5, (2, 3, 4))
    for loss in (CrossEntropy(), CrossEntropy(0.1, (1, 2, 3, 4, 5))):
        rows, slope = loss.forward(y.reshape(-1, 5), target.reshape(-1))
        for form in (loss, lower_loss(loss)):
            for wanted in (target, np.eye(5)[target]):
                found = form.forward(y, wanted)
                assert relative_error(found[0], rows.reshape(2, 12).mean(axis=1)) < 1e-15
                assert relative_error(found[1], slope.reshape(y.shape) / 12) < 1e-15


def test_class_weights_are_one_for_each_class():
    with pytest.raises(ShapeError, match="2 class weights for 3 outputs"):
        CrossEntropy(class_weights=(1, 2)).forward(Y, np.array([0, 1]))


WRONG = [
    (CrossEntropy, {"label_smoothing": 1.0}),
    (CrossEntropy, {"label_smoothing": -0.1}),
    (CrossEntropy, {"class_weights": ()}),
    (CrossEntropy, {"class_weights": (0, 0)}),
    (CrossEntropy, {"class_weights": (1, -1)}),
    (Huber, {"delta": 0.0}),
]


@pytest.mark.parametrize(("loss", "fields"), WRONG, ids=str)
def test_wrong_fields_are_refused(loss, fields):
    with pytest.raises(ConfigError, match=f"{loss.__name__}: {next(iter(fields))}="):
        loss(**fields)


def test_mean_weights():
    like = np.zeros(0, np.float32)
    weight = np.array([1.0, 3.0, 0.0, 4.0])
    np.testing.assert_allclose(mean_weights(4, None, like), np.full(4, 0.25))
    np.testing.assert_allclose(mean_weights(4, weight, like), weight / 8)
    np.testing.assert_allclose(mean_weights(4, weight, like, total=16.0), weight / 16)
    np.testing.assert_allclose(mean_weights(4, None, like, total=16.0), np.full(4, 1 / 16))
    for given in (None, weight):
        assert mean_weights(4, given, like).dtype == np.float32
        assert mean_weights(4, given, like).shape == (4,)


def test_a_weight_counts_as_often_as_the_example_were_there(rng):
    y, target = rng.standard_normal((3, 4)), np.array([0, 3, 1])
    loss, weight = CrossEntropy(), np.array([2.0, 0.0, 1.0])
    values, slope = loss.forward(y, target)
    g = mean_weights(3, weight, y)
    repeated = [0, 0, 2]
    values_r, slope_r = loss.forward(y[repeated], target[repeated])
    pulled = loss.pullback(slope_r, mean_weights(3, None, y))
    assert abs(np.sum(g * values) - values_r.mean()) < 1e-15
    expected = np.stack([pulled[0] + pulled[1], 0 * pulled[0], pulled[2]])
    assert relative_error(loss.pullback(slope, g), expected) < 1e-15


def test_pieces_of_a_batch_add_up_to_its_mean(rng):
    y, t = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    weight = rng.uniform(0, 1, 5)
    total = float(weight.sum())
    whole = mean_weights(5, weight, y)
    parts = [mean_weights(len(w), w, y, total) for w in (weight[:2], weight[2:])]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-15)
    values, _ = SquaredError().forward(y, t)
    np.testing.assert_allclose(np.sum(whole * values), np.average(values, weights=weight))


@pytest.mark.parametrize(
    "loss", [HalfSquaredError(), SquaredError(), AbsoluteError(), Huber(), KLDivergence()], ids=str
)
def test_class_numbers_stand_for_rows_with_a_one(loss, rng):
    y, target = rng.standard_normal((4, 3)), np.array([0, 2, 2, 1])
    found, expected = loss.forward(y, target), loss.forward(y, np.eye(3)[target])
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    with pytest.raises(ShapeError, match=r"class numbers from 0 to 3 .* 0\.\.2"):
        loss.forward(y, np.array([0, 3, 2, 1]))
    with pytest.raises(ShapeError, match=r"shape \(4,\) does not fit the output's \(4, 3\)"):
        loss.forward(y, np.array([0.0, 2.0, 2.0, 1.0]))


@pytest.mark.parametrize("outputs", [2, 3])
def test_class_numbers_stand_for_rows_from_two_classes_on(outputs, rng):
    y, numbers = rng.standard_normal((4, outputs)), np.array([1, 0, outputs - 1, 0])
    rows = np.eye(outputs)[numbers]
    for loss in (SquaredError(), HalfSquaredError(), AbsoluteError(), Huber()):
        for found, right in zip(loss.forward(y, numbers), loss.forward(y, rows), strict=True):
            np.testing.assert_array_equal(found, right)


def test_no_examples_have_no_mean():
    with pytest.raises(ShapeError, match="no mean loss"):
        mean_weights(0, None, Y)


def test_a_missing_last_axis_of_one_is_added_whatever_the_other_axes(rng):
    y, target = rng.standard_normal((4, 3, 1)), rng.uniform(0, 1, (4, 3))
    for loss in (SquaredError(), HalfSquaredError(), AbsoluteError(), Huber()):
        found, right = loss.forward(y, target), loss.forward(y, target[..., None])
        np.testing.assert_array_equal(found[0], right[0])
        np.testing.assert_array_equal(found[1], right[1])


def test_class_numbers_are_for_one_axis_of_classes():
    """Rows with a one would be spread over the other axes."""
    for loss in (SquaredError(), HalfSquaredError(), AbsoluteError(), Huber()):
        with pytest.raises(ShapeError, match="does not fit"):
            loss.forward(np.zeros((3, 3, 3)), np.array([0, 1, 2]))


def test_class_numbers_of_no_classes_are_refused():
    with pytest.raises(ShapeError, match="for 0 outputs"):
        CrossEntropy().forward(np.zeros((2, 0)), np.array([0, 1]))


def test_terms_are_counted_where_there_are_positions():
    loss = CrossEntropy()
    assert loss.terms(np.array([1, -1, 0])) is None
    assert loss.terms(np.full((2, 3, 4), 0.25)) is None
    np.testing.assert_array_equal(loss.terms(np.array([[1, 0, -1], [-1, -1, -1]])), [2, 0])
