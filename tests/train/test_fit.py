"""Training from Python: what a user does, and every reason to stop."""

from __future__ import annotations

import numpy as np
import pytest
from runs import digits, fit_tiny

import pullback as pb
from pullback.core.errors import ConfigError, DataError, ShapeError
from pullback.train.events import EpochEnded, Progress, Started, Stopped


def perceptron() -> pb.Map:
    return pb.Chain(pb.Flatten(), pb.Linear(32), pb.ReLU(), pb.Linear(10))


def fit_digits(**changes):
    options = {
        "loss": pb.losses.CrossEntropy(),
        "optimizer": pb.optim.SGD(lr=0.1),
        "epochs": 6,
        "batch_size": 32,
        **changes,
    }
    return pb.fit(options.pop("net", perceptron()), options.pop("data", digits()), **options)


def test_a_user_trains_evaluates_saves_and_predicts(tmp_path):
    data = pb.data.load("digits")
    run = fit_digits(data=data.train, validation=0.1, epochs=15)
    assert len(run.history["val_accuracy"]) == 15
    assert run.history["loss"][-1] < 0.1 < run.history["loss"][0]
    run.history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

    figures = run.model.evaluate(data.test)
    assert set(figures) == {"loss", "accuracy"}
    assert figures["accuracy"] > 0.93
    assert figures["accuracy"] == np.mean(run.model.predict(data.test.x) == data.test.y)

    run.model.save(tmp_path / "digits.safetensors")
    loaded = pb.load_model(tmp_path / "digits.safetensors")
    np.testing.assert_array_equal(
        loaded.predict_proba(data.test.x), run.model.predict_proba(data.test.x)
    )
    np.testing.assert_allclose(loaded.predict_proba(data.test.x).sum(axis=1), 1, rtol=1e-6)


def test_summary_shows_shapes_parameters_starts_and_cost():
    text = str(fit_digits(epochs=1).model.summary())
    for part in ("Linear", "ReLU", "(N, 32)", "2,080", "HeNormal", "330", "2,410"):
        assert part in text, text


def test_the_figures_of_an_epoch_are_those_of_its_batches():
    """With a learning rate of 0 the running loss is the loss of the start, on all examples."""
    data = digits().train
    run = fit_digits(data=data, optimizer=pb.optim.SGD(lr=0.0), epochs=1, batch_size=50)
    figures = run.model.evaluate(data)
    assert run.history["loss"][0] == pytest.approx(figures["loss"], rel=1e-6)
    assert run.history["accuracy"][0] == pytest.approx(figures["accuracy"], rel=1e-12)


def test_validation_is_measured_on_examples_that_do_not_train():
    from pullback.data import split

    data = digits().train
    run = fit_digits(data=data, validation=0.25, epochs=2, seed=5)
    _, held = split(data, 0.25, 5)
    figures = run.model.evaluate(held)
    assert run.history["val_loss"][-1] == pytest.approx(figures["loss"], rel=1e-6)
    assert run.history["val_accuracy"][-1] == figures["accuracy"]


def test_a_validation_data_set_can_be_given():
    data = digits()
    run = fit_digits(data=data.train, validation=data.test, epochs=2)
    assert run.history["val_accuracy"][-1] == run.model.evaluate(data.test)["accuracy"]


# -- when to stop


def test_stops_at_the_number_of_epochs():
    run = fit_digits(epochs=3)
    assert (run.stopped, len(run.history)) == ("epochs", 3)


def test_stops_at_an_error_threshold():
    run = fit_digits(epochs=50, until_loss=0.3)
    losses = run.history["loss"]
    assert run.stopped == "until_loss"
    assert losses[-1] <= 0.3 < losses[-2]


def test_stops_after_a_number_of_steps():
    run = fit_digits(epochs=50, max_steps=60, batch_size=40)  # 36 steps an epoch
    assert run.stopped == "max_steps"
    assert len(run.history) == 1


