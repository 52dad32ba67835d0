"""The mean over tokens: padding does not count, and it matters not how a batch is cut."""

import numpy as np
import pytest
from arrays import relative_error

import pullback as pb
from pullback.core.errors import ShapeError
from pullback.data.dataset import Dataset
from pullback.engine import lower_loss
from pullback.losses import CrossEntropy, WeightedSum, term_weights
from pullback.losses.gradient import value_and_grad

LENGTHS = (5, 1, 3, 0, 5, 2, 4, 1)


@pytest.fixture
def tokens(rng):
    x = rng.standard_normal((len(LENGTHS), 5, 3))
    y = rng.integers(0, 4, (len(LENGTHS), 5))
    for row, length in zip(y, LENGTHS, strict=True):
        row[length:] = -1
    return x, y


def rows_of(tokens):
    x, y = tokens
    return x[y >= 0], y[y >= 0]


def test_the_gradient_is_that_of_the_tokens_one_by_one(tokens):
    net = pb.Linear(4)
    p, _ = pb.init(net, tokens[0], dtype="float64")
    compute = value_and_grad(net, CrossEntropy())
    value, gradient = compute(p, *tokens)
    right, expected = compute(p, *rows_of(tokens))
    assert value == pytest.approx(right, rel=1e-14)
    assert relative_error(gradient.flat, expected.flat) < 1e-14


def trained(tokens, weight=None, **options):
    data = Dataset(*tokens, weight)
    return pb.fit(
        pb.Linear(4), data, loss=CrossEntropy(), optimizer=pb.optim.SGD(0.5), batch_size=8,
        epochs=3, dtype="float64", normalize="none", **options,
    )  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_parts_of_a_batch_add_up_to_the_whole(tokens, weighted, rng):
    weight = rng.uniform(0.5, 2, len(LENGTHS)) if weighted else None
    whole = trained(tokens, weight)
    for pieces in (2, 4, 8):
        cut = trained(tokens, weight, accumulate=pieces)
        assert relative_error(cut.model.theta.flat, whole.model.theta.flat) < 1e-13
        assert cut.history["loss"][-1] == pytest.approx(whole.history["loss"][-1], rel=1e-13)


def test_loss_and_accuracy_of_an_epoch_are_means_over_tokens(tokens):
    data = Dataset(*tokens)
    run = trained(tokens, validation=data)
    found = run.model.evaluate(data)
    y = tokens[0] @ run.model.theta["W"] + run.model.theta["b"]
    values, _ = CrossEntropy().forward(y[tokens[1] >= 0], tokens[1][tokens[1] >= 0])
    right = y.argmax(-1)[tokens[1] >= 0] == tokens[1][tokens[1] >= 0]
    assert found["loss"] == pytest.approx(values.mean(), rel=1e-6)
    assert found["accuracy"] == pytest.approx(right.mean(), rel=1e-6)


@pytest.mark.parametrize("positions", [1, 5])
def test_positions_are_learned_by_lowered_maps_as_by_the_reference_form(rng, positions):
    """A step of positions must not be taken for one of rows that is replayed from its jobs."""
    x, y = rng.standard_normal((64, positions, 3)), rng.integers(0, 4, (64, positions))
    net, optimizer = pb.Linear(4), pb.optim.SGD(0.5)
    run = pb.fit(
        net, Dataset(x, y), loss=CrossEntropy(), optimizer=optimizer, batch_size=16, epochs=4,
        dtype="float64", normalize="none",
    )  # fmt: skip
    p, _ = pb.init(net, x, dtype="float64")
    from pullback.data.split import order

    for epoch in range(4):
        for rows in order(64, 0, epoch).reshape(4, 16):
            _, gradient = value_and_grad(net, CrossEntropy())(p, x[rows], y[rows])
            p.flat[:] -= 0.5 * gradient.flat
    assert relative_error(run.model.theta.flat, p.flat) < 1e-12


def test_the_receipt_and_the_walk_take_the_mean_over_tokens(tokens):
    net = pb.Linear(4)
    p, _ = pb.init(net, tokens[0], dtype="float64")
    pb.gradient_receipt(net, CrossEntropy(), p, *tokens).raise_for_failure()
    value, _ = value_and_grad(net, CrossEntropy())(p, *tokens)
    (error,) = pb.walk(net, CrossEntropy(), p, *tokens).of("error")
    (found,) = [each.array for each in error.values if each.name == "L"]
    assert float(found) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_lowered_loss_ignores_padding_too(tokens, smoothing, rng):
    loss = CrossEntropy(smoothing)
    y, target = rng.standard_normal((len(LENGTHS), 5, 4)), tokens[1]
    g = rng.standard_normal(len(LENGTHS))
    right, slope = loss.forward(y, target)
    fast = lower_loss(loss)
    found, fast_slope = fast.forward(y, target)
    assert relative_error(found, right) < 1e-14
    gy = fast.pullback(fast_slope, g)
    assert relative_error(gy, loss.pullback(slope, g)) < 1e-14
    assert found[3] == 0
    assert np.all(gy[target < 0] == 0)
    np.testing.assert_array_equal(fast.terms(target), LENGTHS)


def test_only_positions_have_padding(tokens):
    with pytest.raises(ShapeError, match="class numbers from -1 to 1"):
        CrossEntropy().forward(np.zeros((2, 3)), np.array([-1, 1]))
    with pytest.raises(ShapeError, match="class numbers from 0 to 4"):
        CrossEntropy().forward(np.zeros((1, 2, 4)), np.array([[0, 4]]))


def test_weights_of_sums_of_losses(tokens):
    both = WeightedSum((CrossEntropy(), CrossEntropy(0.1)), (1.0, 2.0))
    np.testing.assert_array_equal(term_weights(both, tokens[1], None), LENGTHS)
    np.testing.assert_array_equal(
        term_weights(both, tokens[1], np.full(8, 2.0)), 2 * np.array(LENGTHS)
    )
    mixed = WeightedSum((CrossEntropy(), pb.losses.Dice()), (1.0, 2.0))
    assert term_weights(mixed, tokens[1], None) is None