def test_stops_when_the_time_is_used_up():
    run = fit_digits(epochs=100_000, max_seconds=0.3)
    assert run.stopped == "max_seconds"
    assert 0 < len(run.history) < 100_000


def test_early_stopping_returns_the_best_parameters():
    data = digits()
    run = fit_digits(
        data=data.train[:200], validation=data.test, epochs=200, patience=4,
        optimizer=pb.optim.SGD(lr=1.2), batch_size=20,
    )  # fmt: skip
    losses = run.history["val_loss"]
    best = int(np.argmin(losses))
    assert run.stopped == "patience"
    assert len(losses) == best + 1 + 4
    assert run.model.evaluate(data.test)["loss"] == pytest.approx(losses[best], rel=1e-6)
    assert losses[-1] > losses[best]


def test_without_patience_the_last_parameters_are_returned():
    data = digits()
    run = fit_digits(data=data.train[:200], validation=data.test, epochs=30, batch_size=20)
    assert run.model.evaluate(data.test)["loss"] == pytest.approx(
        run.history["val_loss"][-1], rel=1e-6
    )


# -- what a step is made of


def test_gradient_descent_takes_one_step_an_epoch_with_all_examples():
    data = digits().train
    common = {"data": data, "epochs": 3, "seed": 1}
    whole = fit_digits(optimizer=pb.optim.GradientDescent(0.1), batch_size=32, **common)
    same = fit_digits(optimizer=pb.optim.SGD(0.1), batch_size=None, **common)
    np.testing.assert_array_equal(whole.model.theta.flat, same.model.theta.flat)


def test_a_weight_of_two_is_an_example_twice():
    data = digits().train[:60]
    weight = np.ones(60)
    weight[:20] = 2
    weighted = pb.data.from_arrays(data.x, data.y, weight=weight)
    twice = pb.data.from_arrays(
        np.concatenate([data.x, data.x[:20]]), np.concatenate([data.y, data.y[:20]])
    )
    common = {"optimizer": pb.optim.SGD(0.1), "epochs": 5, "batch_size": None,
              "dtype": "float64", "normalize": "scale"}  # fmt: skip
    a, b = fit_digits(data=weighted, **common), fit_digits(data=twice, **common)
    np.testing.assert_allclose(a.model.theta.flat, b.model.theta.flat, rtol=1e-10)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(a.history["accuracy"], b.history["accuracy"], rtol=1e-12)


def test_normalisation_is_fitted_on_the_training_part_only():
    data = digits().train
    far = pb.data.from_arrays(data.x + 1000.0, data.y)
    run = fit_digits(data=data, validation=far, epochs=1)
    alone = fit_digits(data=data, epochs=1)
    assert run.model.normalizer == alone.model.normalizer


def test_regression_with_its_metrics():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 3.0
    run = pb.fit(
        pb.Chain(pb.Linear(1)), pb.data.from_arrays(x, y), loss=pb.losses.SquaredError(),
        optimizer=pb.optim.Momentum(0.05), epochs=40, batch_size=50, dtype="float64",
    )  # fmt: skip
    assert set(run.history.keys()) >= {"loss", "mae", "r2"}
    assert run.history["r2"][-1] > 0.9999
    np.testing.assert_allclose(run.model.predict(x)[:, 0], y, atol=1e-3)


@pytest.mark.parametrize("loss", [pb.losses.HalfSquaredError(), pb.losses.Huber()])
def test_the_textbooks_error_learns_classes(loss):
    """Class numbers become rows with a one; what is reported is the accuracy."""
    run = fit_digits(loss=loss, optimizer=pb.optim.Adam(0.003), epochs=20)
    assert run.history["accuracy"][-1] > 0.95
    assert run.model.evaluate(digits().test)["accuracy"] > 0.9


def test_events_come_in_order_and_are_frozen():
    events = []
    run = fit_digits(epochs=2, callbacks=[events.append])
    kinds = [type(e) for e in events if not isinstance(e, Progress)]
    assert kinds == [Started, EpochEnded, EpochEnded, Stopped]
    assert events[0].train_examples == 1438
    assert events[-1].reason == run.stopped
    assert [e.figures["loss"] for e in events if isinstance(e, EpochEnded)] == run.history["loss"]
    with pytest.raises(AttributeError):
        events[0].epoch = 7


def test_noise_depends_on_the_seed_alone():
    first, again, other = fit_tiny(), fit_tiny(), fit_tiny(seed=4)
    np.testing.assert_array_equal(first.model.theta.flat, again.model.theta.flat)
    assert (first.model.theta.flat != other.model.theta.flat).any()


# -- wrong input


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    {
        "zero epochs": ({"epochs": 0}, ConfigError, "epochs=0"),
        "no whole epochs": ({"epochs": 1.5}, ConfigError, "epochs=1.5"),
        "batch too large": ({"batch_size": 5000}, ConfigError, "larger than the 1438"),
        "batch of zero": ({"batch_size": 0}, ConfigError, "batch_size=0"),
        "all held out": ({"validation": 1.0}, ConfigError, "validation=1.0"),
        "unknown dtype": ({"dtype": "float16"}, ConfigError, "float32, float64"),
        "unknown metric": ({"metrics": ["acuracy"]}, ConfigError, "Did you mean 'Accuracy'"),
        "unknown normalisation": ({"normalize": "zscore"}, ConfigError, "standard, scale, none"),
        "negative time": ({"max_seconds": -1}, ConfigError, "max_seconds"),
        "too few outputs": (
            {"net": pb.Chain(pb.Flatten(), pb.Linear(5))}, ShapeError, "5 outputs",
        ),
        "no axis for the classes": (
            {"net": pb.Chain(pb.Reshape((8, 8)))}, ShapeError, "N, classes",
        ),
        "does not fit": (
            {"net": pb.Chain(pb.Reshape((7, 7)), pb.Flatten())}, ShapeError, "0 (Reshape)",
        ),
    }.values(),
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused(changes, error, said):
    with pytest.raises(error) as caught:
        fit_digits(**changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "cross_entropy"}, "losses.CrossEntropy()"),
        ({"loss": pb.losses.CrossEntropy}, "losses.CrossEntropy()"),
        ({"optimizer": "adam"}, "optim.SGD(lr=0.1)"),
        ({"net": [pb.Linear(10)]}, "Chain"),
        ({"data": (np.zeros((3, 2)), np.zeros(3))}, "from_arrays"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_explained(changes, said):
    with pytest.raises(ConfigError) as caught:
        fit_digits(**changes)
    assert said in str(caught.value)


def test_nan_pixels_are_refused_before_training():
    x = digits().train.x.astype(np.float64)
    x[17, 3, 3] = np.nan
    with pytest.raises(DataError, match="first in row 17"):
        pb.data.from_arrays(x, digits().train.y)


def test_batches_and_classes_whose_weights_are_all_0_count_for_nothing():
    data = digits().train
    weight = (data.y > 0).astype(float)
    weight[np.argmax(data.y)] = 0  # of the first and the last class, those that are looked at first
    weight[:200] = 0  # and of several batches in the order of the data
    weighted = pb.data.from_arrays(data.x, data.y, weight=weight)
    seen = pb.data.from_arrays(data.x[weight > 0], data.y[weight > 0])
    run = fit_digits(data=weighted, epochs=3, batch_size=2, max_steps=900)
    assert np.isfinite(run.model.theta.flat).all()
    figures = run.model.evaluate(weighted), run.model.evaluate(seen)
    assert figures[0]["loss"] == pytest.approx(figures[1]["loss"], rel=1e-6)


def test_a_batch_without_weight_leaves_the_parameters(rng):
    net, loss = pb.Linear(2), pb.losses.CrossEntropy()
    x, target = rng.standard_normal((3, 4)), np.array([0, 1, 1])
    p, _ = pb.init(net, x, dtype="float64")
    value, gradient = pb.value_and_grad(net, loss)(p, x, target, weight=np.zeros(3))
    assert value == 0
    np.testing.assert_array_equal(gradient.flat, 0)
